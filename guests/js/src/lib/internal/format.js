// util.format: printf as console.log knows it.

const { inspect } = require('internal/inspect');
const style = require('internal/inspect/style');

const BUILT_IN = new Set(Object.getOwnPropertyNames(globalThis).filter((name) => /^[A-Z][a-zA-Z0-9]+$/.test(name)));

// Whether String(value) would only say "[object Object]" or the like.
function hasBuiltInToString(value) {
  value = native.proxyDetails(value)?.[0] ?? value;
  const names = ['toString', Symbol.toPrimitive].filter((name) => typeof value[name] === 'function');
  if (names.length === 0) return true;
  if (names.some((name) => Object.hasOwn(value, name))) return false;
  let holder = value;
  do {
    holder = Object.getPrototypeOf(holder);
  } while (!names.some((name) => Object.hasOwn(holder, name)));
  const own = Object.getOwnPropertyDescriptor(holder, 'constructor');
  return typeof own?.value === 'function' && BUILT_IN.has(own.value.name);
}

function number(value, options) {
  return typeof value === 'bigint'
    ? style.bigint(style.plain, value, options?.numericSeparator)
    : style.number(style.plain, value, options?.numericSeparator);
}

function string(value, options) {
  if (typeof value === 'number' || typeof value === 'bigint') return number(value, options);
  if (typeof value !== 'object' || value === null || !hasBuiltInToString(value)) return String(value);
  return inspect(value, { ...options, compact: 3, colors: false, depth: 0 });
}

function json(value) {
  try {
    return JSON.stringify(value);
  } catch (error) {
    if (/circular/i.test(error.message)) return '[Circular]';
    throw error;
  }
}

// A number made of any value but a symbol, which is none.
const numeric = (convert) => (value, options) => {
  if (typeof value === 'symbol') return 'NaN';
  return number(typeof value === 'bigint' ? value : convert(value), options);
};

const PLACEHOLDERS = {
  s: string,
  j: json,
  d: numeric(Number),
  i: numeric((value) => Number.parseInt(value, 10)),
  f: numeric((value) => Number.parseFloat(value)),
  O: (value, options) => inspect(value, options),
  o: (value, options) => inspect(value, { ...options, showHidden: true, showProxy: true, depth: 4 }),
  c: () => '',
};

function formatWithOptions(options, ...args) {
  let text = '';
  let next = 0;
  if (typeof args[0] === 'string') {
    [text] = args;
    next = 1;
    if (args.length > 1 && text.includes('%')) {
      text = text.replace(/%([sjdifOoc%])/g, (whole, kind) => {
        if (kind === '%') return '%';
        if (next >= args.length) return whole;
        return PLACEHOLDERS[kind](args[next++], options);
      });
    }
  }
  for (; next < args.length; next++) {
    if (next > 0) text += ' ';
    const value = args[next];
    text += typeof value === 'string' ? value : inspect(value, options);
  }
  return text;
}

const format = (...args) => formatWithOptions(undefined, ...args);

module.exports = { format, formatWithOptions };
