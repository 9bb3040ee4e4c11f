// structuredClone.

const types = require('internal/types');

const refuse = (what) => new DOMException(`${what} could not be cloned.`, 'DataCloneError');
const ERRORS = ['Error', 'EvalError', 'RangeError', 'ReferenceError', 'SyntaxError', 'TypeError', 'URIError'];

function cloneError(error, clone) {
  const Class = globalThis[ERRORS.includes(error.name) ? error.name : 'Error'];
  const copy = Object.create(Class.prototype);
  const fresh = new Class(error.message);
  Object.setPrototypeOf(fresh, Object.getPrototypeOf(copy));
  if (!Object.hasOwn(error, 'message')) delete fresh.message;
  Object.defineProperty(fresh, 'stack', { value: String(error.stack), writable: true, configurable: true });
  if (Object.hasOwn(error, 'cause')) Object.defineProperty(fresh, 'cause', { value: clone(error.cause), writable: true, configurable: true });
  return fresh;
}

function structuredClone(value, options) {
  if (arguments.length === 0) {
    throw require('internal/errors').withCode(TypeError, 'ERR_MISSING_ARGS', 'The "value" argument must be specified');
  }
  const copies = new Map();
  for (const buffer of options?.transfer ?? []) {
    if (!types.isArrayBuffer(buffer)) throw refuse('Value');
    copies.set(buffer, buffer.transfer());
  }

  function clone(item) {
    if (typeof item === 'function') throw refuse(String(item));
    if (typeof item === 'symbol') throw refuse(String(item));
    if (item === null || typeof item !== 'object') return item;
    if (copies.has(item)) return copies.get(item);
    const keep = (copy) => {
      copies.set(item, copy);
      return copy;
    };
    if (types.isDate(item)) return keep(new Date(item.getTime()));
    if (types.isRegExp(item)) return keep(new RegExp(item.source, item.flags));
    if (types.isBoxedPrimitive(item)) {
      if (types.isSymbolObject(item)) throw refuse('Object');
      return keep(Object(item.valueOf()));
    }
    if (types.isArrayBuffer(item)) return keep(item.slice(0));
    if (types.isSharedArrayBuffer(item)) return item;
    if (ArrayBuffer.isView(item)) return keep(cloneView(item));
    if (types.isMap(item)) {
      const copy = keep(new Map());
      for (const [key, entry] of [...item]) copy.set(clone(key), clone(entry));
      return copy;
    }
    if (types.isSet(item)) {
      const copy = keep(new Set());
      for (const entry of [...item]) copy.add(clone(entry));
      return copy;
    }
    if (types.isNativeError(item)) return keep(cloneError(item, clone));
    if (types.isPromise(item) || types.isWeakMap(item) || types.isWeakSet(item) || types.isProxy(item)
      || types.isGeneratorObject(item) || item instanceof WeakRef) {
      throw refuse(types.isPromise(item) ? '#<Promise>' : `#<${item.constructor?.name ?? 'Object'}>`);
    }
    const copy = keep(Array.isArray(item) ? new Array(item.length) : {});
    for (const key of Object.keys(item)) copy[key] = clone(item[key]);
    return copy;
  }

  function cloneView(item) {
    const buffer = clone(item.buffer);
    const Class = types.isDataView(item) ? DataView : globalThis[item[Symbol.toStringTag]];
    return new Class(buffer, item.byteOffset, types.isDataView(item) ? item.byteLength : item.length);
  }

  return clone(value);
}

module.exports = { structuredClone };
