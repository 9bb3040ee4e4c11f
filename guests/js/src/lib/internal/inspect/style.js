// Colours, quoting and widths: how inspect shows one piece of text.

const FOREGROUND = 39;
const BACKGROUND = 49;

const colors = {
  __proto__: null,
  reset: [0, 0],
  bold: [1, 22],
  dim: [2, 22],
  italic: [3, 23],
  underline: [4, 24],
  blink: [5, 25],
  inverse: [7, 27],
  hidden: [8, 28],
  strikethrough: [9, 29],
  doubleunderline: [21, 24],
  framed: [51, 54],
  overlined: [53, 55],
};

['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white'].forEach((color, i) => {
  const Color = color[0].toUpperCase() + color.slice(1);
  colors[color] = [30 + i, FOREGROUND];
  colors[`bg${Color}`] = [40 + i, BACKGROUND];
  if (color !== 'black') {
    colors[`${color}Bright`] = [90 + i, FOREGROUND];
    colors[`bg${Color}Bright`] = [100 + i, BACKGROUND];
  }
});
colors.gray = [90, FOREGROUND];
colors.bgGray = [100, BACKGROUND];

const ALIASES = {
  gray: ['grey', 'blackBright'],
  bgGray: ['bgGrey', 'bgBlackBright'],
  dim: ['faint'],
  strikethrough: ['crossedout', 'strikeThrough', 'crossedOut'],
  hidden: ['conceal'],
  inverse: ['swapColors', 'swapcolors'],
  doubleunderline: ['doubleUnderline'],
};
for (const [name, aliases] of Object.entries(ALIASES)) {
  for (const alias of aliases) {
    Object.defineProperty(colors, alias, {
      get() { return this[name]; },
      set(value) { this[name] = value; },
      configurable: true,
    });
  }
}

const styles = {
  __proto__: null,
  special: 'cyan',
  number: 'yellow',
  bigint: 'yellow',
  boolean: 'yellow',
  undefined: 'grey',
  null: 'bold',
  string: 'green',
  symbol: 'green',
  date: 'magenta',
  regexp: 'red',
  module: 'underline',
};

const plain = (text) => text;

function colored(text, style) {
  const color = colors[styles[style]];
  return color === undefined ? text : `\u001b[${color[0]}m${text}\u001b[${color[1]}m`;
}

const ESCAPED = /[\x00-\x1f\x27\x5c\x7f-\x9f]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
const ESCAPED_BUT_QUOTE = /[\x00-\x1f\x5c\x7f-\x9f]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
const NEEDS_CARE = /[^\x20-\x26\x28-\x5b\x5d-\x7e]/;
const SHORT = { 8: '\\b', 9: '\\t', 10: '\\n', 12: '\\f', 13: '\\r', 39: "\\'", 92: '\\\\' };

function escape(character) {
  const code = character.charCodeAt(0);
  if (SHORT[code]) return SHORT[code];
  const digits = code.toString(16);
  return code < 256 ? `\\x${digits.toUpperCase().padStart(2, '0')}` : `\\u${digits}`;
}

// A string in quotes, in those that need the least escaping.
function quote(text) {
  if (!NEEDS_CARE.test(text)) return `'${text}'`;
  let mark = "'";
  if (text.includes("'")) {
    if (!text.includes('"')) mark = '"';
    else if (!text.includes('`') && !text.includes('${')) mark = '`';
  }
  return mark + text.replace(mark === "'" ? ESCAPED : ESCAPED_BUT_QUOTE, escape) + mark;
}

const escapeName = (name) => name.replace(ESCAPED, escape);

const group = (digits) => digits.replace(/\B(?=(\d{3})+$)/g, '_');

function number(stylize, value, grouped) {
  if (Object.is(value, -0)) return stylize('-0', 'number');
  let text = String(value);
  if (grouped && !/[eIN]/.test(text)) {
    const [whole, fraction] = text.split('.');
    text = group(whole);
    if (fraction) text += `.${fraction.replace(/(\d{3})(?=\d)/g, '$1_')}`;
  }
  return stylize(text, 'number');
}

const bigint = (stylize, value, grouped) => stylize(`${grouped ? group(String(value)) : value}n`, 'bigint');

