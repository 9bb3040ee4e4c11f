// TextEncoder and TextDecoder.

const { withCode, invalidArgType } = require('internal/errors');
const { inspect } = require('internal/inspect');

class TextEncoder {
  get encoding() { return 'utf-8'; }

  encode(text = '') { return new Uint8Array(native.encode(`${text}`, 'utf8')); }

  encodeInto(text, view) {
    let read = 0;
    let written = 0;
    for (const character of `${text}`) {
      const bytes = this.encode(character);
      if (written + bytes.length > view.length) break;
      view.set(bytes, written);
      read += character.length;
      written += bytes.length;
    }
    return { read, written };
  }

  [inspect.custom](depth, options) { return inspect({ encoding: this.encoding }, options); }
}

// The labels of each encoding that are in use.
const LABELS = {
  'utf-8': ['utf-8', 'utf8', 'unicode-1-1-utf-8'],
  'utf-16le': ['utf-16le', 'utf-16', 'ucs-2', 'unicode'],
  'windows-1252': ['windows-1252', 'latin1', 'iso-8859-1', 'ascii', 'us-ascii', 'l1', 'cp1252'],
};
// What windows-1252 has where Latin-1 has control characters.
const WINDOWS_1252 = '\u20AC\x81\u201A\u0192\u201E\u2026\u2020\u2021\u02C6\u2030\u0160\u2039\u0152\x8D\u017D\x8F\x90\u2018\u2019\u201C\u201D\u2022\u2013\u2014\u02DC\u2122\u0161\u203A\u0153\x9D\u017E\u0178';

// Bytes at the end of a chunk that are the start of a character.
function incompleteTail(bytes, encoding) {
  if (encoding === 'utf-16le') return bytes.length % 2;
  if (encoding !== 'utf-8') return 0;
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back];
    if (byte < 0x80) return 0;
    if (byte >= 0xc0) {
      const size = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
      return size > back ? back : 0;
    }
  }
  return 0;
}

class TextDecoder {
  #encoding;
  #fatal;
  #ignoreBOM;
  #rest = new Uint8Array(0);
  #started = false;

  constructor(label = 'utf-8', { fatal = false, ignoreBOM = false } = {}) {
    const wanted = `${label}`.trim().toLowerCase();
    this.#encoding = Object.keys(LABELS).find((name) => LABELS[name].includes(wanted));
    if (this.#encoding === undefined) throw withCode(RangeError, 'ERR_ENCODING_NOT_SUPPORTED', `The "${label}" encoding is not supported`);
    this.#fatal = !!fatal;
    this.#ignoreBOM = !!ignoreBOM;
  }

  get encoding() { return this.#encoding; }

  get fatal() { return this.#fatal; }

  get ignoreBOM() { return this.#ignoreBOM; }

  decode(input = new Uint8Array(0), { stream = false } = {}) {
    let bytes;
    if (ArrayBuffer.isView(input)) bytes = new Uint8Array(input.buffer, input.byteOffset, input.byteLength);
    else if (input instanceof ArrayBuffer || input instanceof SharedArrayBuffer) bytes = new Uint8Array(input);
    else throw invalidArgType('list', ['ArrayBuffer', 'ArrayBufferView'], input);
    if (this.#rest.length) {
      const whole = new Uint8Array(this.#rest.length + bytes.length);
      whole.set(this.#rest);
      whole.set(bytes, this.#rest.length);
      bytes = whole;
    }
    const tail = stream ? incompleteTail(bytes, this.#encoding) : 0;
    this.#rest = bytes.slice(bytes.length - tail);
    bytes = bytes.subarray(0, bytes.length - tail);
    if (this.#fatal && this.#encoding === 'utf-8' && !native.isUtf8(bytes)) {
      throw withCode(TypeError, 'ERR_ENCODING_INVALID_ENCODED_DATA', `The encoded data was not valid for encoding ${this.#encoding}`);
    }
    let text = this.#text(bytes);
    if (!this.#started && !this.#ignoreBOM && text.startsWith('\uFEFF')) text = text.slice(1);
    this.#started = stream && (this.#started || text.length > 0);
    return text;
  }

  #text(bytes) {
    if (this.#encoding !== 'windows-1252') return native.decode(bytes, this.#encoding === 'utf-8' ? 'utf8' : 'utf16le');
    return native.decode(bytes, 'latin1').replace(/[\x80-\x9f]/g, (character) => WINDOWS_1252[character.charCodeAt(0) - 0x80]);
  }

  [inspect.custom](depth, options) {
    const { encoding, fatal, ignoreBOM } = this;
    return `TextDecoder ${inspect({ encoding, fatal, ignoreBOM }, options)}`;
  }
}

for (const Class of [TextEncoder, TextDecoder]) {
  Object.defineProperty(Class.prototype, Symbol.toStringTag, { value: Class.name, configurable: true });
}

module.exports = { TextEncoder, TextDecoder };
