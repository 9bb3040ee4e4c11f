// The zlib module: gzip and deflate.

const { Buffer } = require('buffer');
const { Transform } = require('stream');
const { invalidArgType, outOfRange, withCode, notAvailable } = require('internal/errors');
const types = require('internal/types');
const loop = require('internal/loop');

const constants = {
  Z_NO_FLUSH: 0, Z_PARTIAL_FLUSH: 1, Z_SYNC_FLUSH: 2, Z_FULL_FLUSH: 3, Z_FINISH: 4, Z_BLOCK: 5,
  Z_OK: 0, Z_STREAM_END: 1, Z_NEED_DICT: 2, Z_ERRNO: -1, Z_STREAM_ERROR: -2, Z_DATA_ERROR: -3, Z_MEM_ERROR: -4, Z_BUF_ERROR: -5, Z_VERSION_ERROR: -6,
  Z_NO_COMPRESSION: 0, Z_BEST_SPEED: 1, Z_BEST_COMPRESSION: 9, Z_DEFAULT_COMPRESSION: -1,
  Z_FILTERED: 1, Z_HUFFMAN_ONLY: 2, Z_RLE: 3, Z_FIXED: 4, Z_DEFAULT_STRATEGY: 0, Z_DEFAULT_LEVEL: -1,
  Z_MIN_WINDOWBITS: 8, Z_MAX_WINDOWBITS: 15, Z_DEFAULT_WINDOWBITS: 15, Z_MIN_CHUNK: 64, Z_DEFAULT_CHUNK: 16384,
  Z_MIN_MEMLEVEL: 1, Z_MAX_MEMLEVEL: 9, Z_DEFAULT_MEMLEVEL: 8,
};
const DEFAULT_LEVEL = 6;
const GZIP_MAGIC = [0x1f, 0x8b];

function bytesOf(data) {
  if (typeof data === 'string') return Buffer.from(data);
  if (types.isAnyArrayBuffer(data)) return new Uint8Array(data);
  if (!ArrayBuffer.isView(data)) throw invalidArgType('buffer', ['string', 'Buffer', 'TypedArray', 'DataView', 'ArrayBuffer'], data);
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

const compress = (format) => (data, { level = constants.Z_DEFAULT_COMPRESSION } = {}) => {
  if (!Number.isInteger(level) || level < -1 || level > 9) throw outOfRange('options.level', '>= -1 and <= 9', level);
  return Buffer.from(native.compress(format, bytesOf(data), level === -1 ? DEFAULT_LEVEL : level));
};

const decompress = (format) => (data, { maxOutputLength = Number.MAX_SAFE_INTEGER } = {}) => {
  const bytes = bytesOf(data);
  const isGzip = GZIP_MAGIC.every((byte, i) => bytes[i] === byte);
  const actual = format === 'unzip' ? (isGzip ? 'gzip' : 'deflate') : format;
  try {
    return Buffer.from(native.decompress(actual, bytes, maxOutputLength));
  } catch (error) {
    if (error.message === 'ERR_BUFFER_TOO_LARGE') throw withCode(RangeError, 'ERR_BUFFER_TOO_LARGE', `Cannot create a Buffer larger than ${maxOutputLength} bytes`);
    const [code, ...words] = error.message.split(' ');
    throw Object.assign(new Error(words.join(' ')), { errno: constants[code], code });
  }
};

const CALLS = {
  gzip: compress('gzip'), deflate: compress('deflate'), deflateRaw: compress('raw'),
  gunzip: decompress('gzip'), inflate: decompress('deflate'), inflateRaw: decompress('raw'), unzip: decompress('unzip'),
};

const zlib = { constants, codes: { ...constants }, crc32: (data, start = 0) => native.crc32(bytesOf(data), start) };
for (const [name, call] of Object.entries(CALLS)) {
  const Name = name[0].toUpperCase() + name.slice(1);
  zlib[`${name}Sync`] = call;
  zlib[name] = (data, options, callback) => {
    if (typeof options === 'function') [options, callback] = [{}, options];
    let result;
    let failure = null;
    try {
      result = call(data, options);
    } catch (error) {
      if (error.errno === undefined) throw error;
      failure = error;
    }
    loop.complete(() => callback(failure, result));
  };
  // A stream that gathers its input: what is compressed lies in memory anyway.
  zlib[Name] = class extends Transform {
    #parts = [];
    #options;

    constructor(options) {
      super(options);
      this.#options = options;
    }

    _transform(chunk, encoding, callback) {
      this.#parts.push(chunk);
      callback();
    }

    _flush(callback) {
      try {
        this.push(call(Buffer.concat(this.#parts), this.#options));
        callback();
      } catch (error) {
        callback(error);
      }
    }

    close(callback) {
      if (callback) this.once('close', callback);
      this.destroy();
    }
  };
  Object.defineProperty(zlib[Name], 'name', { value: Name });
  zlib[`create${Name}`] = (options) => new zlib[Name](options);
}
for (const name of ['brotliCompress', 'brotliDecompress', 'brotliCompressSync', 'brotliDecompressSync', 'createBrotliCompress', 'createBrotliDecompress']) {
  zlib[name] = () => { throw notAvailable(`zlib.${name}`, 'it has gzip and deflate'); };
}

module.exports = zlib;
