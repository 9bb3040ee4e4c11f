// How inspect shows an error: its stack, with the class and what else it holds.

const types = require('internal/types');

function stackOf(error) {
  return error.stack ? String(error.stack) : Error.prototype.toString.call(error);
}

// Where four lines or more of one stack are in the other: the frames that an
// error shares with its cause.
function sharedFrames(lines, causeLines) {
  for (let i = 0; i < lines.length - 3; i++) {
    const at = causeLines.indexOf(lines[i]);
    if (at === -1) continue;
    const most = Math.min(lines.length - i, causeLines.length - at);
    let length = 1;
    while (length < most && lines[i + length] === causeLines[at + length]) length++;
    if (length > 3) return { length, offset: i };
  }
  return { length: 0, offset: 0 };
}

function framesOf(ctx, error, text) {
  const lines = text.split('\n');
  let cause;
  try {
    ({ cause } = error);
  } catch {
    // A getter that throws is no cause.
  }
  if (cause != null && types.isNativeError(cause)) {
    const causeStack = stackOf(cause);
    const start = causeStack.indexOf('\n    at');
    if (start !== -1) {
      const { length, offset } = sharedFrames(lines, causeStack.slice(start + 1).split('\n'));
      if (length > 0) {
        const skipped = length - 2;
        const note = `    ... ${skipped} lines matching cause stack trace ...`;
        lines.splice(offset + 1, skipped, ctx.stylize(note, 'undefined'));
      }
    }
  }
  return lines;
}

// Names the class in the first line, where the stack has another name.
function improve(stack, constructor, name, tag, prefixOf) {
  let length = name.length;
  const startsWithName = name.endsWith('Error') && stack.startsWith(name)
    && (stack.length === length || stack[length] === ':' || stack[length] === '\n');
  if (constructor !== null && !startsWithName) return stack;
  let fallback = 'Error';
  if (constructor === null) {
    const start = /^([A-Z][a-z_ A-Z0-9[\]()-]+)(?::|\n {4}at)/.exec(stack) ?? /^([a-z_A-Z0-9-]*Error)$/.exec(stack);
    fallback = start?.[1] ?? '';
    length = fallback.length;
    fallback ||= 'Error';
  }
  const prefix = prefixOf(constructor, tag, fallback).slice(0, -1);
  if (name === prefix) return stack;
  if (!prefix.includes(name)) return `${prefix} [${name}]${stack.slice(length)}`;
  return length === 0 ? `${prefix}: ${stack}` : `${prefix}${stack.slice(length)}`;
}

// The text of an error; `keys` becomes what is still to be shown after it.
function formatError(error, constructor, tag, ctx, keys, prefixOf) {
  const name = error.name != null ? String(error.name) : 'Error';
  let stack = stackOf(error);
  if (!ctx.showHidden) {
    for (const key of ['name', 'message', 'stack']) {
      const at = keys.indexOf(key);
      if (at !== -1 && (typeof error[key] !== 'string' || stack.includes(error[key]))) keys.splice(at, 1);
    }
  }
  if ('cause' in error && !keys.includes('cause')) keys.push('cause');
  if (Array.isArray(error.errors) && !keys.includes('errors')) keys.push('errors');
  stack = improve(stack, constructor, name, tag, prefixOf);

  let from = (error.message && stack.indexOf(error.message)) || -1;
  if (from !== -1) from += error.message.length;
  const start = stack.indexOf('\n    at', from);
  if (start === -1) {
    stack = `[${stack}]`;
  } else {
    const lines = framesOf(ctx, error, stack.slice(start + 1));
    stack = `${stack.slice(0, start)}\n${lines.join('\n')}`;
  }
  if (ctx.indentationLvl !== 0) stack = stack.replaceAll('\n', `\n${' '.repeat(ctx.indentationLvl)}`);
  return stack;
}

module.exports = { formatError };
