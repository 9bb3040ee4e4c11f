// AssertionError, whose text is a comparison. The comparison is that of
// Node.js (MIT, Copyright Node.js contributors), so that the text is the same.

const { inspect } = require('internal/inspect');
const { removeColors } = require('internal/inspect/style');

const HEADS = {
  deepStrictEqual: 'Expected values to be strictly deep-equal:',
  strictEqual: 'Expected values to be strictly equal:',
  strictEqualObject: 'Expected "actual" to be reference-equal to "expected":',
  deepEqual: 'Expected values to be loosely deep-equal:',
  notDeepStrictEqual: 'Expected "actual" not to be strictly deep-equal to:',
  notStrictEqual: 'Expected "actual" to be strictly unequal to:',
  notStrictEqualObject: 'Expected "actual" not to be reference-equal to "expected":',
  notDeepEqual: 'Expected "actual" not to be loosely deep-equal to:',
  notIdentical: 'Values have same structure but are not reference-equal:',
  notDeepEqualUnequal: 'Expected values not to be loosely deep-equal:',
};
const SHORT = 12; // characters of both values, which then stand on one line
const MOST_LINES = 50;
const LINE_WIDTH = 80;

const show = (value) => inspect(value, {
  compact: false, customInspect: false, depth: 1000, maxArrayLength: Infinity, showHidden: false, showProxy: false, sorted: true, getters: true,
});

const isObject = (value) => typeof value === 'object' && value !== null;

// Lines of the two values, with those that differ marked.
function compare(actual, expected, operator, message = HEADS[operator]) {
  const actualLines = show(actual).split('\n');
  const expectedLines = show(expected).split('\n');
  if (operator === 'strictEqual' && ((isObject(actual) && isObject(expected)) || (typeof actual === 'function' && typeof expected === 'function'))) {
    operator = 'strictEqualObject';
    if (message === HEADS.strictEqual) message = HEADS.strictEqualObject;
  }
  let indicator = '';
  if (actualLines.length === 1 && expectedLines.length === 1 && actualLines[0] !== expectedLines[0]) {
    const [left, right] = [removeColors(actualLines[0]), removeColors(expectedLines[0])];
    const length = left.length + right.length;
    if (length <= SHORT) {
      if (!isObject(actual) && !isObject(expected) && (actual !== 0 || expected !== 0)) return `${message}\n\n${left} !== ${right}\n`;
    } else if (operator !== 'strictEqualObject' && length < LINE_WIDTH) {
      let same = 0;
      while (left[same] === right[same]) same++;
      if (same > 2) indicator = `\n  ${' '.repeat(same)}^`;
    }
  }
  return marked(actualLines, expectedLines, message, indicator);
}

// Takes equal lines off the end; returns what of them is shown.
function commonEnd(actualLines, expectedLines) {
  let end = '';
  let other = '';
  let count = 0;
  while (actualLines.length && expectedLines.length && actualLines.at(-1) === expectedLines.at(-1)) {
    const line = actualLines.pop();
    expectedLines.pop();
    if (count++ < 3) end = `\n  ${line}${end}`;
    else other = line;
  }
  return { end, other, count };
}

function marked(actualLines, expectedLines, message, indicator) {
  const whole = [...actualLines];
  let { end, other, count } = commonEnd(actualLines, expectedLines);
  const height = Math.max(actualLines.length, expectedLines.length);
  if (height === 0) {
    if (whole.length > MOST_LINES) whole.splice(46, Infinity, '...');
    return `${HEADS.notIdentical}\n\n${whole.join('\n')}\n`;
  }
  let skipped = false;
  if (count >= 5) {
    end = `\n...${end}`;
    skipped = true;
  }
  if (other !== '') end = `\n  ${other}${end}`;

  let text = '';
  let pending = ''; // expected lines, which follow the actual ones they differ from
  let printed = 0;
  let identical = 0;
  // Shows the last of some identical lines before a line that differs.
  const context = (lines, i) => {
    if (identical > 2) {
      if (identical > 3) {
        if (identical > 4) {
          if (identical === 5) {
            text += `\n  ${lines[i - 3]}`;
            printed++;
          } else {
            text += '\n...';
            skipped = true;
          }
        }
        text += `\n  ${lines[i - 2]}`;
        printed++;
      }
      text += `\n  ${lines[i - 1]}`;
      printed++;
    }
    identical = 0;
  };
  const moreActual = actualLines.length === height;
  const longer = moreActual ? actualLines : expectedLines;
  const least = Math.min(actualLines.length, expectedLines.length);
  const head = `${message}\n+ actual - expected`;
  for (let i = 0; i < height; i++) {
    if (least < i + 1) {
      context(longer, i);
      if (moreActual) text += `\n+ ${longer[i]}`;
      else pending += `\n- ${longer[i]}`;
      printed++;
    } else {
      let actualLine = actualLines[i];
      const expectedLine = expectedLines[i];
      let differs = actualLine !== expectedLine && (!actualLine.endsWith(',') || actualLine.slice(0, -1) !== expectedLine);
      if (differs && expectedLine.endsWith(',') && expectedLine.slice(0, -1) === actualLine) {
        differs = false;
        actualLine += ',';
      }
      if (differs) {
        context(actualLines, i);
        text += `\n+ ${actualLine}`;
        pending += `\n- ${expectedLine}`;
        printed += 2;
      } else {
        text += pending;
        pending = '';
        identical++;
        if (identical <= 2) {
          text += `\n  ${actualLine}`;
          printed++;
        }
      }
    }
    if (printed > MOST_LINES && i < height - 2) return `${head} ... Lines skipped\n${text}\n...${pending}\n...`;
  }
  return `${head}${skipped ? ' ... Lines skipped' : ''}\n${text}${pending}${end}${indicator}`;
}

