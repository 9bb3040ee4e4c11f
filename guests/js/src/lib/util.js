// The util module.

const { inspect } = require('internal/inspect');
const { format, formatWithOptions } = require('internal/format');
const { removeColors, colors } = require('internal/inspect/style');
const { invalidArgType, invalidArgValue, outOfRange, withCode, SYSTEM } = require('internal/errors');
const { validateFunction, validateString } = require('internal/validators');
const types = require('internal/types');

const CUSTOM_PROMISIFY = Symbol.for('nodejs.util.promisify.custom');

function promisify(original) {
  validateFunction(original, 'original');
  if (original[CUSTOM_PROMISIFY]) {
    const custom = original[CUSTOM_PROMISIFY];
    validateFunction(custom, 'util.promisify.custom');
    return Object.defineProperty(custom, CUSTOM_PROMISIFY, { value: custom, configurable: true });
  }
  function promised(...args) {
    return new Promise((resolve, reject) => {
      original.call(this, ...args, (error, ...values) => {
        if (error) reject(error);
        else resolve(original[ARGUMENT_NAMES] ? Object.fromEntries(original[ARGUMENT_NAMES].map((name, i) => [name, values[i]])) : values[0]);
      });
    });
  }
  Object.setPrototypeOf(promised, Object.getPrototypeOf(original));
  Object.defineProperty(promised, CUSTOM_PROMISIFY, { value: promised, configurable: true });
  return Object.defineProperties(promised, Object.getOwnPropertyDescriptors(original));
}
promisify.custom = CUSTOM_PROMISIFY;
// Names of the values a callback gets after the error, where they are several.
const ARGUMENT_NAMES = Symbol.for('nodejs.util.promisify.customArgs');

function callbackify(original) {
  validateFunction(original, 'original');
  function called(...args) {
    const callback = args.pop();
    validateFunction(callback, 'last argument');
    original.apply(this, args).then(
      (value) => process.nextTick(callback, null, value),
      (reason) => process.nextTick(callback, reason || Object.assign(
        withCode(Error, 'ERR_FALSY_VALUE_REJECTION', 'Promise was rejected with falsy value'), { reason })),
    );
  }
  const own = Object.getOwnPropertyDescriptors(original);
  if (typeof own.length?.value === 'number') own.length.value++;
  if (typeof own.name?.value === 'string') own.name.value += 'Callbackified';
  return Object.defineProperties(called, own);
}

const warned = new Set();
function deprecate(call, message, code) {
  let told = false;
  function deprecated(...args) {
    if (!told && !(code && warned.has(code))) {
      told = true;
      if (code) warned.add(code);
      process.emitWarning(message, 'DeprecationWarning', code);
    }
    return new.target ? Reflect.construct(call, args, new.target) : Reflect.apply(call, this, args);
  }
  Object.setPrototypeOf(deprecated, call);
  if (call.prototype) deprecated.prototype = call.prototype;
  return deprecated;
}

function inherits(constructor, parent) {
  if (typeof constructor !== 'function') throw invalidArgType('ctor', 'Function', constructor);
  if (typeof parent !== 'function') throw invalidArgType('superCtor', 'Function', parent);
  if (parent.prototype === undefined) throw invalidArgType('superCtor.prototype', 'Object', parent.prototype);
  Object.defineProperty(constructor, 'super_', { value: parent, writable: true, configurable: true });
  Object.setPrototypeOf(constructor.prototype, parent.prototype);
}

function debuglog(section) {
  const names = (process.env.NODE_DEBUG ?? '').split(',').map((name) => name.trim().replaceAll('*', '.*'));
  const enabled = names.some((name) => name && new RegExp(`^${name}$`, 'i').test(section));
  const log = (...args) => {
    if (enabled) process.stderr.write(`${section.toUpperCase()} ${process.pid}: ${format(...args)}\n`);
  };
  return Object.assign(log, { enabled });
}

function styleText(style, text, { validateStream = true, stream = process.stdout } = {}) {
  validateString(text, 'text');
  for (const name of [].concat(style)) {
    if (colors[name] === undefined) throw invalidArgValue('format', name, `must be one of: ${Object.keys(colors).map((color) => `'${color}'`).join(', ')}`);
  }
  if (validateStream && !stream.isTTY) return text; // colours are for terminals
  return [].concat(style).reduceRight((styled, name) => {
    const [start, end] = colors[name];
    return `\u001b[${start}m${styled}\u001b[${end}m`;
  }, text);
}

// The system's error of a negative number, by name.
function getSystemErrorName(number) {
  if (typeof number !== 'number') throw invalidArgType('err', 'number', number);
  if (number >= 0) throw outOfRange('err', 'a negative integer', number);
  return Object.keys(SYSTEM).find((name) => SYSTEM[name][0] === -number) ?? `Unknown system error ${number}`;
}

function aborted(signal, resource) {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

module.exports = {
  aborted,
  callbackify,
  debug: debuglog,
  debuglog,
  deprecate,
  format,
  formatWithOptions,
  getSystemErrorName,
  getSystemErrorMap: () => new Map(Object.entries(SYSTEM).map(([name, [number, text]]) => [-number, [name, text]])),
  inherits,
  inspect,
  isArray: Array.isArray,
  isDeepStrictEqual: (a, b) => require('internal/deep_equal').isDeepEqual(a, b, true),
  parseArgs: (...args) => require('internal/parse_args').parseArgs(...args),
  promisify,
  stripVTControlCharacters(text) {
    validateString(text, 'str');
    return removeColors(text);
  },
  styleText,
  toUSVString: (text) => `${text}`.toWellFormed(),
  types,
  // Tests of the old kind, kept for the programs that use them.
  isBoolean: (value) => typeof value === 'boolean',
  isBuffer: (value) => Buffer.isBuffer(value),
  isNull: (value) => value === null,
  isNullOrUndefined: (value) => value == null,
  isNumber: (value) => typeof value === 'number',
  isString: (value) => typeof value === 'string',
  isSymbol: (value) => typeof value === 'symbol',
  isUndefined: (value) => value === undefined,
  isRegExp: types.isRegExp,
  isObject: (value) => value !== null && typeof value === 'object',
  isDate: types.isDate,
  isError: (value) => types.isNativeError(value) || value instanceof Error,
  isFunction: (value) => typeof value === 'function',
  isPrimitive: (value) => value === null || (typeof value !== 'object' && typeof value !== 'function'),
};
for (const name of ['TextEncoder', 'TextDecoder']) {
  Object.defineProperty(module.exports, name, { enumerable: true, get: () => require('internal/encoding')[name] });
}
for (const name of ['MIMEType', 'MIMEParams']) {
  Object.defineProperty(module.exports, name, { get() { throw require('internal/errors').notAvailable(`util.${name}`, 'it is experimental'); } });
}
