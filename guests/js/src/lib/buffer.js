// The buffer module: Buffer, Blob, atob and btoa.

const { inspect } = require('internal/inspect');
const { invalidArgType, invalidArgValue, outOfRange, withCode } = require('internal/errors');
const { validateNumber, validateString, validateArray } = require('internal/validators');
const types = require('internal/types');
const numbers = require('internal/buffer_numbers');

const MAX_LENGTH = 2 ** 31 - 1; // bytes; more than a sandbox has memory
const MAX_STRING_LENGTH = 2 ** 30 - 1; // characters, as the engine bounds them
const SHOWN_BYTES = 50; // by inspect

const ENCODINGS = {
  utf8: 'utf8', 'utf-8': 'utf8', hex: 'hex', base64: 'base64', base64url: 'base64url',
  latin1: 'latin1', binary: 'latin1', ascii: 'ascii', ucs2: 'utf16le', 'ucs-2': 'utf16le', utf16le: 'utf16le', 'utf-16le': 'utf16le',
};

// Node's own name of an encoding; undefined for what is none.
const encodingOf = (name) => (name === undefined || name === null || name === '' ? 'utf8' : ENCODINGS[name] ?? ENCODINGS[String(name).toLowerCase()]);

function checkedEncoding(name) {
  const encoding = encodingOf(name);
  if (encoding === undefined) throw withCode(TypeError, 'ERR_UNKNOWN_ENCODING', `Unknown encoding: ${name}`);
  return encoding;
}

// The native coder reads base64 in both alphabets and ASCII as Latin-1.
const bytesOf = (text, encoding) => native.encode(text, { base64url: 'base64', ascii: 'latin1' }[encoding] ?? encoding);

class Buffer extends Uint8Array {
  toString(encoding, start, end) { return toString(this, encoding, start, end); }
}

// `Buffer(…)` without `new` was the way once.
const BufferFunction = new Proxy(Buffer, {
  apply: (_, __, args) => construct(...args),
  construct: (_, args, target) => (target === BufferFunction ? construct(...args) : Reflect.construct(Buffer, args, target)),
});

function construct(value, encoding, length) {
  if (typeof value !== 'number') return from(value, encoding, length);
  if (typeof encoding === 'string') throw invalidArgType('string', 'string', value);
  return alloc(value);
}

const view = (buffer, offset, length) => Reflect.construct(Uint8Array, [buffer, offset, length], Buffer);
const empty = (size) => Reflect.construct(Uint8Array, [size], Buffer);

function checkSize(size) {
  validateNumber(size, 'size', 0, MAX_LENGTH);
  return size;
}

function from(value, encodingOrOffset, length) {
  if (typeof value === 'string') return view(bytesOf(value, checkedEncoding(encodingOrOffset)));
  if (typeof value === 'object' && value !== null) {
    if (types.isAnyArrayBuffer(value)) return fromArrayBuffer(value, encodingOrOffset, length);
    const primitive = value.valueOf && value.valueOf();
    if (primitive != null && primitive !== value && (typeof primitive === 'string' || typeof primitive === 'object')) {
      return from(primitive, encodingOrOffset, length);
    }
    if (value.length !== undefined || types.isAnyArrayBuffer(value.buffer)) return fromArrayLike(value);
    if (value.type === 'Buffer' && Array.isArray(value.data)) return fromArrayLike(value.data);
    if (typeof value[Symbol.toPrimitive] === 'function') {
      const text = value[Symbol.toPrimitive]('string');
      if (typeof text === 'string') return from(text, encodingOrOffset);
    }
  }
  throw invalidArgType('first argument', ['string', 'Buffer', 'ArrayBuffer', 'Array', 'Array-like Object'], value);
}

function fromArrayBuffer(buffer, offset = 0, length = undefined) {
  offset = Number(offset) || 0;
  const most = buffer.byteLength - offset;
  if (most < 0) throw withCode(RangeError, 'ERR_BUFFER_OUT_OF_BOUNDS', '"offset" is outside of buffer bounds');
  if (length === undefined) return view(buffer, offset, most);
  length = Math.max(0, Number(length) || 0);
  if (length > most) throw withCode(RangeError, 'ERR_BUFFER_OUT_OF_BOUNDS', '"length" is outside of buffer bounds');
  return view(buffer, offset, length);
}

