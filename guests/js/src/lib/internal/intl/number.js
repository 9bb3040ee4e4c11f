// Intl.NumberFormat, for English.

const { resolve, supportedLocalesOf, option, integer } = require('internal/intl/locale');

const SYMBOLS = { USD: '$', EUR: '€', GBP: '£', JPY: '¥', INR: '₹', CNY: 'CN¥', KRW: '₩', BRL: 'R$', CAD: 'CA$', AUD: 'A$', MXN: 'MX$', NZD: 'NZ$', HKD: 'HK$', TWD: 'NT$', ILS: '₪', VND: '₫', PHP: '₱', XAF: 'FCFA', XOF: 'F CFA' };
const CURRENCIES = {
  USD: ['US dollar', 'US dollars'], EUR: ['euro', 'euros'], GBP: ['British pound', 'British pounds'], JPY: ['Japanese yen', 'Japanese yen'],
  INR: ['Indian rupee', 'Indian rupees'], CNY: ['Chinese yuan', 'Chinese yuan'], CAD: ['Canadian dollar', 'Canadian dollars'],
  AUD: ['Australian dollar', 'Australian dollars'], CHF: ['Swiss franc', 'Swiss francs'],
};
const NO_FRACTION = ['JPY', 'KRW', 'VND', 'CLP', 'ISK', 'UGX', 'XAF', 'XOF', 'PYG'];
const COMPACT = [[1e12, 'T', 'trillion'], [1e9, 'B', 'billion'], [1e6, 'M', 'million'], [1e3, 'K', 'thousand']];
// unit: [short, narrow, one, many]; short and narrow with the space they need.
const UNITS = {
  acre: [' ac', 'ac', 'acre', 'acres'], bit: [' bit', 'bit', 'bit', 'bits'], byte: [' byte', 'B', 'byte', 'bytes'], celsius: ['°C', '°C', 'degree Celsius', 'degrees Celsius'],
  centimeter: [' cm', 'cm', 'centimeter', 'centimeters'], day: [' day', 'd', 'day', 'days'], degree: [' deg', '°', 'degree', 'degrees'],
  fahrenheit: ['°F', '°', 'degree Fahrenheit', 'degrees Fahrenheit'], foot: [' ft', '′', 'foot', 'feet'], gallon: [' gal', 'gal', 'gallon', 'gallons'],
  gigabit: [' Gb', 'Gb', 'gigabit', 'gigabits'], gigabyte: [' GB', 'GB', 'gigabyte', 'gigabytes'], gram: [' g', 'g', 'gram', 'grams'],
  hour: [' hr', 'h', 'hour', 'hours'], inch: [' in', '″', 'inch', 'inches'], kilobit: [' kb', 'kb', 'kilobit', 'kilobits'], kilobyte: [' kB', 'kB', 'kilobyte', 'kilobytes'],
  kilogram: [' kg', 'kg', 'kilogram', 'kilograms'], kilometer: [' km', 'km', 'kilometer', 'kilometers'], liter: [' L', 'L', 'liter', 'liters'],
  megabit: [' Mb', 'Mb', 'megabit', 'megabits'], megabyte: [' MB', 'MB', 'megabyte', 'megabytes'], meter: [' m', 'm', 'meter', 'meters'],
  mile: [' mi', 'mi', 'mile', 'miles'], millimeter: [' mm', 'mm', 'millimeter', 'millimeters'], milliliter: [' mL', 'mL', 'milliliter', 'milliliters'],
  millisecond: [' ms', 'ms', 'millisecond', 'milliseconds'], minute: [' min', 'm', 'minute', 'minutes'], month: [' mth', 'm', 'month', 'months'],
  ounce: [' oz', 'oz', 'ounce', 'ounces'], percent: ['%', '%', 'percent', 'percent'], petabyte: [' PB', 'PB', 'petabyte', 'petabytes'],
  pound: [' lb', '#', 'pound', 'pounds'], second: [' sec', 's', 'second', 'seconds'], terabyte: [' TB', 'TB', 'terabyte', 'terabytes'],
  week: [' wk', 'w', 'week', 'weeks'], yard: [' yd', 'yd', 'yard', 'yards'], year: [' yr', 'y', 'year', 'years'],
};
const PLURAL_SHORT = { day: ' days', byte: ' byte', month: ' mths', week: ' wks', year: ' yrs' };

