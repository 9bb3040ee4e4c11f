// The global Intl, which the engine has not got, and the methods of the
// language that depend on it. The engine's own would ignore the locale.

const { list } = require('internal/intl/locale');
const words = require('internal/intl/words');

const SUPPORTED = {
  calendar: ['gregory'], collation: ['default'], currency: ['EUR', 'GBP', 'JPY', 'USD'], numberingSystem: ['latn'], timeZone: ['UTC'], unit: [],
};

// A constructor that works without `new`, as those of Intl do.
const callable = (Class) => new Proxy(Class, { apply: (_, __, args) => new Class(...args) });

const Intl = {
  Collator: callable(require('internal/intl/collator').Collator),
  DateTimeFormat: callable(require('internal/intl/date').DateTimeFormat),
  NumberFormat: callable(require('internal/intl/number').NumberFormat),
  ...words,
  getCanonicalLocales: (locales) => [...new Set(list(locales))],
  supportedValuesOf(key) {
    if (!Object.hasOwn(SUPPORTED, key)) throw new RangeError(`Invalid key : ${key}`);
    return [...SUPPORTED[key]];
  },
};
for (const name of Object.keys(Intl)) Object.defineProperty(Intl, name, { enumerable: false });
Object.defineProperty(Intl, Symbol.toStringTag, { value: 'Intl', configurable: true });

module.exports = { Intl };
