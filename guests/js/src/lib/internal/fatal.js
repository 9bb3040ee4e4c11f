// Errors nobody caught: events first, then the text Node prints and the end.

const { inspect } = require('internal/inspect');
const types = require('internal/types');

const UNCAUGHT_STATUS = 1;
const HANDLER_FAILED_STATUS = 7; // as Node's, for an error in an uncaughtException listener

const texts = new Map(); // of scripts that are no files, by name
let printing = false;

// A line of a script by number; undefined when the script cannot be read.
function lineOf(name, line) {
  const source = texts.get(name) ?? require('internal/files').readIfText(name);
  return source?.split('\n')[line - 1];
}

// The line of a script and a mark under the place, as Node puts them above a
// stack. Nothing when the script cannot be read.
function excerpt(stack) {
  const place = /^    at (?:.*\()?(.+?):(\d+):(\d+)\)?$/m.exec(stack);
  if (!place) return '';
  const [, name, line, column] = place;
  const text = lineOf(name, line);
  if (text === undefined) return '';
  // V8 points at the `throw`, the engine at what is thrown.
  const thrown = /throw\s+(?:new\s+)?$/.exec(text.slice(0, column - 1));
  const at = thrown ? thrown.index : column - 1;
  const margin = text.slice(0, at).replace(/[^\t]/g, ' ');
  return `${name}:${line}\n${text}\n${margin}^\n`;
}

function describe(error) {
  const version = `\n\nNode.js ${process.version}\n`;
  if (!types.isNativeError(error)) {
    let text;
    try {
      text = typeof error === 'object' && error !== null ? inspect(error) : String(error);
    } catch {
      text = '<toString() threw exception>';
    }
    const head = excerpt(require('internal/stack').framesOfThrown(error));
    return `${head || 'Uncaught:\n'}${text}\n(Use \`node --trace-uncaught ...\` to show where the exception was thrown)${version}`;
  }
  let text = '';
  try {
    const head = excerpt(String(error.stack));
    text = inspect(error);
    // An error without frames reads as one within a value: in brackets.
    const bare = `[${error.stack}]`;
    if (text.startsWith(bare)) text = error.stack + text.slice(bare.length);
    text = (head && `${head}\n`) + text;
  } catch {
    text += `${error.name}: ${error.message}`;
  }
  return text + version;
}

function emits(event, ...args) {
  if (process.listenerCount(event) === 0) return false;
  process.emit(event, ...args);
  return true;
}

// Ends the process because of `error`, unless a listener takes it.
function uncaught(error, origin = 'uncaughtException') {
  if (printing) process.reallyExit(HANDLER_FAILED_STATUS);
  try {
    emits('uncaughtExceptionMonitor', error, origin);
    if (emits('uncaughtException', error, origin)) return;
  } catch (second) {
    printing = true;
    native.writeText(2, describe(second));
    process.reallyExit(HANDLER_FAILED_STATUS);
  }
  printing = true;
  native.writeText(2, describe(error));
  printing = false;
  process.exitCode = UNCAUGHT_STATUS;
  try {
    process.emit('exit', UNCAUGHT_STATUS);
  } catch {
    // The first error is the one to be known.
  }
  process.reallyExit(process.exitCode);
}

const rejected = new Map(); // promises rejected without a handler, since the last turn
const reported = new WeakSet();

// The engine's word that a promise was rejected without a handler, or got one.
native.hooks.rejection = (promise, reason, handled) => {
  if (!handled) {
    rejected.set(promise, reason);
  } else if (!rejected.delete(promise) && reported.has(promise)) {
    require('internal/loop').nextTick(() => process.emit('rejectionHandled', promise));
  }
};

function unhandled(reason) {
  if (types.isNativeError(reason)) return reason;
  const { withCode } = require('internal/errors');
  const message = 'This error originated either by throwing inside of an async function without a catch block, or by rejecting'
    + ` a promise which was not handled with .catch(). The promise rejected with the reason "${
      typeof reason === 'string' ? reason : inspect(reason, { depth: 0 })}".`;
  const error = withCode(Error, 'ERR_UNHANDLED_REJECTION', message);
  Object.defineProperty(error, 'name', { value: 'UnhandledPromiseRejection', configurable: true });
  error.stack = error.stack.replace(/^.*?: /, 'UnhandledPromiseRejection: ');
  return error;
}

// Acts on rejections that are still without a handler; says if there were any.
function reportRejections() {
  if (rejected.size === 0) return false;
  for (const [promise, reason] of [...rejected]) {
    rejected.delete(promise);
    reported.add(promise);
    if (!emits('unhandledRejection', reason, promise)) uncaught(unhandled(reason), 'unhandledRejection');
  }
  return true;
}

module.exports = { uncaught, reportRejections, lineOf, remember: (name, text) => texts.set(name, text) };
