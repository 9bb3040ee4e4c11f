// The language's own methods that depend on a locale; what they need is
// loaded when one is called.

const define = (object, methods) => {
  for (const [name, value] of Object.entries(methods)) {
    Object.defineProperty(object, name, { value, writable: true, configurable: true, enumerable: false });
  }
};

const formatDate = (date, locales, options, defaults) => {
  if (Number.isNaN(date.getTime())) return 'Invalid Date';
  const { DateTimeFormat } = require('internal/intl/date');
  return new DateTimeFormat(locales, options, defaults).format(date);
};

const formatNumber = (number, locales, options) => {
  const { NumberFormat } = require('internal/intl/number');
  return new NumberFormat(locales, options).format(number);
};

function install() {
  define(Number.prototype, { toLocaleString(locales, options) { return formatNumber(this.valueOf(), locales, options); } });
  define(BigInt.prototype, { toLocaleString(locales, options) { return formatNumber(this.valueOf(), locales, options); } });
  define(Date.prototype, {
    toLocaleString(locales, options) { return formatDate(this, locales, options, 'both'); },
    toLocaleDateString(locales, options) { return formatDate(this, locales, options, 'date'); },
    toLocaleTimeString(locales, options) { return formatDate(this, locales, options, 'time'); },
  });
  define(String.prototype, {
    localeCompare(other, locales, options) {
      const { compare, Collator } = require('internal/intl/collator');
      const [left, right] = [String(this), String(other)];
      return options === undefined && locales === undefined ? compare(left, right, {}) : new Collator(locales, options).compare(left, right);
    },
  });
}

module.exports = { install };
