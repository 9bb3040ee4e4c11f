// console.table.

const { inspect } = require('internal/inspect');
const { width } = require('internal/inspect/style');
const types = require('internal/types');

const INDEX = '(index)';
const ITERATION = '(iteration index)';
const KEY = 'Key';
const VALUES = 'Values';

function draw(head, columns) {
  const height = Math.max(0, ...columns.map((column) => column.length));
  const cells = (row) => columns.map((column) => column[row] ?? '');
  const rows = Array.from({ length: height }, (_, row) => cells(row));
  const widths = head.map((name, i) => Math.max(width(name), ...rows.map((row) => width(row[i]))));
  const line = (left, middle, right) => left + widths.map((columns) => '─'.repeat(columns + 2)).join(middle) + right;
  const text = (row) => `│ ${row.map((cell, i) => cell + ' '.repeat(widths[i] - width(cell))).join(' │ ')} │`;
  return [line('┌', '┬', '┐'), text(head), line('├', '┼', '┤'), ...rows.map(text), line('└', '┴', '┘')].join('\n');
}

// `data` as a table: a row an entry, a column a property or those in `wanted`.
function table(data, wanted, options) {
  const show = (value) => {
    const wide = value !== null && typeof value === 'object' && !Array.isArray(value) && Object.keys(value).length > 2;
    return inspect(value, { depth: wide ? -1 : 0, maxArrayLength: 3, breakLength: Infinity, ...options });
  };
  const numbers = (count) => Array.from({ length: count }, (_, i) => show(i));
  if (types.isMap(data)) {
    return draw([ITERATION, KEY, VALUES], [numbers(data.size), [...data.keys()].map(show), [...data.values()].map(show)]);
  }
  if (types.isSet(data)) return draw([ITERATION, VALUES], [numbers(data.size), [...data].map(show)]);

  const index = Object.keys(data);
  const columns = { __proto__: null };
  const primitives = [];
  index.forEach((key, row) => {
    const item = data[key];
    const primitive = item === null || (typeof item !== 'function' && typeof item !== 'object');
    if (primitive && wanted === undefined) {
      primitives[row] = show(item);
      return;
    }
    for (const name of wanted ?? Object.keys(item)) {
      columns[name] ??= [];
      columns[name][row] = primitive || !Object.hasOwn(item, name) ? '' : show(item[name]);
    }
  });
  const head = [INDEX, ...Object.keys(columns)];
  const body = [index, ...Object.values(columns)];
  if (primitives.length) {
    head.push(VALUES);
    body.push(primitives);
  }
  return draw(head, body);
}

module.exports = { table };