const CONTROL = /[\u001B\u009B][[\]()#;?]*(?:(?:(?:(?:;[-a-zA-Z\d/#&.:=?%@~_]+)*|[a-zA-Z\d]+(?:;[-a-zA-Z\d/#&.:=?%@~_]*)*)?(?:\u0007|\u001B\u005C|\u009C))|(?:(?:\d{1,4}(?:;\d{0,4})*)?[\dA-PR-TZcf-nq-uy=><~]))/g;

const removeColors = (text) => (text.includes('\u001b') || text.includes('\u009b') ? text.replace(CONTROL, '') : text);

// First and last code point of what a terminal shows two columns wide.
const WIDE = [
  [0x1100, 0x115f], [0x2329, 0x232a], [0x231a, 0x231b], [0x23e9, 0x23ec], [0x23f0, 0x23f0], [0x23f3, 0x23f3],
  [0x25fd, 0x25fe], [0x2614, 0x2615], [0x2648, 0x2653], [0x267f, 0x267f], [0x2693, 0x2693], [0x26a1, 0x26a1],
  [0x26aa, 0x26ab], [0x26bd, 0x26be], [0x26c4, 0x26c5], [0x26ce, 0x26ce], [0x26d4, 0x26d4], [0x26ea, 0x26ea],
  [0x26f2, 0x26f3], [0x26f5, 0x26f5], [0x26fa, 0x26fa], [0x26fd, 0x26fd], [0x2705, 0x2705], [0x270a, 0x270b],
  [0x2728, 0x2728], [0x274c, 0x274c], [0x274e, 0x274e], [0x2753, 0x2755], [0x2757, 0x2757], [0x2795, 0x2797],
  [0x27b0, 0x27b0], [0x27bf, 0x27bf], [0x2b1b, 0x2b1c], [0x2b50, 0x2b50], [0x2b55, 0x2b55],
  [0x2e80, 0x303e], [0x3041, 0x3247], [0x3250, 0x4dbf], [0x4e00, 0xa4c6], [0xa960, 0xa97c], [0xac00, 0xd7a3],
  [0xf900, 0xfaff], [0xfe10, 0xfe19], [0xfe30, 0xfe6b], [0xff01, 0xff60], [0xffe0, 0xffe6],
  [0x1b000, 0x1b001], [0x1f004, 0x1f004], [0x1f0cf, 0x1f0cf], [0x1f18e, 0x1f18e], [0x1f191, 0x1f19a],
  [0x1f200, 0x1f251], [0x1f300, 0x1f320], [0x1f32d, 0x1f335], [0x1f337, 0x1f37c], [0x1f37e, 0x1f393],
  [0x1f3a0, 0x1f3ca], [0x1f3cf, 0x1f3d3], [0x1f3e0, 0x1f3f0], [0x1f3f4, 0x1f3f4], [0x1f3f8, 0x1f43e],
  [0x1f440, 0x1f440], [0x1f442, 0x1f4fc], [0x1f4ff, 0x1f53d], [0x1f54b, 0x1f54e], [0x1f550, 0x1f567],
  [0x1f57a, 0x1f57a], [0x1f595, 0x1f596], [0x1f5a4, 0x1f5a4], [0x1f5fb, 0x1f64f], [0x1f680, 0x1f6c5],
  [0x1f6cc, 0x1f6cc], [0x1f6d0, 0x1f6d2], [0x1f6d5, 0x1f6d7], [0x1f6dc, 0x1f6df], [0x1f6eb, 0x1f6ec],
  [0x1f6f4, 0x1f6fc], [0x1f7e0, 0x1f7eb], [0x1f7f0, 0x1f7f0], [0x1f90c, 0x1f93a], [0x1f93c, 0x1f945],
  [0x1f947, 0x1f9ff], [0x1fa70, 0x1faff], [0x20000, 0x3fffd],
];
// Combining marks, joiners and variation selectors take no column.
const NO_WIDTH = /[\p{Mn}\p{Me}\p{Cf}\u{1f3fb}-\u{1f3ff}]/u;

// How many columns a text takes on a terminal.
function width(text) {
  text = removeColors(text);
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  let columns = 0;
  for (const character of text.normalize('NFC')) {
    const code = character.codePointAt(0);
    if (code < 32 || (code >= 127 && code < 160)) continue;
    if (code >= 0x300 && NO_WIDTH.test(character)) continue;
    columns += WIDE.some(([first, last]) => code >= first && code <= last) ? 2 : 1;
  }
  return columns;
}

module.exports = { colors, styles, plain, colored, quote, escapeName, number, bigint, removeColors, width };