// The digits of a number and where its point is: "12.5" is ['125', 2].
function decimal(value) {
  if (typeof value === 'bigint') return [String(value), String(value).length];
  const [mantissa, exponent = '0'] = String(value).split('e');
  const [whole, fraction = ''] = mantissa.split('.');
  const digits = (whole + fraction).replace(/^0+(?=\d)/, '');
  return [digits, digits.length - fraction.length + Number(exponent)];
}

// Rounds digits to so many before the end of the kept part, half away from zero.
function round(digits, point, kept) {
  if (kept >= digits.length) return [digits, point];
  if (kept < 0) return ['0', 1];
  const up = digits[kept] >= '5';
  let head = digits.slice(0, kept);
  if (!up) return [head || '0', head ? point : 1];
  head = String(BigInt(`1${head}`) + 1n);
  return head[0] === '2' ? [`1${head.slice(1)}`, point + 1] : [head.slice(1), point];
}

// Whole and fraction, as text, of a number that is not negative.
function digitsOf(value, { minInt, minFraction, maxFraction, minDigits, maxDigits }) {
  let [digits, point] = decimal(value);
  [digits, point] = round(digits, point, maxDigits === undefined ? point + maxFraction : (digits === '0' ? 1 : maxDigits));
  if (point <= 0) [digits, point] = ['0'.repeat(1 - point) + digits, 1];
  let whole = digits.slice(0, point).padEnd(point, '0');
  let fraction = digits.slice(point).replace(/0+$/, '');
  whole = whole.replace(/^0+(?=\d)/, '');
  if (maxDigits === undefined) {
    fraction = fraction.padEnd(minFraction, '0');
  } else {
    const significant = whole === '0' ? (fraction.replace(/^0+/, '').length || 1) : whole.length + fraction.length;
    fraction += '0'.repeat(Math.max(0, minDigits - significant));
  }
  return [whole.padStart(minInt, '0'), fraction];
}

class NumberFormat {
  #o;

