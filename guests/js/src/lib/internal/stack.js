// Stack traces as V8 writes them: a header, then one line a frame.

// The library's own frames are left out: a program's author has no use for them.

function frame(site, next) {
  const file = site.getFileName();
  let name = site.getFunctionName();
  if (name === '<eval>' || name === '<anonymous>') name = '';
  if (!file) return name ? `${name} (<anonymous>)` : '<anonymous>';
  // The function around a CommonJS module.
  if (!name && next?.startsWith('node:internal/cjs')) name = 'Object.<anonymous>';
  const line = site.getLineNumber();
  const place = line ? `${file}:${line}:${site.getColumnNumber()}` : file;
  return name ? `${name} (${place})` : place;
}

// The member expression that ends where a call begins: `a.b[0].c`.
function calleeBefore(text, column) {
  let start = column;
  const name = /^[\w$#]+/.exec(text.slice(start))?.[0] ?? '';
  while (start > 0) {
    const before = text.slice(0, start);
    const part = /(?:[\w$#]+|\[[^[\]]*\]|\([^()]*\))\s*(?:\?\.|\.)\s*$/.exec(before) ?? /(?:[\w$#]+|\))(?=(?:\[[^[\]]*\]|\([^()]*\))[\s\S]*$)$/.exec(before)
      ?? (/^[[(]/.test(text.slice(start)) ? /[\w$#]+$/.exec(before) : null);
    if (!part) break;
    start = part.index;
  }
  return text.slice(start, column) + name;
}

const ITERATES = /^Cannot read properties of (undefined|null) \(reading 'Symbol\.iterator'\)$/;

// What the engine says of a value that does not fit leaves out which one it
// is: that stands in the source.
function nameValue(error, sites) {
  const { message } = error;
  const [, nothing] = ITERATES.exec(message) ?? [];
  if (nothing) error.message = `${nothing} is not iterable`;
  const file = sites[0]?.getFileName();
  if (!file || file.startsWith('node:')) return;
  if (message !== 'value is not iterable' && message !== 'Cannot convert undefined or null to object') return;
  const line = require('internal/fatal').lineOf(file, sites[0].getLineNumber())?.slice(sites[0].getColumnNumber() - 1) ?? '';
  if (message === 'value is not iterable') {
    const [, value] = /(?:\bof|\.\.\.|\]\s*=)\s*([\w$.[\]'"]+)/.exec(line) ?? [];
    if (value) error.message = `${value} is not iterable`;
  } else {
    const [, property, value] = /\{\s*([\w$]+)[^{}]*\}\s*=\s*([\w$.[\]]+)/.exec(line) ?? [];
    error.message = property
      ? `Cannot destructure property '${property}' of '${value}' as it is ${value === 'null' ? 'null' : 'undefined'}.`
      : 'Cannot destructure a value that is undefined or null';
  }
}

// The engine says "not a function" and no more: what is not, stands in the
// source at the place of the call.
function nameCallee(error, sites) {
  const { message } = error;
  if (message !== 'not a function' && message !== 'not a constructor') return;
  const file = sites[0]?.getFileName();
  if (!file) error.message = `the argument of ${sites[0]?.getFunctionName()}() is ${message}`;
  if (!file || file.startsWith('node:')) return;
  const line = require('internal/fatal').lineOf(file, sites[0].getLineNumber());
  const callee = line && calleeBefore(line, sites[0].getColumnNumber() - 1).replace(/\([^()]+\)/g, '(...)');
  if (callee) error.message = `${callee} is ${message}`;
}

function header(error) {
  try {
    return Error.prototype.toString.call(error);
  } catch {
    return 'Error';
  }
}

// The frames of errors. They are written when the stack is first asked for: a
// name or message that changed until then is in it, as in V8.
const frames = new WeakMap();
let custom; // the program's own Error.prepareStackTrace
let thrown = {}; // what was last thrown that is no object

function toText(error, sites) {
  if (custom !== undefined) return custom(error, sites);
  return header(error) + framesText(sites);
}

function framesText(sites) {
  let text = '';
  for (let i = 0, next; i < sites.length; i++) {
    // The file that called: a native function between has none.
    next = sites.slice(i + 1).find((site) => site.getFileName())?.getFileName();
    const file = sites[i].getFileName() || next;
    if (file && !file.startsWith('node:internal/')) text += `\n    at ${frame(sites[i], next)}`;
  }
  return text;
}

// The frames of what was thrown though it is no error.
const framesOfThrown = (value) => (Object.is(thrown.value, value) && thrown.sites ? framesText(thrown.sites) : '');

const define = (error, value) => Object.defineProperty(error, 'stack', { value, writable: true, configurable: true, enumerable: false });

// The property `stack` of an error until it is asked for.
const unwritten = {
  get() {
    const sites = frames.get(this);
    // Nothing was recorded where the stack had no room for it, or had no frame.
    const text = sites === undefined ? header(this) : toText(this, sites);
    frames.delete(this);
    if (sites !== undefined) define(this, text);
    return text;
  },
  set(value) { define(this, value); },
  configurable: true,
  enumerable: false,
};

function install() {
  const engineCapture = Error.captureStackTrace;
  let capturing = false;
  // What the engine calls for every new error, and again for one that is
  // thrown on. It calls until it gets a value.
  Error.prepareStackTrace = (error, sites) => {
    if (error === null || typeof error !== 'object') {
      thrown = { value: error, sites };
    } else if (capturing || !Object.hasOwn(error, 'stack')) {
      if (error instanceof TypeError) {
        nameCallee(error, sites);
        nameValue(error, sites);
      }
      frames.set(error, sites);
      if (Object.isExtensible(error)) Object.defineProperty(error, 'stack', unwritten);
    }
    return true;
  };
  Object.defineProperty(Error.prototype, 'stack', unwritten);
  Object.defineProperty(Error, 'prepareStackTrace', {
    configurable: true,
    enumerable: false,
    get: () => custom,
    set(call) { custom = typeof call === 'function' ? call : undefined; },
  });
  const captureStackTrace = (object, from) => {
    capturing = true;
    engineCapture(object, from ?? captureStackTrace);
    capturing = false;
    define(object, toText(object, frames.get(object) ?? []));
  };
  Object.defineProperty(Error, 'captureStackTrace', { value: captureStackTrace, writable: true, configurable: true });
  completeCallSites();
}

// Methods of V8's call sites that the engine's have not got.
function completeCallSites() {
  let prototype;
  custom = (_, sites) => { prototype = Object.getPrototypeOf(sites[0]); };
  void new Error().stack;
  custom = undefined;
  const methods = {
    getThis() {}, getTypeName: () => null, getFunction() {}, getMethodName() { return this.getFunctionName(); }, getEvalOrigin() {},
    getScriptNameOrSourceURL() { return this.getFileName(); }, isToplevel: () => true, isEval: () => false, isConstructor: () => false,
    isAsync: () => false, isPromiseAll: () => false, getPromiseIndex: () => null, toString() { return frame(this); },
  };
  for (const [name, value] of Object.entries(methods)) {
    if (!Object.hasOwn(prototype, name)) Object.defineProperty(prototype, name, { value, writable: true, configurable: true });
  }
}

// The engine records where something is thrown unless it still holds a record
// of what was thrown before; a catch takes that from it.
function forget() {
  try {
    throw undefined;
  } catch {
    thrown = {};
  }
}

module.exports = { install, forget, framesOfThrown };
