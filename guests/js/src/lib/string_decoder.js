// string_decoder: text from bytes that come in pieces.

const { withCode, invalidArgType } = require('internal/errors');
const { Buffer } = require('buffer');

const NAMES = { ucs2: 'utf16le', 'ucs-2': 'utf16le', 'utf-16le': 'utf16le', binary: 'latin1', 'utf-8': 'utf8' };

// How many bytes at the end are the start of a character.
function incomplete(bytes, encoding) {
  switch (encoding) {
    case 'utf16le': {
      const odd = bytes.length % 2;
      const last = bytes.length - odd >= 2 ? bytes[bytes.length - odd - 1] : 0;
      return (last & 0xfc) === 0xd8 ? odd + 2 : odd;
    }
    case 'base64': case 'base64url': return bytes.length % 3;
    case 'utf8':
      for (let back = 1; back <= Math.min(3, bytes.length); back++) {
        const byte = bytes[bytes.length - back];
        if (byte < 0x80) return 0;
        if (byte >= 0xc0) return (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) > back ? back : 0;
      }
      return 0;
    default: return 0;
  }
}

class StringDecoder {
  #rest = Buffer.alloc(0);

  constructor(encoding = 'utf8') {
    const name = String(encoding ?? 'utf8').toLowerCase();
    if (!Buffer.isEncoding(name)) throw withCode(TypeError, 'ERR_UNKNOWN_ENCODING', `Unknown encoding: ${encoding}`);
    this.encoding = NAMES[name] ?? name;
  }

  write(chunk) {
    if (typeof chunk === 'string') return chunk;
    if (!ArrayBuffer.isView(chunk)) throw invalidArgType('buf', ['Buffer', 'TypedArray', 'DataView'], chunk);
    const part = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    const bytes = this.#rest.length ? Buffer.concat([this.#rest, part]) : part;
    const end = bytes.length - incomplete(bytes, this.encoding);
    this.#rest = Buffer.from(bytes.subarray(end));
    return bytes.toString(this.encoding, 0, end);
  }

  end(chunk) {
    const text = chunk === undefined ? '' : this.write(chunk);
    const rest = this.#rest.toString(this.encoding);
    this.#rest = Buffer.alloc(0);
    // A character cut short is one mark, however many bytes of it came.
    return text + (this.encoding === 'utf8' && rest ? '\ufffd' : rest);
  }

  get lastNeed() { return this.#rest.length; }

  text(buffer, offset) { return this.write(buffer.subarray(offset)); }
}

module.exports = { StringDecoder };
