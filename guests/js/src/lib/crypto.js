// The crypto module: hashes and random numbers. No ciphers, no keys.

const { Buffer } = require('buffer');
const { invalidArgType, outOfRange, withCode, notAvailable } = require('internal/errors');
const { validateString, validateInteger } = require('internal/validators');
const { Transform } = require('stream');
const types = require('internal/types');

const HASHES = ['md5', 'sha1', 'sha224', 'sha256', 'sha384', 'sha512'];
const BLOCK_BYTES = { sha384: 128, sha512: 128 }; // of HMAC; 64 for the others
const MOST_RANDOM_BYTES = 65536; // of one getRandomValues, as the web bounds it

const nameOf = (algorithm) => algorithm.toLowerCase().replace(/^rsa-/, '').replace(/^(sha)-/, '$1');

function bytesOf(data, encoding, name = 'data') {
  if (typeof data === 'string') return Buffer.from(data, encoding === 'buffer' ? 'utf8' : encoding);
  if (types.isAnyArrayBuffer(data)) return new Uint8Array(data);
  if (!ArrayBuffer.isView(data)) throw invalidArgType(name, ['string', 'Buffer', 'TypedArray', 'DataView'], data);
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

const output = (buffer, encoding) => {
  const bytes = Buffer.from(buffer);
  return encoding && encoding !== 'buffer' ? bytes.toString(encoding) : bytes;
};

class Hash extends Transform {
  #handle;
  #finished = false;

  constructor(handle) {
    super();
    this.#handle = handle;
  }

  #open() {
    if (this.#finished) throw withCode(Error, 'ERR_CRYPTO_HASH_FINALIZED', 'Digest already called');
  }

  update(data, encoding) {
    this.#open();
    native.hashUpdate(this.#handle, bytesOf(data, encoding));
    return this;
  }

  digest(encoding) {
    this.#open();
    this.#finished = true;
    return output(native.hashFinish(this.#handle), encoding);
  }

  copy() {
    this.#open();
    return new Hash(native.hashCopy(this.#handle));
  }

  _transform(chunk, encoding, callback) {
    this.update(chunk, encoding);
    callback();
  }

  _flush(callback) {
    this.push(this.digest());
    callback();
  }
}

function createHash(algorithm) {
  validateString(algorithm, 'algorithm');
  const handle = native.hashStart(nameOf(algorithm));
  if (handle === undefined) {
    throw withCode(Error, 'ERR_OSSL_EVP_UNSUPPORTED', `Digest method not supported: ${algorithm} (there are: ${HASHES.join(', ')})`);
  }
  return new Hash(handle);
}

const hash = (algorithm, data, encoding = 'hex') => createHash(algorithm).update(data).digest(encoding);

class Hmac extends Transform {
  #inner;
  #outer;
  #finished = false;

  constructor(algorithm, key) {
    super();
    const size = BLOCK_BYTES[nameOf(algorithm)] ?? 64;
    let bytes = bytesOf(key, 'utf8', 'key');
    if (bytes.length > size) bytes = createHash(algorithm).update(bytes).digest();
    const padded = (byte) => Uint8Array.from({ length: size }, (_, i) => (bytes[i] ?? 0) ^ byte);
    this.#inner = createHash(algorithm).update(padded(0x36));
    this.#outer = createHash(algorithm).update(padded(0x5c));
  }

  update(data, encoding) {
    if (this.#finished) throw withCode(Error, 'ERR_CRYPTO_HASH_FINALIZED', 'Digest already called');
    this.#inner.update(data, encoding);
    return this;
  }

  digest(encoding) {
    if (this.#finished) return output(Buffer.alloc(0), encoding);
    this.#finished = true;
    return this.#outer.update(this.#inner.digest()).digest(encoding);
  }

  _transform(chunk, encoding, callback) {
    this.update(chunk, encoding);
    callback();
  }

  _flush(callback) {
    this.push(this.digest());
    callback();
  }
}

// PBKDF2 of RFC 8018, with HMAC.
function pbkdf2Sync(password, salt, iterations, length, algorithm) {
  validateInteger(iterations, 'iterations', 1);
  validateInteger(length, 'keylen', 0);
  const blocks = [];
  const key = bytesOf(password, 'utf8', 'password');
  for (let i = 1, total = 0; total < length; i++) {
    const number = Buffer.alloc(4);
    number.writeUInt32BE(i);
    let last = new Hmac(algorithm, key).update(bytesOf(salt, 'utf8', 'salt')).update(number).digest();
    const block = Buffer.from(last);
    for (let round = 1; round < iterations; round++) {
      last = new Hmac(algorithm, key).update(last).digest();
      for (let j = 0; j < block.length; j++) block[j] ^= last[j];
    }
    blocks.push(block);
    total += block.length;
  }
  return Buffer.concat(blocks).subarray(0, length);
}

const callLater = (sync) => (...args) => {
  const callback = args.pop();
  let result;
  let failure = null;
  try {
    result = sync(...args);
  } catch (error) {
    failure = error;
  }
  require('internal/loop').complete(() => callback(failure, result));
};

function randomBytes(size, callback) {
  validateInteger(size, 'size', 0, 2 ** 31 - 1);
  if (callback !== undefined) return callLater(randomBytes)(size, callback);
  return Buffer.from(native.randomBytes(size));
}

function randomFillSync(buffer, offset = 0, size = undefined) {
  const view = types.isAnyArrayBuffer(buffer) ? new Uint8Array(buffer) : new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  const count = size ?? view.length - offset;
  view.set(new Uint8Array(native.randomBytes(count)), offset);
  return buffer;
}

function randomInt(least, most, callback) {
  if (most === undefined || typeof most === 'function') [least, most, callback] = [0, least, most];
  if (!Number.isSafeInteger(least)) throw invalidArgType('min', 'a safe integer', least);
  if (!Number.isSafeInteger(most)) throw invalidArgType('max', 'a safe integer', most);
  const range = most - least;
  if (range <= 0) throw outOfRange('max', `greater than the value of "min" (${least})`, most);
  if (range > 2 ** 48 - 1) throw outOfRange('max - min', `<= ${2 ** 48 - 1}`, range);
  const end = 2 ** 48 - (2 ** 48 % range); // beyond it some numbers would be likelier
  let number;
  do number = randomBytes(6).readUIntBE(0, 6); while (number >= end);
  const result = least + (number % range);
  if (callback === undefined) return result;
  process.nextTick(callback, null, result);
  return undefined;
}

function randomUUID() {
  const bytes = randomBytes(16);
  bytes[6] = (bytes[6] & 0x0f) | 0x40; // version 4
  bytes[8] = (bytes[8] & 0x3f) | 0x80; // of RFC 9562
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

function timingSafeEqual(a, b) {
  const [left, right] = [bytesOf(a, undefined, 'buf1'), bytesOf(b, undefined, 'buf2')];
  if (left.length !== right.length) throw withCode(RangeError, 'ERR_CRYPTO_TIMING_SAFE_EQUAL_LENGTH', 'Input buffers must have the same byte length');
  return left.reduce((difference, byte, i) => difference | (byte ^ right[i]), 0) === 0;
}

function getRandomValues(array) {
  if (!types.isTypedArray(array) || /Float/.test(array[Symbol.toStringTag])) throw new DOMException('The data argument must be an integer-type TypedArray', 'TypeMismatchError');
  if (array.byteLength > MOST_RANDOM_BYTES) throw new DOMException(`The requested length exceeds ${MOST_RANDOM_BYTES} bytes`, 'QuotaExceededError');
  return randomFillSync(array);
}

// The web's crypto.
const subtle = {
  async digest(algorithm, data) {
    const bytes = createHash(algorithm?.name ?? algorithm).update(data).digest();
    return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  },
};
const webcrypto = { getRandomValues, randomUUID, subtle };
Object.defineProperty(webcrypto, Symbol.toStringTag, { value: 'Crypto' });

const crypto = {
  createHash, createHmac: (algorithm, key) => new Hmac(algorithm, key), hash, Hash, Hmac, getHashes: () => [...HASHES],
  pbkdf2Sync, pbkdf2: callLater(pbkdf2Sync), randomBytes, pseudoRandomBytes: randomBytes, randomFillSync,
  randomFill: callLater(randomFillSync), randomInt, randomUUID, timingSafeEqual, getRandomValues, webcrypto, subtle,
  getCiphers: () => [], getCurves: () => [], constants: {},
};
for (const name of [
  'createCipheriv', 'createDecipheriv', 'createSign', 'createVerify', 'createDiffieHellman', 'createECDH', 'createPrivateKey',
  'createPublicKey', 'createSecretKey', 'generateKeyPair', 'generateKeyPairSync', 'generateKey', 'generateKeySync', 'sign', 'verify',
  'scrypt', 'scryptSync', 'hkdf', 'hkdfSync', 'publicEncrypt', 'privateDecrypt', 'X509Certificate',
]) {
  crypto[name] = () => { throw notAvailable(`crypto.${name}`, 'it has hashes and random numbers, no ciphers and no keys'); };
}

module.exports = crypto;
