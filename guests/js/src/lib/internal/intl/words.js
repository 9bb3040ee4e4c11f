// Intl.PluralRules, RelativeTimeFormat, ListFormat, Segmenter, DisplayNames
// and Locale, for English.

const { canonical, resolve, supportedLocalesOf, option } = require('internal/intl/locale');
const { NumberFormat } = require('internal/intl/number');

class PluralRules {
  #type;
  #locale;

  constructor(locales, options = {}) {
    this.#locale = resolve(locales);
    this.#type = option(options, 'type', ['cardinal', 'ordinal'], 'cardinal');
  }

  select(number) {
    const n = Math.abs(Number(number));
    if (this.#type === 'cardinal') return n === 1 ? 'one' : 'other';
    if (n % 100 >= 11 && n % 100 <= 13) return 'other';
    return { 1: 'one', 2: 'two', 3: 'few' }[n % 10] ?? 'other';
  }

  selectRange() { return 'other'; }

  resolvedOptions() {
    const pluralCategories = this.#type === 'cardinal' ? ['one', 'other'] : ['few', 'one', 'two', 'other'];
    return { locale: this.#locale, type: this.#type, minimumIntegerDigits: 1, minimumFractionDigits: 0, maximumFractionDigits: 3, pluralCategories };
  }
}

const UNITS = ['second', 'minute', 'hour', 'day', 'week', 'month', 'quarter', 'year'];
const SHORT_UNITS = { second: 'sec.', minute: 'min.', hour: 'hr.', day: 'day', week: 'wk.', month: 'mo.', quarter: 'qtr.', year: 'yr.' };

// What "auto" says of a distance, where it has a word for it.
function nearby(value, unit) {
  if (unit === 'day') return { '-1': 'yesterday', 0: 'today', 1: 'tomorrow' }[value];
  if (unit === 'second') return value === 0 ? 'now' : undefined;
  if (unit === 'minute' || unit === 'hour') return value === 0 ? `this ${unit}` : undefined;
  return { '-1': `last ${unit}`, 0: `this ${unit}`, 1: `next ${unit}` }[value];
}

class RelativeTimeFormat {
  #style;
  #numeric;
  #locale;

  constructor(locales, options = {}) {
    this.#locale = resolve(locales);
    this.#style = option(options, 'style', ['long', 'short', 'narrow'], 'long');
    this.#numeric = option(options, 'numeric', ['always', 'auto'], 'always');
  }

  format(value, unit) { return this.formatToParts(value, unit).map((part) => part.value).join(''); }

  formatToParts(value, unit) {
    const number = Number(value);
    if (!Number.isFinite(number)) throw new RangeError('Invalid time value');
    const name = String(unit).replace(/s$/, '');
    if (!UNITS.includes(name)) throw new RangeError(`Invalid unit argument for format() '${unit}'`);
    const word = this.#numeric === 'auto' ? nearby(number, name) : undefined;
    if (word !== undefined) return [{ type: 'literal', value: word }];
    const past = number < 0 || Object.is(number, -0);
    const one = Math.abs(number) === 1;
    let text = this.#style === 'long' ? name : SHORT_UNITS[name];
    if (!one && (this.#style === 'long' || name === 'day' || name === 'quarter')) text = text.replace(/\.?$/, (dot) => `s${dot}`);
    const digits = new NumberFormat().formatToParts(Math.abs(number)).map((part) => ({ ...part, unit: name }));
    return past ? [...digits, { type: 'literal', value: ` ${text} ago` }] : [{ type: 'literal', value: 'in ' }, ...digits, { type: 'literal', value: ` ${text}` }];
  }

  resolvedOptions() { return { locale: this.#locale, style: this.#style, numeric: this.#numeric, numberingSystem: 'latn' }; }
}

class ListFormat {
  #type;
  #style;
  #locale;

  constructor(locales, options = {}) {
    this.#locale = resolve(locales);
    this.#type = option(options, 'type', ['conjunction', 'disjunction', 'unit'], 'conjunction');
    this.#style = option(options, 'style', ['long', 'short', 'narrow'], 'long');
  }

  format(list) { return this.formatToParts(list).map((part) => part.value).join(''); }

  formatToParts(list) {
    const items = [...list].map((value) => {
      if (typeof value !== 'string') throw new TypeError('Iterable yielded a non-String value');
      return { type: 'element', value };
    });
    const word = this.#type === 'disjunction' ? 'or' : (this.#style === 'long' ? 'and' : '&');
    const between = this.#type === 'unit' && this.#style === 'narrow' ? ' ' : ', ';
    const named = this.#type !== 'unit' && !(this.#type === 'conjunction' && this.#style === 'narrow');
    const comma = items.length > 2 && (this.#locale === 'en-US') ? ',' : '';
    const last = named ? `${comma} ${word} ` : between;
    return items.flatMap((item, i) => (i === 0 ? [item] : [{ type: 'literal', value: i === items.length - 1 ? last : between }, item]));
  }

  resolvedOptions() { return { locale: this.#locale, type: this.#type, style: this.#style }; }
}

const EXTENDS = /^[\p{M}\u200d\ufe0f\u{1f3fb}-\u{1f3ff}\u{e0020}-\u{e007f}]$/u;
const isFlag = (character) => character >= '\u{1f1e6}' && character <= '\u{1f1ff}';

// Characters as people count them: with their accents, joined emoji as one.
function graphemes(text) {
  const list = [];
  let flags = 0;
  for (const character of text) {
    const last = list.at(-1);
    flags = isFlag(character) ? flags + 1 : 0;
    const joins = last !== undefined && (EXTENDS.test(character) || last.endsWith('\u200d') || (flags && flags % 2 === 0) || (last === '\r' && character === '\n'));
    if (joins) list[list.length - 1] += character;
    else list.push(character);
  }
  return list;
}

class Segmenter {
  #granularity;
  #locale;

  constructor(locales, options = {}) {
    this.#locale = resolve(locales);
    this.#granularity = option(options, 'granularity', ['grapheme', 'word', 'sentence'], 'grapheme');
  }

  segment(input) {
    const text = String(input);
    const word = this.#granularity === 'word';
    let pieces;
    if (word) pieces = text.match(/[\p{L}\p{N}\p{M}_]+(?:['’.][\p{L}\p{N}\p{M}_]+)*|\s|[^]/gu) ?? [];
    else if (this.#granularity === 'sentence') pieces = text.match(/[^.!?]*[.!?]+\s*|[^.!?]+$/g) ?? [];
    else pieces = graphemes(text);
    let index = 0;
    const list = pieces.map((segment) => {
      const entry = { segment, index, input: text };
      if (word) entry.isWordLike = /[\p{L}\p{N}]/u.test(segment);
      index += segment.length;
      return entry;
    });
    return {
      containing: (at = 0) => list.findLast((entry) => entry.index <= at && at < text.length),
      [Symbol.iterator]: () => list[Symbol.iterator](),
    };
  }

  resolvedOptions() { return { locale: this.#locale, granularity: this.#granularity }; }
}

const NAMES = {
  region: { US: 'United States', GB: 'United Kingdom', DE: 'Germany', FR: 'France', ES: 'Spain', IT: 'Italy', JP: 'Japan', CN: 'China', IN: 'India', CA: 'Canada', BR: 'Brazil', MX: 'Mexico', AU: 'Australia', KR: 'South Korea', RU: 'Russia', CH: 'Switzerland', NL: 'Netherlands', SE: 'Sweden' },
  language: { en: 'English', 'en-US': 'American English', 'en-GB': 'British English', de: 'German', fr: 'French', es: 'Spanish', it: 'Italian', ja: 'Japanese', zh: 'Chinese', pt: 'Portuguese', ru: 'Russian', ko: 'Korean', ar: 'Arabic', hi: 'Hindi', nl: 'Dutch' },
  currency: { USD: 'US Dollar', EUR: 'Euro', GBP: 'British Pound', JPY: 'Japanese Yen', CNY: 'Chinese Yuan', INR: 'Indian Rupee', CAD: 'Canadian Dollar', AUD: 'Australian Dollar', CHF: 'Swiss Franc' },
};

class DisplayNames {
  #options;
  #locale;

  constructor(locales, options) {
    if (options?.type === undefined) throw new TypeError('Required option "type" must not be undefined');
    this.#locale = resolve(locales);
    this.#options = { style: 'long', fallback: 'code', ...options };
  }

  of(code) { return NAMES[this.#options.type]?.[code] ?? (this.#options.fallback === 'none' ? undefined : String(code)); }

  resolvedOptions() { return { locale: this.#locale, ...this.#options }; }
}

class Locale {
  constructor(tag, options = {}) {
    if (typeof tag !== 'string' && typeof tag !== 'object') throw new TypeError('First argument to Intl.Locale constructor can\'t be empty or missing');
    const [base] = canonical(tag.baseName ?? tag).split(/-u-/);
    const [language, ...rest] = base.split('-');
    this.language = options.language ?? language;
    this.script = options.script ?? rest.find((part) => part.length === 4);
    this.region = options.region ?? rest.find((part) => /^(?:[A-Z]{2}|\d{3})$/.test(part));
    this.baseName = [this.language, this.script, this.region].filter(Boolean).join('-');
  }

  maximize() { return this.region ? this : new Locale(`${this.baseName}-Latn-US`); }

  minimize() { return new Locale(this.language); }

  toString() { return this.baseName; }
}

const classes = { PluralRules, RelativeTimeFormat, ListFormat, Segmenter, DisplayNames, Locale };
for (const [name, Class] of Object.entries(classes)) {
  if (name !== 'Locale') Class.supportedLocalesOf = supportedLocalesOf;
  Object.defineProperty(Class.prototype, Symbol.toStringTag, { value: `Intl.${name}`, configurable: true });
}

module.exports = classes;
