// FileHandle: an open file with promises.

const { withPromise } = require('internal/fs/async');
const files = require('internal/fs/files');
const EventEmitter = require('events');

const call = (name) => withPromise(files[name]);

class FileHandle extends EventEmitter {
  #fd;

  constructor(fd) {
    super();
    this.#fd = fd;
  }

  get fd() { return this.#fd; }

  async close() {
    if (this.#fd === -1) return;
    const fd = this.#fd;
    this.#fd = -1;
    await call('closeSync')(fd);
    this.emit('close');
  }

  async read(buffer, offset, length, position) {
    if (buffer === undefined || (buffer !== null && typeof buffer === 'object' && !ArrayBuffer.isView(buffer))) {
      const options = buffer ?? {};
      buffer = options.buffer ?? Buffer.alloc(16384);
      ({ offset = 0, length = buffer.byteLength - offset, position = null } = options);
    }
    return { bytesRead: await call('readSync')(this.#fd, buffer, offset, length, position), buffer };
  }

  async write(data, ...rest) { return { bytesWritten: await call('writeSync')(this.#fd, data, ...rest), buffer: data }; }

  async readv(buffers, position) { return { bytesRead: await call('readvSync')(this.#fd, buffers, position), buffers }; }

  async writev(buffers, position) { return { bytesWritten: await call('writevSync')(this.#fd, buffers, position), buffers }; }

  readFile(options) { return call('readFileSync')(this.#fd, options); }

  writeFile(data, options) { return call('writeFileSync')(this.#fd, data, options); }

  appendFile(data, options) { return this.writeFile(data, options); }

  stat(options) { return call('fstatSync')(this.#fd, options); }

  truncate(length) { return call('ftruncateSync')(this.#fd, length); }

  sync() { return call('fsyncSync')(this.#fd); }

  datasync() { return call('fdatasyncSync')(this.#fd); }

  chmod() { return call('fchmodSync')(this.#fd); }

  chown() { return call('fchownSync')(this.#fd); }

  createReadStream(options) { return require('fs').createReadStream('', { ...options, fd: this.#fd }); }

  createWriteStream(options) { return require('fs').createWriteStream('', { ...options, fd: this.#fd }); }

  readLines(options) { return require('readline').createInterface({ input: this.createReadStream(options), crlfDelay: Infinity }); }

  [Symbol.asyncDispose]() { return this.close(); }
}

const openHandle = async (file, flags, mode) => new FileHandle(await call('openSync')(file, flags, mode));

module.exports = { FileHandle, openHandle };
