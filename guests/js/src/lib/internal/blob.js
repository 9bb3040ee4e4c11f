// Blob and File.

const { inspect } = require('internal/inspect');

const TYPE = /^[\x20-\x7e]*$/;

class Blob {
  #bytes;
  #type;

  constructor(parts = [], { type = '', endings = 'transparent' } = {}) {
    const bytes = Array.from(parts, (part) => {
      if (part instanceof Blob) return part.#bytes;
      if (ArrayBuffer.isView(part)) return new Uint8Array(part.buffer, part.byteOffset, part.byteLength);
      if (part instanceof ArrayBuffer) return new Uint8Array(part);
      return Buffer.from(endings === 'native' ? String(part).replace(/\r\n?/g, '\n') : String(part));
    });
    this.#bytes = Buffer.concat(bytes);
    this.#type = TYPE.test(type) ? `${type}`.toLowerCase() : '';
  }

  get size() { return this.#bytes.length; }

  get type() { return this.#type; }

  slice(start, end, type = '') { return new Blob([this.#bytes.subarray(start, end)], { type }); }

  async arrayBuffer() { return Uint8Array.from(this.#bytes).buffer; }

  async bytes() { return Uint8Array.from(this.#bytes); }

  async text() { return this.#bytes.toString(); }

  [inspect.custom](depth, options) { return `${this.constructor.name} ${inspect({ size: this.size, type: this.type }, options)}`; }
}

class File extends Blob {
  #name;
  #lastModified;

  constructor(parts, name, options = {}) {
    super(parts, options);
    this.#name = `${name}`;
    this.#lastModified = options.lastModified ?? Date.now();
  }

  get name() { return this.#name; }

  get lastModified() { return this.#lastModified; }
}

for (const Class of [Blob, File]) Object.defineProperty(Class.prototype, Symbol.toStringTag, { value: Class.name, configurable: true });

module.exports = { Blob, File };