function fromArrayLike(array) {
  const length = Number(array.length) > 0 ? Number(array.length) : 0;
  const buffer = empty(length);
  if (types.isUint8Array(array)) buffer.set(array);
  else for (let i = 0; i < length; i++) buffer[i] = array[i];
  return buffer;
}

function alloc(size, fill, encoding) {
  const buffer = empty(checkSize(size));
  return fill === undefined || fill === 0 ? buffer : buffer.fill(fill, encoding);
}

function byteLength(value, encoding) {
  if (typeof value !== 'string') {
    if (ArrayBuffer.isView(value) || types.isAnyArrayBuffer(value)) return value.byteLength;
    throw invalidArgType('string', ['string', 'Buffer', 'ArrayBuffer'], value);
  }
  const name = encodingOf(encoding) ?? 'utf8';
  return name === 'utf8' ? native.utf8Length(value) : bytesOf(value, name).byteLength;
}

function concat(list, length) {
  validateArray(list, 'list');
  list.forEach((item, i) => {
    if (!types.isUint8Array(item)) throw invalidArgType(`list[${i}]`, ['Buffer', 'Uint8Array'], item);
  });
  const result = empty(length ?? list.reduce((sum, item) => sum + item.length, 0));
  let at = 0;
  for (const item of list) {
    if (at >= result.length) break;
    result.set(at + item.length > result.length ? item.subarray(0, result.length - at) : item, at);
    at += item.length;
  }
  return result;
}

function compare(a, b) {
  const least = Math.min(a.length, b.length);
  for (let i = 0; i < least; i++) if (a[i] !== b[i]) return a[i] < b[i] ? -1 : 1;
  return Math.sign(a.length - b.length);
}

function checkView(value, name) {
  if (!types.isUint8Array(value)) throw invalidArgType(name, ['Buffer', 'Uint8Array'], value);
  return value;
}

