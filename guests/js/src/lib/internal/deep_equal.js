// Deep equality, as assert and util see it.

const types = require('internal/types');

const enumerable = (value, key) => Object.prototype.propertyIsEnumerable.call(value, key);
const symbolsOf = (value) => Object.getOwnPropertySymbols(value).filter((key) => enumerable(value, key));

// `seen` holds the pairs being compared: equal until they prove otherwise.
function isDeepEqual(a, b, strict, seen = new Map()) {
  if (a === b) return a !== 0 || !strict || Object.is(a, b);
  if (strict) {
    if (typeof a !== 'object') return typeof a === 'number' && Number.isNaN(a) && Number.isNaN(b);
    if (typeof b !== 'object' || a === null || b === null) return false;
    if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
  } else {
    if (a === null || typeof a !== 'object') {
      // eslint-disable-next-line eqeqeq
      return (b === null || typeof b !== 'object') && (a == b || (Number.isNaN(a) && Number.isNaN(b)));
    }
    if (b === null || typeof b !== 'object') return false;
  }
  if (Object.prototype.toString.call(a) !== Object.prototype.toString.call(b)) return false;
  return sameKind(a, b, strict, seen);
}

function sameKind(a, b, strict, seen) {
  if (Array.isArray(a)) {
    if (!Array.isArray(b) || a.length !== b.length) return false;
    return sameContents(a, b, strict, seen, strict ? undefined : 'indices');
  }
  if (Array.isArray(b)) return false;
  if (types.isDate(a)) {
    if (!types.isDate(b) || a.getTime() !== b.getTime()) {
      if (!types.isDate(b) || !(Number.isNaN(a.getTime()) && Number.isNaN(b.getTime()))) return false;
    }
  } else if (types.isRegExp(a)) {
    if (!types.isRegExp(b) || a.source !== b.source || a.flags !== b.flags || a.lastIndex !== b.lastIndex) return false;
  } else if (types.isNativeError(a) || a instanceof Error) {
    if ((!types.isNativeError(b) && !(b instanceof Error)) || a.message !== b.message || a.name !== b.name) return false;
    for (const key of ['cause', 'errors']) {
      if (Object.hasOwn(a, key) !== Object.hasOwn(b, key) || !isDeepEqual(a[key], b[key], strict, seen)) return false;
    }
  } else if (ArrayBuffer.isView(a)) {
    return ArrayBuffer.isView(b) && a.byteLength === b.byteLength && sameBytes(a, b, strict) && sameContents(a, b, strict, seen, 'extras');
  } else if (types.isAnyArrayBuffer(a)) {
    if (!types.isAnyArrayBuffer(b) || a.byteLength !== b.byteLength || !sameBytes(new Uint8Array(a), new Uint8Array(b), true)) return false;
  } else if (types.isBoxedPrimitive(a)) {
    if (!types.isBoxedPrimitive(b) || !Object.is(a.valueOf(), b.valueOf())) return false;
  } else if (types.isSet(a) ? !types.isSet(b) || a.size !== b.size : types.isSet(b)) {
    return false;
  } else if (types.isMap(a) ? !types.isMap(b) || a.size !== b.size : types.isMap(b)) {
    return false;
  } else if (types.isPromise(a) || types.isWeakMap(a) || types.isWeakSet(a)) {
    return false;
  }
  return sameContents(a, b, strict, seen);
}

function sameBytes(a, b, strict) {
  if (/Float/.test(a[Symbol.toStringTag])) {
    for (let i = 0; i < a.length; i++) if (strict ? !Object.is(a[i], b[i]) : a[i] !== b[i]) return false;
    return true;
  }
  const bytes = (view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  const [left, right] = [bytes(a), bytes(b)];
  return left.every((byte, i) => byte === right[i]);
}

function sameContents(a, b, strict, seen, part) {
  const isExtra = (key) => part !== 'extras' || !/^\d+$/.test(key);
  const keys = Object.keys(a).filter(isExtra);
  if (keys.length !== Object.keys(b).filter(isExtra).length || !keys.every((key) => enumerable(b, key))) return false;
  if (strict) {
    const symbols = symbolsOf(a);
    if (symbols.length !== symbolsOf(b).length || !symbols.every((key) => enumerable(b, key))) return false;
    keys.push(...symbols);
  }
  const partners = seen.get(a);
  if (partners?.has(b)) return true;
  seen.set(a, new Set(partners).add(b));
  const equal = (!types.isSet(a) || sameSet(a, b, strict, seen)) && (!types.isMap(a) || sameMap(a, b, strict, seen))
    && keys.every((key) => isDeepEqual(a[key], b[key], strict, seen));
  seen.get(a).delete(b);
  return equal;
}

// Finds each of `items` a partner of its own among `others`.
function pairUp(items, others, same) {
  const free = [...others];
  return items.every((item) => {
    const at = free.findIndex((other) => same(item, other));
    if (at === -1) return false;
    free.splice(at, 1);
    return true;
  });
}

const simple = (value, strict) => (strict ? value === null || typeof value !== 'object' : false);

function sameSet(a, b, strict, seen) {
  const rest = [...a].filter((value) => !b.has(value));
  if (rest.some((value) => simple(value, strict))) return false;
  return pairUp(rest, [...b].filter((value) => !a.has(value)), (x, y) => isDeepEqual(x, y, strict, seen));
}

function sameMap(a, b, strict, seen) {
  const rest = [];
  for (const [key, value] of a) {
    if (b.has(key) && isDeepEqual(value, b.get(key), strict, seen)) continue;
    if (simple(key, strict)) return false;
    rest.push([key, value]);
  }
  const others = [...b].filter(([key, value]) => !(a.has(key) && isDeepEqual(a.get(key), value, strict, seen)));
  return pairUp(rest, others, ([key, value], [other, otherValue]) => isDeepEqual(key, other, strict, seen) && isDeepEqual(value, otherValue, strict, seen));
}

module.exports = { isDeepEqual };
