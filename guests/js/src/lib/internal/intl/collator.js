// Intl.Collator and localeCompare: the order of a dictionary, for the Latin
// alphabet; other scripts by code point.

const { resolve, supportedLocalesOf, option } = require('internal/intl/locale');

// What comes before the digits, in its order.
const MARKS = '\t\n\v\f\r \u00a0_-,;:!?.\'"()[]{}@*/\\&#%`^+<=>|~$';
const DIGITS = 1000; // weights of digits start here,
const LETTERS = 2000; // those of letters here,
const OTHERS = 3000; // and those of all else here

// Letters that are no letter with an accent, and where they belong.
const SPECIAL = { ß: 'ss', æ: 'ae', Æ: 'AE', œ: 'oe', Œ: 'OE', ø: 'o', Ø: 'O', đ: 'd', Đ: 'D', ł: 'l', Ł: 'L', ı: 'i' };

function weight(character) {
  const mark = MARKS.indexOf(character);
  if (mark !== -1) return mark + 1;
  const code = character.codePointAt(0);
  if (code >= 48 && code <= 57) return DIGITS + code;
  const lower = character.toLowerCase();
  if (lower >= 'a' && lower <= 'z') return LETTERS + lower.codePointAt(0);
  return OTHERS + lower.codePointAt(0);
}

const PLAIN = /^[\x20-\x7e]*$/;

// Characters as [weight, accents, case].
function keys(text) {
  if (!PLAIN.test(text)) text = text.normalize('NFD').replace(/[ßæÆœŒøØđĐłŁı]/g, (letter) => `${SPECIAL[letter]}\u0301`);
  const list = [];
  for (const character of text) {
    const code = character.codePointAt(0);
    if (code >= 0x300 && code <= 0x36f) {
      if (list.length) list.at(-1)[1] += code;
    } else if (code >= 32 || MARKS.includes(character)) {
      list.push([weight(character), 0, character !== character.toLowerCase() ? 1 : 0]);
    }
  }
  return list;
}

// Joins runs of digits into one key each, by their value.
function numeric(list) {
  const joined = [];
  for (const key of list) {
    const last = joined.at(-1);
    const digit = key[0] >= DIGITS && key[0] < LETTERS ? key[0] - DIGITS - 48 : -1;
    if (digit >= 0 && last?.number !== undefined) last.number = last.number * 10n + BigInt(digit);
    else joined.push(digit >= 0 ? Object.assign([DIGITS, 0, 0], { number: BigInt(digit) }) : key);
  }
  return joined;
}

const order = (a, b) => (a < b ? -1 : Number(a > b));

function compare(a, b, { numeric: byNumber = false, sensitivity = 'variant', upperFirst = false, ignorePunctuation = false }) {
  if (a === b) return 0;
  let [left, right] = [keys(a), keys(b)];
  if (byNumber) [left, right] = [numeric(left), numeric(right)];
  if (ignorePunctuation) [left, right] = [left, right].map((list) => list.filter(([value]) => value >= DIGITS));
  const length = Math.min(left.length, right.length);
  for (let i = 0; i < length; i++) {
    const difference = order(left[i][0], right[i][0]) || order(left[i].number ?? 0n, right[i].number ?? 0n);
    if (difference) return difference;
  }
  if (left.length !== right.length) return order(left.length, right.length);
  const levels = { base: [], accent: [1], case: [2], variant: [1, 2] }[sensitivity];
  for (const level of levels) {
    for (let i = 0; i < length; i++) {
      const difference = order(left[i][level], right[i][level]);
      if (difference) return level === 2 && upperFirst ? -difference : difference;
    }
  }
  return 0;
}

class Collator {
  #options;
  #locale;

  constructor(locales, options = {}) {
    this.#locale = resolve(locales);
    this.#options = {
      usage: option(options, 'usage', ['sort', 'search'], 'sort'),
      sensitivity: option(options, 'sensitivity', ['base', 'accent', 'case', 'variant'], 'variant'),
      ignorePunctuation: !!options.ignorePunctuation,
      numeric: !!options.numeric || [].concat(locales ?? []).some((locale) => /-u-.*kn/.test(locale)),
      caseFirst: option(options, 'caseFirst', ['upper', 'lower', 'false'], 'false'),
    };
    const settings = { ...this.#options, upperFirst: this.#options.caseFirst === 'upper' };
    Object.defineProperty(this, 'compare', { value: (a, b) => compare(String(a), String(b), settings), configurable: true });
  }

  resolvedOptions() {
    const { usage, sensitivity, ignorePunctuation, numeric: byNumber, caseFirst } = this.#options;
    return { locale: this.#locale, usage, sensitivity, ignorePunctuation, collation: 'default', numeric: byNumber, caseFirst };
  }

  static supportedLocalesOf(locales) { return supportedLocalesOf(locales); }
}
Object.defineProperty(Collator.prototype, Symbol.toStringTag, { value: 'Intl.Collator', configurable: true });

module.exports = { Collator, compare };