Object.assign(Buffer, {
  from,
  alloc,
  allocUnsafe: (size) => empty(checkSize(size)),
  allocUnsafeSlow: (size) => empty(checkSize(size)),
  of: (...items) => fromArrayLike(items),
  isBuffer: (value) => value instanceof Buffer,
  isEncoding: (name) => typeof name === 'string' && name !== '' && encodingOf(name) !== undefined,
  byteLength,
  concat,
  compare: (a, b) => compare(checkView(a, 'buf1'), checkView(b, 'buf2')),
  copyBytesFrom: (source, offset = 0, length = source.length - offset) => {
    const part = source.subarray(offset, offset + length);
    return from(new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
  },
  poolSize: 8192,
});
Object.defineProperty(Buffer, Symbol.species, { get: () => Buffer });

const clamp = (value, otherwise, most) => {
  value = value === undefined ? otherwise : Math.trunc(Number(value)) || 0;
  return Math.min(Math.max(value, 0), most);
};

function toString(buffer, encoding, start, end) {
  start = clamp(start, 0, buffer.length);
  end = clamp(end, buffer.length, buffer.length);
  if (end <= start) return '';
  const part = start === 0 && end === buffer.length ? buffer : buffer.subarray(start, end);
  return native.decode(part, checkedEncoding(encoding));
}

// The bytes of what indexOf and fill are given.
function pattern(value, encoding) {
  if (typeof value === 'number') return Uint8Array.of(value & 255);
  if (typeof value === 'string') return new Uint8Array(bytesOf(value, checkedEncoding(encoding)));
  if (types.isUint8Array(value)) return value;
  throw invalidArgType('value', ['number', 'string', 'Buffer', 'Uint8Array'], value);
}

function find(buffer, value, offset, encoding, backwards) {
  if (typeof offset === 'string') [offset, encoding] = [undefined, offset];
  const wanted = pattern(value, encoding);
  offset = Number(offset);
  if (Number.isNaN(offset)) offset = backwards ? buffer.length : 0;
  if (offset < 0) offset += buffer.length;
  if (backwards) {
    for (let at = Math.min(offset, buffer.length - wanted.length); at >= 0; at--) if (matches(buffer, wanted, at)) return at;
    return -1;
  }
  offset = Math.max(offset, 0);
  if (wanted.length === 0) return Math.min(offset, buffer.length);
  for (let at = Uint8Array.prototype.indexOf.call(buffer, wanted[0], offset); at !== -1 && at + wanted.length <= buffer.length;
    at = Uint8Array.prototype.indexOf.call(buffer, wanted[0], at + 1)) {
    if (matches(buffer, wanted, at)) return at;
  }
  return -1;
}

function matches(buffer, wanted, at) {
  for (let i = 0; i < wanted.length; i++) if (buffer[at + i] !== wanted[i]) return false;
  return true;
}

function swap(buffer, size) {
  if (buffer.length % size !== 0) throw withCode(RangeError, 'ERR_INVALID_BUFFER_SIZE', `Buffer size must be a multiple of ${size * 8}-bits`);
  for (let at = 0; at < buffer.length; at += size) buffer.subarray(at, at + size).reverse();
  return buffer;
}

const methods = {
  toLocaleString(encoding, start, end) { return toString(this, encoding, start, end); },

  toJSON() { return { type: 'Buffer', data: [...this] }; },

  equals(other) {
    if (!types.isUint8Array(other)) throw invalidArgType('otherBuffer', ['Buffer', 'Uint8Array'], other);
    return compare(this, other) === 0;
  },

  compare(target, targetStart = 0, targetEnd = target?.length, start = 0, end = this.length) {
    checkView(target, 'target');
    return compare(Uint8Array.prototype.subarray.call(this, start, end), Uint8Array.prototype.subarray.call(target, targetStart, targetEnd));
  },

  copy(target, targetStart = 0, start = 0, end = this.length) {
    checkView(target, 'target');
    if (start < 0 || start > this.length) throw outOfRange('sourceStart', `>= 0 && <= ${this.length}`, start);
    const part = Uint8Array.prototype.subarray.call(this, start, Math.min(end, start + Math.max(0, target.length - targetStart)));
    Uint8Array.prototype.set.call(target, part, Math.min(targetStart, target.length));
    return part.length;
  },

  slice(start, end) { return this.subarray(start, end); },

  subarray(start, end) {
    const length = this.length;
    const index = (value, otherwise) => {
      value = value === undefined ? otherwise : Math.trunc(Number(value)) || 0;
      return value < 0 ? Math.max(value + length, 0) : Math.min(value, length);
    };
    const from = index(start, 0);
    return view(this.buffer, this.byteOffset + from, Math.max(index(end, length) - from, 0));
  },

  write(text, offset = 0, length = undefined, encoding = undefined) {
    if (typeof offset === 'string') [offset, encoding] = [0, offset];
    else if (typeof length === 'string') [length, encoding] = [undefined, length];
    validateString(text, 'argument');
    if (offset < 0 || offset > this.length) throw outOfRange('offset', `>= 0 && <= ${this.length}`, offset);
    const room = Math.min(length ?? Infinity, this.length - offset);
    const name = checkedEncoding(encoding);
    let bytes = new Uint8Array(bytesOf(text, name));
    if (bytes.length > room) {
      let end = room;
      if (name === 'utf8') while (end > 0 && (bytes[end] & 0xc0) === 0x80) end--; // no half characters
      if (name === 'utf16le') end -= end % 2;
      bytes = bytes.subarray(0, end);
    }
    this.set(bytes, offset);
    return bytes.length;
  },

  fill(value, offset = 0, end = this.length, encoding = undefined) {
    if (typeof offset === 'string') [offset, end, encoding] = [0, this.length, offset];
    else if (typeof end === 'string') [end, encoding] = [this.length, end];
    if (offset < 0 || offset > this.length) throw outOfRange('offset', `>= 0 && <= ${this.length}`, offset);
    if (end < 0 || end > this.length) throw outOfRange('end', `>= 0 && <= ${this.length}`, end);
    if (typeof value === 'boolean') value = Number(value);
    if (typeof value === 'number' || value === '') return Uint8Array.prototype.fill.call(this, Number(value) & 255, offset, end);
    const bytes = pattern(value, encoding);
    if (bytes.length === 0) throw invalidArgValue('value', value);
    for (let at = offset; at < end; at++) this[at] = bytes[(at - offset) % bytes.length];
    return this;
  },

  indexOf(value, offset, encoding) { return find(this, value, offset, encoding, false); },

  lastIndexOf(value, offset, encoding) { return find(this, value, offset, encoding, true); },

  includes(value, offset, encoding) { return find(this, value, offset, encoding, false) !== -1; },

  swap16() { return swap(this, 2); },

  swap32() { return swap(this, 4); },

  swap64() { return swap(this, 8); },

  [inspect.custom](depth, ctx) {
    const shown = Array.from(Uint8Array.prototype.subarray.call(this, 0, SHOWN_BYTES), (byte) => byte.toString(16).padStart(2, '0')).join(' ');
    const rest = this.length - SHOWN_BYTES;
    const more = rest > 0 ? ` ... ${rest} more byte${rest > 1 ? 's' : ''}` : '';
    let extras = '';
    const own = Object.entries(this).filter(([key]) => !/^\d+$/.test(key));
    if (own.length) extras = `, ${inspect(Object.fromEntries(own), { ...ctx, breakLength: Infinity, compact: true }).slice(1, -1).trim()}`;
    return `<${this.constructor.name} ${shown}${more}${extras}>`;
  },
};
for (const [name, value] of [...Object.entries(methods), [inspect.custom, methods[inspect.custom]], ...Object.entries(numbers)]) {
  Object.defineProperty(Buffer.prototype, name, { value, writable: true, configurable: true, enumerable: false });
}
for (const [name, get] of [['parent', 'buffer'], ['offset', 'byteOffset']]) {
  Object.defineProperty(Buffer.prototype, name, { get() { return this instanceof Buffer ? this[get] : undefined; } });
}
Object.defineProperty(Buffer.prototype, 'constructor', { value: BufferFunction, writable: true, configurable: true });

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

function atob(text) {
  const clean = `${text}`.replace(/[\t\n\f\r ]/g, '');
  const digits = clean.length % 4 === 0 ? clean.replace(/={1,2}$/, '') : clean;
  if (!BASE64.test(clean) || digits.length % 4 === 1 || digits.includes('=')) {
    throw new DOMException('The string to be decoded is not correctly encoded.', 'InvalidCharacterError');
  }
  return native.decode(new Uint8Array(native.encode(digits, 'base64')), 'latin1');
}

function btoa(text) {
  text = `${text}`;
  if (/[^\0-\xff]/.test(text)) throw new DOMException('Invalid character', 'InvalidCharacterError');
  return native.decode(new Uint8Array(native.encode(text, 'latin1')), 'base64');
}

const constants = { MAX_LENGTH, MAX_STRING_LENGTH };

module.exports = {
  Buffer: BufferFunction,
  SlowBuffer: (size) => alloc(size),
  atob,
  btoa,
  constants,
  kMaxLength: MAX_LENGTH,
  kStringMaxLength: MAX_STRING_LENGTH,
  INSPECT_MAX_BYTES: SHOWN_BYTES,
  isUtf8: (value) => native.isUtf8(new Uint8Array(value.buffer ?? value, value.byteOffset, value.byteLength)),
  isAscii: (value) => new Uint8Array(value.buffer ?? value, value.byteOffset, value.byteLength).every((byte) => byte < 128),
  transcode: (source, fromEncoding, toEncoding) => from(toString(source, fromEncoding), toEncoding),
  get Blob() { return require('internal/blob').Blob; },
  get File() { return require('internal/blob').File; },
};
