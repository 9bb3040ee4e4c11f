// Streams over files.

const { Readable, Writable } = require('stream');
const { withCallback } = require('internal/fs/async');
const { optionsOf, textPath } = require('internal/fs/common');
const files = require('internal/fs/files');

const CHUNK_BYTES = 65536;

// Opens when made; tells of it by 'open' and 'ready'.
function open(stream, file, options, flags, callback) {
  const fd = typeof options.fd === 'object' ? options.fd?.fd : options.fd;
  if (fd !== undefined && fd !== null) {
    stream.fd = fd;
    callback();
    return;
  }
  withCallback(files.openSync)(file, flags, (error, opened) => {
    if (error) {
      callback(error);
      return;
    }
    stream.fd = opened;
    callback();
    stream.emit('open', opened);
    stream.emit('ready');
  });
}

function close(stream, options, error, callback) {
  if (typeof stream.fd !== 'number' || options.autoClose === false || stream.fd <= 2) {
    callback(error);
    return;
  }
  const { fd } = stream;
  stream.fd = null;
  withCallback(files.closeSync)(fd, (failure) => callback(error ?? failure));
}

class ReadStream extends Readable {
  #options;
  #at;

  constructor(file, options) {
    options = optionsOf(options);
    super({ highWaterMark: CHUNK_BYTES, ...options });
    this.#options = options;
    this.path = typeof options.fd === 'number' ? undefined : textPath(file);
    this.fd = null;
    this.flags = options.flags ?? 'r';
    this.start = options.start;
    this.end = options.end ?? Infinity;
    this.bytesRead = 0;
    this.#at = options.start;
  }

  _construct(callback) { open(this, this.path, this.#options, this.flags, callback); }

  _read(size) {
    const left = this.end === Infinity ? size : Math.min(size, this.end - (this.start ?? 0) + 1 - this.bytesRead);
    if (left <= 0) {
      this.push(null);
      return;
    }
    const buffer = Buffer.allocUnsafeSlow(left);
    withCallback(files.readSync)(this.fd, buffer, 0, left, this.#at ?? null, (error, count) => {
      if (error) {
        this.destroy(error);
        return;
      }
      if (this.#at !== undefined) this.#at += count;
      this.bytesRead += count ?? 0;
      this.push(count > 0 ? buffer.subarray(0, count) : null);
    });
  }

  _destroy(error, callback) { close(this, this.#options, error, callback); }

  close(callback) {
    if (callback) this.once('close', callback);
    this.destroy();
  }

  get pending() { return this.fd === null; }
}

class WriteStream extends Writable {
  #options;
  #at;

  constructor(file, options) {
    options = optionsOf(options);
    super({ decodeStrings: true, ...options });
    this.#options = options;
    this.path = typeof options.fd === 'number' ? undefined : textPath(file);
    this.fd = null;
    this.flags = options.flags ?? 'w';
    this.start = options.start;
    this.#at = options.start;
    this.bytesWritten = 0;
    if (options.encoding) this.setDefaultEncoding(options.encoding);
  }

  _construct(callback) { open(this, this.path, this.#options, this.flags, callback); }

  _write(chunk, encoding, callback) {
    withCallback(files.writeSync)(this.fd, chunk, 0, chunk.length, this.#at ?? null, (error, count) => {
      if (!error) {
        this.bytesWritten += count ?? 0;
        if (this.#at !== undefined) this.#at += count;
      }
      callback(error);
    });
  }

  _destroy(error, callback) { close(this, this.#options, error, callback); }

  close(callback) {
    if (callback) this.once('close', callback);
    this.end();
  }

  get pending() { return this.fd === null; }
}

module.exports = {
  ReadStream,
  WriteStream,
  createReadStream: (file, options) => new ReadStream(file, options),
  createWriteStream: (file, options) => new WriteStream(file, options),
};