  constructor(locales, options = {}) {
    options = Object(options);
    const style = option(options, 'style', ['decimal', 'percent', 'currency', 'unit'], 'decimal');
    const notation = option(options, 'notation', ['standard', 'scientific', 'engineering', 'compact'], 'standard');
    let { currency, unit } = options;
    if (currency !== undefined && !/^[a-z]{3}$/i.test(currency)) throw new RangeError(`Invalid currency code : ${currency}`);
    if (style === 'currency' && currency === undefined) throw new TypeError('Currency code is required with currency style.');
    currency = currency?.toUpperCase();
    if (style === 'unit' && unit === undefined) throw new TypeError('Unit is required with unit style.');
    if (unit !== undefined && !unit.split('-per-').every((part) => Object.hasOwn(UNITS, part))) {
      throw new RangeError(`Invalid unit argument for Intl.NumberFormat() '${unit}'`);
    }
    const money = style === 'currency' ? (NO_FRACTION.includes(currency) ? 0 : 2) : 0;
    let minFraction = integer(options, 'minimumFractionDigits', 0, 100);
    let maxFraction = integer(options, 'maximumFractionDigits', 0, 100);
    const usual = style === 'currency' && notation === 'standard' ? money : (style === 'percent' || notation === 'compact' ? 0 : 3);
    const usualLeast = notation === 'standard' ? money : 0;
    if (minFraction !== undefined && maxFraction !== undefined && minFraction > maxFraction) throw new RangeError('maximumFractionDigits value is out of range.');
    const fixed = minFraction !== undefined || maxFraction !== undefined;
    minFraction ??= maxFraction === undefined ? usualLeast : Math.min(usualLeast, maxFraction);
    maxFraction ??= Math.max(usual, minFraction);
    const maxDigits = integer(options, 'maximumSignificantDigits', 1, 21);
    const minDigits = integer(options, 'minimumSignificantDigits', 1, maxDigits ?? 21);
    this.#o = {
      locale: resolve(locales), style, notation, currency, unit, minFraction, maxFraction,
      minInt: integer(options, 'minimumIntegerDigits', 1, 21, 1),
      maxDigits: maxDigits ?? (minDigits === undefined ? undefined : 21),
      minDigits: minDigits ?? 1,
      compactRounding: notation === 'compact' && !fixed && maxDigits === undefined && minDigits === undefined,
      compactDisplay: option(options, 'compactDisplay', ['short', 'long'], 'short'),
      currencyDisplay: option(options, 'currencyDisplay', ['symbol', 'narrowSymbol', 'code', 'name'], 'symbol'),
      currencySign: option(options, 'currencySign', ['standard', 'accounting'], 'standard'),
      unitDisplay: option(options, 'unitDisplay', ['short', 'narrow', 'long'], 'short'),
      signDisplay: option(options, 'signDisplay', ['auto', 'never', 'always', 'exceptZero', 'negative'], 'auto'),
      grouping: options.useGrouping !== false && options.useGrouping !== 'false',
      minGrouped: options.useGrouping === 'min2' || (notation === 'compact' && options.useGrouping === undefined) ? 5 : 4,
    };
    Object.defineProperty(this, 'format', { value: (value) => this.#text(this.#parts(value)), configurable: true });
  }

  formatToParts(value) { return this.#parts(value); }

  formatRange(start, end) {
    const [from, to] = [this.format(start), this.format(end)];
    return from === to ? `~${from}` : `${from}–${to}`;
  }

  resolvedOptions() {
    const o = this.#o;
    return {
      locale: o.locale, numberingSystem: 'latn', style: o.style,
      ...(o.currency && { currency: o.currency, currencyDisplay: o.currencyDisplay, currencySign: o.currencySign }),
      ...(o.unit && { unit: o.unit, unitDisplay: o.unitDisplay }),
      minimumIntegerDigits: o.minInt,
      ...(o.maxDigits === undefined ? { minimumFractionDigits: o.minFraction, maximumFractionDigits: o.maxFraction }
        : { minimumSignificantDigits: o.minDigits, maximumSignificantDigits: o.maxDigits }),
      useGrouping: o.grouping ? (o.minGrouped === 5 ? 'min2' : 'auto') : false, notation: o.notation,
      ...(o.notation === 'compact' && { compactDisplay: o.compactDisplay }),
      signDisplay: o.signDisplay, roundingMode: 'halfExpand', roundingIncrement: 1, trailingZeroDisplay: 'auto', roundingPriority: 'auto',
    };
  }

  #text(parts) { return parts.map(({ value }) => value).join(''); }

  #parts(value) {
    const o = this.#o;
    if (typeof value !== 'bigint') value = typeof value === 'string' && /^-?\d{16,}$/.test(value) ? BigInt(value) : Number(value);
    const negative = value < 0 || Object.is(value, -0);
    const number = value !== value ? [{ type: 'nan', value: 'NaN' }] : this.#number(value < 0 ? -value : value);
    const zero = number.every((part) => !['integer', 'fraction'].includes(part.type) || /^0*$/.test(part.value));
    const sign = this.#sign(negative, zero && value === value && number[0].type !== 'infinity');
    let parts = this.#dressed(number);
    if (sign === '(') parts = [{ type: 'literal', value: '(' }, ...parts, { type: 'literal', value: ')' }];
    else if (sign) parts.unshift({ type: sign === '-' ? 'minusSign' : 'plusSign', value: sign });
    return parts;
  }

  #sign(negative, zero) {
    const { signDisplay, currencySign, style } = this.#o;
    if (signDisplay === 'never' || (zero && (signDisplay === 'exceptZero' || signDisplay === 'negative'))) return '';
    if (negative) return currencySign === 'accounting' && style === 'currency' ? '(' : '-';
    return signDisplay === 'always' || signDisplay === 'exceptZero' ? '+' : '';
  }