const cut = (text, length) => (text.length > length ? `${text.slice(0, length - 3)}...` : text);

function describe(actual, expected, operator) {
  if (operator === 'deepStrictEqual' || operator === 'strictEqual') return compare(actual, expected, operator);
  if (operator === 'notDeepStrictEqual' || operator === 'notStrictEqual') {
    const base = operator === 'notStrictEqual' && (isObject(actual) || typeof actual === 'function') ? HEADS.notStrictEqualObject : HEADS[operator];
    const lines = show(actual).split('\n');
    if (lines.length > MOST_LINES) lines.splice(46, Infinity, '...');
    if (lines.length === 1) return `${base}${lines[0].length > 5 ? '\n\n' : ' '}${lines[0]}`;
    return `${base}\n\n${lines.join('\n')}\n`;
  }
  const left = show(actual);
  const right = show(expected);
  if (operator === 'notDeepEqual' && left === right) return cut(`${HEADS.notDeepEqual}\n\n${left}`, 1024);
  if (operator === 'deepEqual') return `${HEADS.deepEqual}\n\n${cut(left, 512)}\n\nshould loosely deep-equal\n\n${cut(right, 512)}`;
  if (operator === 'notDeepEqual') return `${HEADS.notDeepEqualUnequal}\n\n${cut(left, 512)}\n\nshould not loosely deep-equal\n\n${cut(right, 512)}`;
  return `${cut(left, 512)} ${operator} ${cut(right, 512)}`;
}

function copyOfError(error) {
  const copy = Object.assign({ __proto__: Object.getPrototypeOf(error) }, error);
  return Object.defineProperty(copy, 'message', { value: error.message });
}

// A long text shortened, for inspect.
function shortened(value) {
  if (typeof value !== 'string') return value;
  const lines = value.split('\n', 11);
  if (lines.length > 10) return `${lines.slice(0, 10).join('\n')}\n...`;
  return value.length > 512 ? `${value.slice(512)}...` : value;
}

class AssertionError extends Error {
  constructor(options) {
    if (!isObject(options)) throw require('internal/errors').invalidArgType('options', 'Object', options);
    let { message, operator, actual, expected, stackStartFn, stackStartFunction } = options;
    if (message != null) {
      super(operator === 'deepStrictEqual' || operator === 'strictEqual' ? compare(actual, expected, operator, message) : String(message));
    } else {
      if (actual instanceof Error && expected instanceof Error) [actual, expected] = [copyOfError(actual), copyOfError(expected)];
      super(describe(actual, expected, operator));
    }
    this.generatedMessage = !message;
    Object.defineProperty(this, 'name', { value: 'AssertionError [ERR_ASSERTION]', writable: true, configurable: true });
    this.code = 'ERR_ASSERTION';
    this.actual = actual;
    this.expected = expected;
    this.operator = operator;
    Error.captureStackTrace(this, stackStartFn ?? stackStartFunction);
    this.name = 'AssertionError';
  }

  toString() { return `${this.name} [${this.code}]: ${this.message}`; }

  [inspect.custom](depth, ctx) {
    const { actual, expected } = this;
    [this.actual, this.expected] = [shortened(actual), shortened(expected)];
    const text = inspect(this, { ...ctx, customInspect: false, depth: 0 });
    [this.actual, this.expected] = [actual, expected];
    return text;
  }
}

module.exports = { AssertionError };
