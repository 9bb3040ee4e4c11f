// Stats and Dirent: what a file is.

const { constants } = require('internal/fs/common');

const BLOCK_BYTES = 4096;
const SECTOR_BYTES = 512; // what `blocks` counts

// WASI has no permissions: a file can be read and written, a folder entered.
const MODES = {
  '-': constants.S_IFREG | 0o644, d: constants.S_IFDIR | 0o755, l: constants.S_IFLNK | 0o777,
  c: constants.S_IFCHR | 0o666, b: constants.S_IFBLK | 0o660, p: constants.S_IFIFO | 0o644, s: constants.S_IFSOCK | 0o777,
};

const KINDS = {
  isDirectory: 'd', isFile: '-', isBlockDevice: 'b', isCharacterDevice: 'c', isSymbolicLink: 'l', isFIFO: 'p', isSocket: 's',
};

class StatsBase {
  #kind;

  constructor(kind) { this.#kind = kind; }

  static {
    for (const [name, kind] of Object.entries(KINDS)) {
      Object.defineProperty(this.prototype, name, {
        value: { [name]() { return this.#kind === kind; } }[name], writable: true, configurable: true, enumerable: true,
      });
    }
  }
}

const numbersOf = (kind, dev, ino, nlink, size) => ({
  dev, mode: MODES[kind], nlink, uid: 1000, gid: 1000, rdev: 0, blksize: BLOCK_BYTES, ino, size, blocks: Math.ceil(size / SECTOR_BYTES),
});

class Stats extends StatsBase {
  constructor([kind, dev, ino, nlink, size, atime, mtime, ctime]) {
    super(kind);
    Object.assign(this, numbersOf(kind, dev, ino, nlink, size));
    const times = { atime, mtime, ctime, birthtime: ctime };
    for (const [name, time] of Object.entries(times)) this[`${name}Ms`] = time;
    for (const [name, time] of Object.entries(times)) this[name] = new Date(time);
  }
}

class BigIntStats extends StatsBase {
  constructor([kind, dev, ino, nlink, size, atime, mtime, ctime]) {
    super(kind);
    for (const [name, number] of Object.entries(numbersOf(kind, dev, ino, nlink, size))) this[name] = BigInt(number);
    const times = { atime, mtime, ctime, birthtime: ctime };
    for (const [name, time] of Object.entries(times)) this[`${name}Ms`] = BigInt(Math.trunc(time));
    for (const [name, time] of Object.entries(times)) this[`${name}Ns`] = BigInt(Math.round(time * 1e6));
    for (const [name, time] of Object.entries(times)) this[name] = new Date(time);
  }
}

const stats = (fields, bigint = false) => (bigint ? new BigIntStats(fields) : new Stats(fields));

const TYPES = { '-': constants.UV_DIRENT_FILE, d: constants.UV_DIRENT_DIR, l: constants.UV_DIRENT_LINK, c: constants.UV_DIRENT_CHAR };
const TYPE = Symbol('type');

class Dirent {
  constructor(name, parent, kind) {
    this.name = name;
    this.parentPath = parent;
    this.path = parent;
    this[TYPE] = TYPES[kind];
    Object.defineProperty(this, 'kind', { value: kind });
  }
}
for (const [name, kind] of Object.entries(KINDS)) {
  Object.defineProperty(Dirent.prototype, name, {
    value: { [name]() { return this.kind === kind; } }[name], writable: true, configurable: true, enumerable: true,
  });
}

module.exports = { Stats, BigIntStats, Dirent, stats };
