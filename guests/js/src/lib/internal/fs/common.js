// What every part of fs does first: paths, flags, data, errors.

const { systemError, invalidArgType, invalidArgValue, outOfRange } = require('internal/errors');
const { validateInteger } = require('internal/validators');
const types = require('internal/types');
const { Buffer } = require('buffer');
const path = require('path');

// Linux's numbers, which programs may compute with.
const constants = {
  UV_FS_SYMLINK_DIR: 1, UV_FS_SYMLINK_JUNCTION: 2, O_RDONLY: 0, O_WRONLY: 1, O_RDWR: 2,
  UV_DIRENT_UNKNOWN: 0, UV_DIRENT_FILE: 1, UV_DIRENT_DIR: 2, UV_DIRENT_LINK: 3, UV_DIRENT_FIFO: 4,
  UV_DIRENT_SOCKET: 5, UV_DIRENT_CHAR: 6, UV_DIRENT_BLOCK: 7, EXTENSIONLESS_FORMAT_JAVASCRIPT: 0, EXTENSIONLESS_FORMAT_WASM: 1,
  S_IFMT: 0o170000, S_IFREG: 0o100000, S_IFDIR: 0o040000, S_IFCHR: 0o020000, S_IFBLK: 0o060000, S_IFIFO: 0o010000,
  S_IFLNK: 0o120000, S_IFSOCK: 0o140000, O_CREAT: 0o100, O_EXCL: 0o200, UV_FS_O_FILEMAP: 0, O_NOCTTY: 0o400, O_TRUNC: 0o1000,
  O_APPEND: 0o2000, O_DIRECTORY: 0o200000, O_NOATIME: 0o1000000, O_NOFOLLOW: 0o400000, O_SYNC: 0o4010000,
  O_DSYNC: 0o10000, O_DIRECT: 0o40000, O_NONBLOCK: 0o4000,
  S_IRWXU: 0o700, S_IRUSR: 0o400, S_IWUSR: 0o200, S_IXUSR: 0o100, S_IRWXG: 0o70, S_IRGRP: 0o40, S_IWGRP: 0o20, S_IXGRP: 0o10,
  S_IRWXO: 7, S_IROTH: 4, S_IWOTH: 2, S_IXOTH: 1, F_OK: 0, R_OK: 4, W_OK: 2, X_OK: 1,
  UV_FS_COPYFILE_EXCL: 1, COPYFILE_EXCL: 1, UV_FS_COPYFILE_FICLONE: 2, COPYFILE_FICLONE: 2,
  UV_FS_COPYFILE_FICLONE_FORCE: 4, COPYFILE_FICLONE_FORCE: 4,
};

// Files that are no files of a preopened folder.
const DEVICES = {
  '/dev/stdin': 0, '/dev/stdout': 1, '/dev/stderr': 2, '/dev/fd/0': 0, '/dev/fd/1': 1, '/dev/fd/2': 2,
  '/proc/self/fd/0': 0, '/proc/self/fd/1': 1, '/proc/self/fd/2': 2,
};

// A path as the program gave it, as text.
function textPath(value, name = 'path') {
  if (Buffer.isBuffer(value) || types.isUint8Array(value)) value = Buffer.from(value).toString();
  else if (typeof value === 'object' && value !== null && value.href && value.protocol) value = require('url').fileURLToPath(value);
  else if (typeof value !== 'string') throw invalidArgType(name, ['string', 'Buffer', 'URL'], value);
  if (value.includes('\0')) throw invalidArgValue(name, value, 'must be a string, Uint8Array, or URL without null bytes');
  return value;
}

// Calls `native` functions for `call`, and makes Node's error of a refusal.
// `shown` are the paths the error names.
function run(call, shown, action) {
  try {
    return action();
  } catch (name) {
    if (typeof name !== 'string') throw name;
    throw systemError(name, call, ...shown);
  }
}

// Runs `action` with the whole path of `value`.
function onPath(call, value, action, name = 'path') {
  const text = textPath(value, name);
  if (text === '') throw systemError('ENOENT', call, text);
  return run(call, [text], () => action(path.resolve(text), text));
}

function onTwoPaths(call, from, to, action, names = ['oldPath', 'newPath']) {
  const source = textPath(from, names[0]);
  const target = textPath(to, names[1]);
  return run(call, [source, target], () => action(path.resolve(source), path.resolve(target)));
}

function onFile(call, fd, action) {
  checkFd(fd);
  return run(call, [], () => action(fd));
}

function checkFd(fd) {
  if (typeof fd !== 'number') throw invalidArgType('fd', 'number', fd);
  validateInteger(fd, 'fd', 0, 2 ** 31 - 1);
}

const FLAGS = {
  r: 'r', rs: 'r', sr: 'r', 'r+': 'rw', 'rs+': 'rw', 'sr+': 'rw',
  w: 'wct', wx: 'wctx', xw: 'wctx', 'w+': 'rwct', 'wx+': 'rwctx', 'xw+': 'rwctx',
  a: 'wca', ax: 'wcax', xa: 'wcax', as: 'wca', sa: 'wca', 'a+': 'rwca', 'ax+': 'rwcax', 'xa+': 'rwcax', 'as+': 'rwca', 'sa+': 'rwca',
};

// Flags of `open`, Node's text or Linux's number, as the letters `native.open` takes.
function letters(flags = 'r') {
  if (typeof flags === 'number') {
    const { O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_DIRECTORY, O_NOFOLLOW } = constants;
    const access = ['r', 'w', 'rw'][flags & 3] ?? 'r';
    return access + [[O_CREAT, 'c'], [O_EXCL, 'x'], [O_TRUNC, 't'], [O_APPEND, 'a'], [O_DIRECTORY, 'd'], [O_NOFOLLOW, 'n']]
      .filter(([bit]) => flags & bit).map(([, letter]) => letter).join('');
  }
  const found = FLAGS[flags];
  if (found === undefined) throw invalidArgValue('flags', flags);
  return found;
}

// Options that may be just an encoding.
function optionsOf(options, defaults = {}) {
  if (options === null || options === undefined || typeof options === 'function') return defaults;
  if (typeof options === 'string') options = { encoding: options };
  else if (typeof options !== 'object') throw invalidArgType('options', ['string', 'Object'], options);
  const { encoding } = options;
  if (encoding !== undefined && encoding !== null && encoding !== 'buffer' && !Buffer.isEncoding(encoding)) {
    throw invalidArgValue('encoding', encoding, 'is invalid encoding');
  }
  options.signal?.throwIfAborted();
  return { ...defaults, ...options };
}

// Bytes to write, of a text or a view.
function bytesOf(data, encoding = 'utf8') {
  if (typeof data === 'string') return Buffer.from(data, encoding ?? 'utf8');
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  throw invalidArgType('data', ['string', 'Buffer', 'TypedArray', 'DataView'], data);
}

// What is read, as the encoding wants it.
const inEncoding = (bytes, encoding) => (encoding && encoding !== 'buffer' ? bytes.toString(encoding) : bytes);

function checkRange(name, value, least, most) {
  if (!Number.isInteger(value) || value < least || value > most) throw outOfRange(name, `>= ${least} && <= ${most}`, value);
}

// A name in the encoding asked for.
const nameIn = (name, encoding) => (encoding === 'buffer' ? Buffer.from(name) : name);

module.exports = {
  constants, DEVICES, textPath, run, onPath, onTwoPaths, onFile, checkFd, letters, optionsOf, bytesOf, inEncoding, checkRange, nameIn,
};
