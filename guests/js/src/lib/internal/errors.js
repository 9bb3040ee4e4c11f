// Errors as Node makes them: with a code, a text that names the argument, and
// for the system's refusals the call and the path.

// Numbers as on Linux: what a program written for Node compares with.
const SYSTEM = {
  EACCES: [13, 'permission denied'],
  EAGAIN: [11, 'resource temporarily unavailable'],
  EBADF: [9, 'bad file descriptor'],
  EBUSY: [16, 'resource busy or locked'],
  EDQUOT: [122, 'disk quota exceeded'],
  EEXIST: [17, 'file already exists'],
  EFBIG: [27, 'file too large'],
  EINVAL: [22, 'invalid argument'],
  EIO: [5, 'i/o error'],
  EISDIR: [21, 'illegal operation on a directory'],
  ELOOP: [40, 'too many symbolic links encountered'],
  EMFILE: [24, 'too many open files'],
  EMLINK: [31, 'too many links'],
  ENAMETOOLONG: [36, 'name too long'],
  ENFILE: [23, 'file table overflow'],
  ENOENT: [2, 'no such file or directory'],
  ENOMEM: [12, 'not enough memory'],
  ENOSPC: [28, 'no space left on device'],
  ENOSYS: [38, 'function not implemented'],
  ENOTDIR: [20, 'not a directory'],
  ENOTEMPTY: [39, 'directory not empty'],
  ENOTSUP: [95, 'operation not supported on socket'],
  EPERM: [1, 'operation not permitted'],
  EPIPE: [32, 'broken pipe'],
  EROFS: [30, 'read-only file system'],
  ESPIPE: [29, 'invalid seek'],
  ESRCH: [3, 'no such process'],
  ETIMEDOUT: [110, 'connection timed out'],
  ETXTBSY: [26, 'text file is busy'],
  EXDEV: [18, 'cross-device link not permitted'],
};

// An error of the system called `name` in `call`, about `path` and `dest`.
function systemError(name, call, path, dest) {
  const [number, text] = SYSTEM[name] ?? [0, 'unknown error'];
  let message = `${name}: ${text}, ${call}`;
  if (path !== undefined) message += ` '${path}'`;
  if (dest !== undefined) message += ` -> '${dest}'`;
  const error = new Error(message);
  error.errno = -number;
  error.code = name;
  error.syscall = call;
  if (path !== undefined) error.path = path;
  if (dest !== undefined) error.dest = dest;
  return trim(error, systemError);
}

// Leaves out of an error's stack the library's own frames down to `from`.
function trim(error, from) {
  if (Error.stackTraceLimit > 0) Error.captureStackTrace(error, from);
  return error;
}

// An error whose stack starts `Name [CODE]: message`, as Node's own do.
function withCode(Base, code, message) {
  const error = new Base(message);
  const { name } = error;
  Object.defineProperty(error, 'name', { value: `${name} [${code}]`, configurable: true, writable: true });
  trim(error, withCode);
  delete error.name;
  error.code = code;
  return error;
}

const listOf = (items, last) => (items.length < 3
  ? items.join(` ${last} `)
  : `${items.slice(0, -1).join(', ')}, ${last} ${items.at(-1)}`);

const PRIMITIVES = ['string', 'function', 'number', 'object', 'Function', 'Object', 'boolean', 'bigint', 'symbol'];

// "of type string or an instance of Buffer"
function describeExpected(expected) {
  const all = [].concat(expected);
  const types = all.filter((name) => PRIMITIVES.includes(name)).map((name) => name.toLowerCase());
  const classes = all.filter((name) => !PRIMITIVES.includes(name) && /^[A-Z][A-Za-z]+$/.test(name));
  const others = all.filter((name) => !PRIMITIVES.includes(name) && !classes.includes(name));
  const parts = [];
  if (types.length) parts.push(types.length > 1 ? `one of type ${listOf(types, 'or')}` : `of type ${types[0]}`);
  if (classes.length) parts.push(`an instance of ${listOf(classes, 'or')}`);
  if (others.length) parts.push(others.length > 1 ? `one of ${listOf(others, 'or')}` : others[0]);
  return parts.join(' or ');
}

function describeReceived(value) {
  const { inspect } = require('internal/inspect');
  if (value == null) return ` Received ${value}`;
  if (typeof value === 'function') return ` Received function ${value.name}`;
  if (typeof value === 'object') {
    if (value.constructor?.name) return ` Received an instance of ${value.constructor.name}`;
    return ` Received ${inspect(value, { depth: -1 })}`;
  }
  let shown = inspect(value, { colors: false });
  if (shown.length > 28) shown = `${shown.slice(0, 25)}...`;
  return ` Received type ${typeof value} (${shown})`;
}

function invalidArgType(name, expected, actual) {
  const subject = name.endsWith(' argument') ? `The ${name}` : `The "${name}" ${name.includes('.') ? 'property' : 'argument'}`;
  const message = `${subject} must be ${describeExpected(expected)}.${describeReceived(actual)}`;
  return withCode(TypeError, 'ERR_INVALID_ARG_TYPE', message);
}

function invalidArgValue(name, value, reason = 'is invalid') {
  const { inspect } = require('internal/inspect');
  let shown = inspect(value);
  if (shown.length > 128) shown = `${shown.slice(0, 128)}...`;
  const subject = name.includes('.') ? 'property' : 'argument';
  return withCode(TypeError, 'ERR_INVALID_ARG_VALUE', `The ${subject} '${name}' ${reason}. Received ${shown}`);
}

function outOfRange(name, range, value) {
  const { inspect } = require('internal/inspect');
  let shown = inspect(value);
  if (Number.isInteger(value) && Math.abs(value) > 2 ** 32) shown = groupDigits(String(value));
  if (typeof value === 'bigint') shown = `${groupDigits(String(value))}n`;
  return withCode(RangeError, 'ERR_OUT_OF_RANGE', `The value of "${name}" is out of range. It must be ${range}. Received ${shown}`);
}

const groupDigits = (digits) => digits.replace(/\B(?=(\d{3})+$)/g, '_');

// The error of a call to something a sandbox has not got.
function notAvailable(what, why) {
  return withCode(Error, 'ERR_NOT_AVAILABLE', `${what} is not available in this sandbox: ${why}`);
}

module.exports = { SYSTEM, systemError, withCode, trim, invalidArgType, invalidArgValue, outOfRange, notAvailable, listOf };