  #number(value) {
    const o = this.#o;
    if (value === Infinity) return [{ type: 'infinity', value: '∞' }];
    if (o.style === 'percent') value = typeof value === 'bigint' ? value * 100n : Number(`${String(value).split('e')[0]}e${Number(String(value).split('e')[1] ?? 0) + 2}`);
    if (o.notation === 'compact') return this.#compact(Number(value));
    if (o.notation !== 'standard') return this.#scientific(Number(value));
    return this.#grouped(digitsOf(value, o));
  }

  #grouped([whole, fraction]) {
    const parts = [];
    const groups = this.#o.grouping && whole.length >= this.#o.minGrouped ? whole.split(/(?=(?:\d{3})+$)/) : [whole];
    groups.forEach((group, i) => {
      if (i) parts.push({ type: 'group', value: ',' });
      parts.push({ type: 'integer', value: group });
    });
    if (fraction) parts.push({ type: 'decimal', value: '.' }, { type: 'fraction', value: fraction });
    return parts;
  }

  #compact(value) {
    const o = this.#o;
    const rounded = (scaled) => {
      const two = o.compactRounding ? { ...o, maxDigits: scaled < 100 ? 2 : undefined, minDigits: 1, minFraction: 0, maxFraction: 0 } : o;
      return digitsOf(scaled, two);
    };
    let at = COMPACT.findIndex(([scale]) => value >= scale);
    let digits = rounded(at === -1 ? value : value / COMPACT[at][0]);
    // 999,999 is a million, not a thousand thousands.
    if (digits[0].length > 3 && at !== 0) {
      at = at === -1 ? COMPACT.length - 1 : at - 1;
      digits = rounded(value / COMPACT[at][0]);
    }
    const parts = this.#grouped(digits);
    if (at === -1) return parts;
    if (o.compactDisplay === 'long') parts.push({ type: 'literal', value: ' ' });
    return [...parts, { type: 'compact', value: COMPACT[at][o.compactDisplay === 'long' ? 2 : 1] }];
  }

  #scientific(value) {
    const o = this.#o;
    const [digits, point] = decimal(value);
    let exponent = value === 0 ? 0 : point - 1 - (digits.length - digits.replace(/^0+/, '').length);
    if (o.notation === 'engineering') exponent = Math.floor(exponent / 3) * 3;
    const scaled = () => digitsOf(Number(`${digits}e${point - digits.length - exponent}`), o);
    let [whole, fraction] = scaled();
    if (whole.length > (o.notation === 'engineering' ? 3 : 1)) { // rounded up to the next power
      exponent += o.notation === 'engineering' ? 3 : 1;
      [whole, fraction] = scaled();
    }
    const parts = this.#grouped([whole, fraction]);
    parts.push({ type: 'exponentSeparator', value: 'E' });
    if (exponent < 0) parts.push({ type: 'exponentMinusSign', value: '-' });
    return [...parts, { type: 'exponentInteger', value: String(Math.abs(exponent)) }];
  }

  #dressed(number) {
    const o = this.#o;
    const plain = this.#text(number);
    if (o.style === 'percent') return [...number, { type: 'percentSign', value: '%' }];
    if (o.style === 'unit') return [...number, ...this.#unit(plain)];
    if (o.style !== 'currency') return number;
    if (o.currencyDisplay === 'name') {
      const [one, many] = CURRENCIES[o.currency] ?? [o.currency, o.currency];
      return [...number, { type: 'literal', value: ' ' }, { type: 'currency', value: plain === '1' ? one : many }];
    }
    const symbol = o.currencyDisplay === 'code' ? o.currency : (o.currencyDisplay === 'narrowSymbol' ? SYMBOLS[o.currency]?.replace(/^[A-Z]+(?=.*[^A-Z])/, '') : SYMBOLS[o.currency]) ?? o.currency;
    const gap = /[A-Z]$/.test(symbol) ? [{ type: 'literal', value: '\u00a0' }] : [];
    return [{ type: 'currency', value: symbol }, ...gap, ...number];
  }

  #unit(plain) {
    const { unit, unitDisplay } = this.#o;
    const [base, per] = unit.split('-per-');
    const [short, narrow, one, many] = UNITS[base];
    let text;
    if (unitDisplay === 'long') text = ` ${plain === '1' ? one : many}${per ? ` per ${UNITS[per][2]}` : ''}`;
    else if (unitDisplay === 'narrow') text = narrow + (per ? `/${UNITS[per][1]}` : '');
    else text = (plain === '1' ? short : PLURAL_SHORT[base] ?? short) + (per ? `/${per === 'hour' ? 'h' : per === 'second' ? 's' : UNITS[per][0].trim()}` : '');
    if (unitDisplay === 'short' && unit === 'mile-per-hour') text = ' mph';
    const space = text.startsWith(' ') ? [{ type: 'literal', value: ' ' }] : [];
    return [...space, { type: 'unit', value: text.trimStart() }];
  }

  static supportedLocalesOf(locales) { return supportedLocalesOf(locales); }
}
Object.defineProperty(NumberFormat.prototype, Symbol.toStringTag, { value: 'Intl.NumberFormat', configurable: true });

module.exports = { NumberFormat };
