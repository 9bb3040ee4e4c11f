// Where inspect breaks lines: the rules of Node's, to the character.

const { removeColors, width } = require('internal/inspect/style');

// What the entries of a value are: `key: value`, or values with keys after.
const OBJECT = 0;
const ARRAY_ITEM = 1;
const ARRAY = 2;

const GROUPED_FROM = 6; // an array of more entries is set in columns
const SEPARATOR = 2; // columns of ", "
const MOST_COLUMNS = 15;
const HEIGHT_TO_WIDTH = 2.5; // of a character, for a block that looks square

function fits(ctx, entries, start, base) {
  let total = entries.length + start;
  if (total + entries.length > ctx.breakLength) return false;
  for (const entry of entries) {
    total += ctx.colors ? removeColors(entry).length : entry.length;
    if (total > ctx.breakLength) return false;
  }
  return base === '' || !base.includes('\n');
}

// Puts entries of about the same length in columns.
function columns(ctx, entries, value) {
  const rest = ctx.maxArrayLength < entries.length ? 1 : 0; // "... 1 more item"
  const count = entries.length - rest;
  const widths = entries.slice(0, count).map((entry) => width(entry));
  const total = widths.reduce((sum, length) => sum + length + SEPARATOR, 0);
  const longest = Math.max(0, ...widths);
  const cell = longest + SEPARATOR;
  if (!(cell * 3 + ctx.indentationLvl < ctx.breakLength && (total / cell > 5 || longest <= 6))) return entries;

  const bias = Math.sqrt(cell - total / entries.length);
  const biased = Math.max(cell - 3 - bias, 1);
  const number = Math.min(
    Math.round(Math.sqrt(HEIGHT_TO_WIDTH * biased * count) / biased),
    Math.floor((ctx.breakLength - ctx.indentationLvl) / cell),
    ctx.compact * 4,
    MOST_COLUMNS,
  );
  if (number <= 1) return entries;

  const cells = [];
  for (let i = 0; i < number; i++) {
    let most = 0;
    for (let j = i; j < count; j += number) most = Math.max(most, widths[j]);
    cells.push(most + SEPARATOR);
  }
  const numeric = value !== undefined
    && entries.every((_, i) => typeof value[i] === 'number' || typeof value[i] === 'bigint');
  const lines = [];
  for (let i = 0; i < count; i += number) {
    const end = Math.min(i + number, count);
    let line = '';
    let j = i;
    for (; j < end - 1; j++) {
      const padded = cells[j - i] + entries[j].length - widths[j];
      line += numeric ? `${entries[j]}, `.padStart(padded) : `${entries[j]}, `.padEnd(padded);
    }
    line += numeric ? entries[j].padStart(cells[j - i] + entries[j].length - widths[j] - SEPARATOR) : entries[j];
    lines.push(line);
  }
  if (rest) lines.push(entries[count]);
  return lines;
}

// Joins the entries of a value, on one line if they fit.
function join(ctx, entries, base, braces, kind, depth, value) {
  const start = base ? `${base} ${braces[0]}` : braces[0];
  if (ctx.compact === true) {
    if (fits(ctx, entries, 0, base)) {
      return `${braces[0]}${base ? ` ${base}` : ''} ${entries.join(', ')} ${braces[1]}`;
    }
    const indentation = ' '.repeat(ctx.indentationLvl);
    const line = base === '' && braces[0].length === 1 ? ' ' : `${base ? ` ${base}` : ''}\n${indentation}  `;
    return `${braces[0]}${line}${entries.join(`,\n${indentation}  `)} ${braces[1]}`;
  }
  if (typeof ctx.compact === 'number' && ctx.compact >= 1) {
    const count = entries.length;
    if (kind === ARRAY && count > GROUPED_FROM) entries = columns(ctx, entries, value);
    if (ctx.currentDepth - depth < ctx.compact && count === entries.length) {
      const room = entries.length + ctx.indentationLvl + braces[0].length + base.length + 10;
      if (fits(ctx, entries, room, base)) {
        const line = entries.join(', ');
        if (!line.includes('\n')) return `${start} ${line} ${braces[1]}`;
      }
    }
  }
  const indentation = `\n${' '.repeat(ctx.indentationLvl)}`;
  return `${start}${indentation}  ${entries.join(`,${indentation}  `)}${indentation}${braces[1]}`;
}

module.exports = { OBJECT, ARRAY_ITEM, ARRAY, join };
