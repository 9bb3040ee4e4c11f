// The assert module.

const { AssertionError } = require('internal/assertion_error');
const { isDeepEqual } = require('internal/deep_equal');
const { inspect } = require('internal/inspect');
const { invalidArgType, invalidArgValue, withCode } = require('internal/errors');
const { validateFunction } = require('internal/validators');
const types = require('internal/types');

function fail(details) {
  if (details.message instanceof Error) throw details.message;
  throw new AssertionError(details);
}

// The text of the call at the top of a stack: `assert(x === 2)`.
function callText(stack) {
  const place = /^    at (?:.*\()?(.+?):(\d+):(\d+)\)?$/m.exec(stack);
  if (!place) return undefined;
  const { lineOf } = require('internal/fatal');
  let text = '';
  for (let line = Number(place[2]), next = lineOf(place[1], line); next !== undefined && text.length < 2000; next = lineOf(place[1], ++line)) {
    text += `${text ? '\n' : ''}${next}`;
    const start = text.slice(0, place[3] - 1).search(/[\w$.]+$/);
    const call = balanced(text.slice(start === -1 ? place[3] - 1 : start));
    if (call !== undefined) return call;
  }
  return undefined;
}

// A call's text up to the parenthesis that ends it.
function balanced(text) {
  const open = text.indexOf('(');
  let depth = 0;
  let quoted;
  for (let i = Math.max(open, 0); i < text.length; i++) {
    const character = text[i];
    if (quoted) {
      if (character === '\\') i++;
      else if (character === quoted) quoted = undefined;
    } else if (/['"`]/.test(character)) {
      quoted = character;
    } else if (/[([{]/.test(character)) {
      depth++;
    } else if (/[)\]}]/.test(character) && --depth === 0) {
      return text.slice(0, i + 1);
    }
  }
  return undefined;
}

function check(call, count, value, message) {
  if (value) return;
  let generated = false;
  if (count === 0) {
    generated = true;
    message = 'No value argument passed to `assert.ok()`';
  } else if (message == null) {
    generated = true;
    const at = {};
    Error.captureStackTrace(at, call);
    const text = callText(at.stack);
    message = text === undefined ? 'false == true' : `The expression evaluated to a falsy value:\n\n  ${text}\n`;
  } else if (message instanceof Error) {
    throw message;
  }
  const error = new AssertionError({ actual: value, expected: true, message, operator: '==', stackStartFn: call });
  error.generatedMessage = generated;
  throw error;
}

function assert(...args) { check(assert, args.length, ...args); }
assert.ok = function ok(...args) { check(ok, args.length, ...args); };
assert.AssertionError = AssertionError;

assert.fail = function failNow(actual, expected, message, operator = undefined) {
  const only = arguments.length;
  if (only <= 1) {
    const generated = actual == null;
    message = generated ? 'Failed' : actual;
    if (message instanceof Error) throw message;
    const error = new AssertionError({ message, operator: 'fail', stackStartFn: failNow });
    error.generatedMessage = generated;
    throw error;
  }
  fail({ actual, expected, message, operator: operator ?? (only === 2 ? '!=' : 'fail'), stackStartFn: failNow });
};

const bothNaN = (a, b) => Number.isNaN(a) && Number.isNaN(b);

// name: [operator, whether the two values pass].
const COMPARISONS = {
  // eslint-disable-next-line eqeqeq
  equal: ['==', (a, b) => a == b || bothNaN(a, b)],
  // eslint-disable-next-line eqeqeq
  notEqual: ['!=', (a, b) => a != b && !bothNaN(a, b)],
  deepEqual: ['deepEqual', (a, b) => isDeepEqual(a, b, false)],
  notDeepEqual: ['notDeepEqual', (a, b) => !isDeepEqual(a, b, false)],
  deepStrictEqual: ['deepStrictEqual', (a, b) => isDeepEqual(a, b, true)],
  notDeepStrictEqual: ['notDeepStrictEqual', (a, b) => !isDeepEqual(a, b, true)],
  strictEqual: ['strictEqual', Object.is],
  notStrictEqual: ['notStrictEqual', (a, b) => !Object.is(a, b)],
};
for (const [name, [operator, passes]] of Object.entries(COMPARISONS)) {
  const compare = { [name](actual, expected, message) {
    if (arguments.length < 2) throw withCode(TypeError, 'ERR_MISSING_ARGS', 'The "actual" and "expected" arguments must be specified');
    if (!passes(actual, expected)) fail({ actual, expected, message, operator, stackStartFn: compare });
  } }[name];
  assert[name] = compare;
}

// The properties that were asked for, as far as they are there.
class Comparison {
  constructor(object, keys, actual) {
    for (const key of keys) {
      if (!(key in object)) continue;
      const matches = typeof actual?.[key] === 'string' && types.isRegExp(object[key]) && object[key].test(actual[key]);
      this[key] = matches ? actual[key] : object[key];
    }
  }
}

function checkProperties(actual, expected, message, call) {
  const keys = Object.keys(expected);
  if (expected instanceof Error) keys.push('name', 'message');
  else if (keys.length === 0) throw invalidArgValue('error', expected, 'may not be an empty object');
  for (const key of keys) {
    if (typeof actual[key] === 'string' && types.isRegExp(expected[key]) && expected[key].test(actual[key])) continue;
    if (key in actual && isDeepEqual(actual[key], expected[key], true)) continue;
    if (message) fail({ actual, expected, message, operator: call.name, stackStartFn: call });
    const error = new AssertionError({
      actual: new Comparison(actual, keys), expected: new Comparison(expected, keys, actual), operator: 'deepStrictEqual', stackStartFn: call,
    });
    throw Object.assign(error, { actual, expected, operator: call.name });
  }
}

// What is wrong with an error that was thrown; undefined if it is as expected.
function complaint(actual, expected) {
  if (types.isRegExp(expected)) {
    const text = String(actual);
    return expected.test(text) ? undefined : `The input did not match the regular expression ${inspect(expected)}. Input:\n\n${inspect(text)}\n`;
  }
  if (expected.prototype !== undefined && actual instanceof expected) return undefined;
  const isError = types.isNativeError(actual) || actual instanceof Error;
  if (Object.prototype.isPrototypeOf.call(Error, expected)) {
    let text = `The error is expected to be an instance of "${expected.name}". Received `;
    if (!isError) return `${text}"${inspect(actual, { depth: -1 })}"`;
    const name = actual.constructor?.name || actual.name;
    text += expected.name === name ? 'an error with identical name but a different prototype.' : `"${name}"`;
    return actual.message ? `${text}\n\nError message:\n\n${actual.message}` : text;
  }
  const result = Reflect.apply(expected, {}, [actual]);
  if (result === true) return undefined;
  const name = expected.name ? `"${expected.name}" ` : '';
  const text = `The ${name}validation function is expected to return "true". Received ${inspect(result)}`;
  return isError ? `${text}\n\nCaught error:\n\n${actual}` : text;
}

function checkError(actual, expected, message, call) {
  if (typeof expected !== 'function' && !types.isRegExp(expected)) {
    if (typeof actual === 'object' && actual !== null) {
      checkProperties(actual, expected, message, call);
      return;
    }
    const error = new AssertionError({ actual, expected, message, operator: 'deepStrictEqual', stackStartFn: call });
    throw Object.assign(error, { operator: call.name });
  }
  const wrong = complaint(actual, expected);
  if (wrong === undefined) return;
  const error = new AssertionError({ actual, expected, message: message || wrong, operator: call.name, stackStartFn: call });
  error.generatedMessage = !message;
  throw error;
}

const NOTHING = Symbol('nothing was thrown');

function thrownBy(call) {
  validateFunction(call, 'fn');
  try {
    call();
  } catch (error) {
    return error;
  }
  return NOTHING;
}

async function rejectionOf(call) {
  const isPromise = (value) => types.isPromise(value) || (typeof value?.then === 'function' && typeof value?.catch === 'function');
  let promise = call;
  if (typeof call === 'function') {
    promise = call();
    if (!isPromise(promise)) {
      throw withCode(TypeError, 'ERR_INVALID_RETURN_VALUE', `Expected instance of Promise to be returned from the "promiseFn" function but got ${promise === undefined ? 'undefined' : `type ${typeof promise}`}.`);
    }
  } else if (!isPromise(call)) {
    throw invalidArgType('promiseFn', ['Function', 'Promise'], call);
  }
  try {
    await promise;
  } catch (error) {
    return error;
  }
  return NOTHING;
}

function expectError(call, kind, actual, expected, message) {
  if (typeof expected === 'string') {
    if (arguments.length === 5) throw invalidArgType('error', ['Object', 'Error', 'Function', 'RegExp'], expected);
    if ((actual?.message ?? actual) === expected) {
      throw withCode(TypeError, 'ERR_AMBIGUOUS_ARGUMENT', `The "error/message" argument is ambiguous. The error ${actual?.message === undefined ? '' : 'message '}"${expected}" is identical to the message.`);
    }
    [expected, message] = [undefined, expected];
  } else if (expected != null && typeof expected !== 'object' && typeof expected !== 'function') {
    throw invalidArgType('error', ['Object', 'Error', 'Function', 'RegExp'], expected);
  }
  if (actual === NOTHING) {
    const details = `${expected?.name ? ` (${expected.name})` : ''}${message ? `: ${message}` : '.'}`;
    fail({ actual: undefined, expected, operator: call.name, message: `Missing expected ${kind}${details}`, stackStartFn: call });
  }
  if (expected) checkError(actual, expected, message, call);
}

function expectNoError(call, kind, actual, expected, message) {
  if (actual === NOTHING) return;
  if (typeof expected === 'string') [expected, message] = [undefined, expected];
  if (expected && complaint(actual, expected) !== undefined) throw actual;
  fail({
    actual, expected, operator: call.name, stackStartFn: call,
    message: `Got unwanted ${kind}${message ? `: ${message}` : '.'}\nActual message: "${actual?.message}"`,
  });
}

assert.throws = function throws(call, ...args) { expectError(throws, 'exception', thrownBy(call), ...args); };
assert.doesNotThrow = function doesNotThrow(call, ...args) { expectNoError(doesNotThrow, 'exception', thrownBy(call), ...args); };
assert.rejects = async function rejects(call, ...args) { expectError(rejects, 'rejection', await rejectionOf(call), ...args); };
assert.doesNotReject = async function doesNotReject(call, ...args) { expectNoError(doesNotReject, 'rejection', await rejectionOf(call), ...args); };

assert.ifError = function ifError(error) {
  if (error === null || error === undefined) return;
  const text = typeof error === 'object' && typeof error.message === 'string' ? error.message || error.constructor?.name : inspect(error);
  throw new AssertionError({ actual: error, expected: null, operator: 'ifError', message: `ifError got unwanted exception: ${text}`, stackStartFn: ifError });
};

function matchText(call, wanted, text, pattern, message) {
  if (!types.isRegExp(pattern)) throw invalidArgType('regexp', 'RegExp', pattern);
  if (typeof text === 'string' && (pattern.exec(text) !== null) === wanted) return;
  if (message instanceof Error) throw message;
  const generated = typeof text !== 'string'
    ? `The "string" argument must be of type string. Received type ${typeof text} (${inspect(text)})`
    : `The input ${wanted ? 'did not match' : 'was expected to not match'} the regular expression ${inspect(pattern)}. Input:\n\n${inspect(text)}\n`;
  const error = new AssertionError({ actual: text, expected: pattern, message: message || generated, operator: call.name, stackStartFn: call });
  error.generatedMessage = !message;
  throw error;
}
assert.match = function match(text, pattern, message) { matchText(match, true, text, pattern, message); };
assert.doesNotMatch = function doesNotMatch(text, pattern, message) { matchText(doesNotMatch, false, text, pattern, message); };

function strict(...args) { check(strict, args.length, ...args); }
assert.strict = Object.assign(strict, assert, {
  equal: assert.strictEqual,
  deepEqual: assert.deepStrictEqual,
  notEqual: assert.notStrictEqual,
  notDeepEqual: assert.notDeepStrictEqual,
});
strict.strict = strict;

module.exports = assert;
