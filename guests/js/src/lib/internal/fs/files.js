// fs on files: open, read, write, and what there is to know of them.

const { systemError, invalidArgType } = require('internal/errors');
const common = require('internal/fs/common');
const { stats } = require('internal/fs/stats');
const { realpath } = require('internal/realpath');
const { Buffer } = require('buffer');
const path = require('path');

const { constants, DEVICES, onPath, onTwoPaths, onFile, optionsOf, letters, checkRange, nameIn } = common;
const STANDARD = 2; // the last of the standard streams, which are never closed

function openSync(file, flags = 'r', mode = 0o666) {
  const asked = letters(flags);
  return onPath('open', file, (whole) => {
    if (whole in DEVICES) return DEVICES[whole];
    const fd = native.open(whole, asked);
    if (asked.includes('w') && native.statOpen(fd)[0] === 'd') {
      native.close(fd);
      throw 'EISDIR';
    }
    return fd;
  });
}

function closeSync(fd) {
  onFile('close', fd, () => { if (fd > STANDARD) native.close(fd); });
}

// Offset, length and position of a read or write, which come as options too.
function span(buffer, offset, length, position) {
  if (!ArrayBuffer.isView(buffer)) throw invalidArgType('buffer', ['Buffer', 'TypedArray', 'DataView'], buffer);
  if (offset !== null && typeof offset === 'object') ({ offset = 0, length, position = null } = offset);
  offset ??= 0;
  length ??= buffer.byteLength - offset;
  checkRange('offset', offset, 0, buffer.byteLength);
  checkRange('length', length, 0, buffer.byteLength - offset);
  const at = typeof position === 'number' || typeof position === 'bigint' ? Number(position) : -1;
  return { bytes: new Uint8Array(buffer.buffer, buffer.byteOffset + offset, length), at };
}

function readSync(fd, buffer, offset, length, position) {
  common.checkFd(fd);
  const { bytes, at } = span(buffer, offset, length, position);
  return bytes.length === 0 ? 0 : onFile('read', fd, () => native.read(fd, bytes, at));
}

function writeSync(fd, data, offset, length, position) {
  common.checkFd(fd);
  if (typeof data === 'string') {
    const bytes = Buffer.from(data, typeof length === 'string' ? length : 'utf8');
    return onFile('write', fd, () => native.write(fd, bytes, typeof offset === 'number' ? offset : -1));
  }
  const { bytes, at } = span(data, offset, length, position);
  return onFile('write', fd, () => native.write(fd, bytes, at));
}

const vector = (one) => (fd, buffers, position) => {
  let total = 0;
  for (const buffer of buffers) {
    const count = one(fd, buffer, 0, buffer.byteLength, typeof position === 'number' ? position + total : null);
    total += count;
    if (count < buffer.byteLength) break;
  }
  return total;
};

function readFileSync(file, options) {
  const { encoding, flag = 'r' } = optionsOf(options);
  let content;
  if (typeof file === 'number') {
    content = onFile('read', file, () => native.readToEnd(file));
  } else {
    content = onPath('open', file, (whole) => {
      if (whole in DEVICES) return native.readToEnd(DEVICES[whole]);
      if (whole === '/dev/null') return new ArrayBuffer(0);
      if (letters(flag) !== 'r') native.close(native.open(whole, letters(flag)));
      try {
        return native.readFile(whole);
      } catch (name) {
        if (require('internal/files').kind(whole) === 'd') throw systemError('EISDIR', 'read');
        throw name;
      }
    });
  }
  if (encoding === 'utf8' || encoding === 'utf-8') return native.decode(new Uint8Array(content), 'utf8');
  return common.inEncoding(Buffer.from(content), encoding);
}

function writeFileSync(file, data, options) {
  const { encoding, flag = 'w' } = optionsOf(options);
  const bytes = common.bytesOf(data, encoding);
  if (typeof file === 'number') {
    onFile('write', file, () => native.write(file, bytes, -1));
    return;
  }
  onPath('open', file, (whole) => {
    if (whole in DEVICES) native.write(DEVICES[whole], bytes, -1);
    else if (whole !== '/dev/null') native.writeFile(whole, letters(flag), bytes);
  });
}

const appendFileSync = (file, data, options) => writeFileSync(file, data, { flag: 'a', ...optionsOf(options) });

function truncateSync(file, length = 0) {
  const fd = openSync(file, 'r+');
  try {
    ftruncateSync(fd, length);
  } finally {
    closeSync(fd);
  }
}

const ftruncateSync = (fd, length = 0) => onFile('ftruncate', fd, () => native.resize(fd, Math.max(0, length ?? 0)));

const statOf = (call, follow) => (file, { bigint = false, throwIfNoEntry = true } = {}) => {
  try {
    return stats(onPath(call, file, (whole) => native.stat(whole, follow)), bigint);
  } catch (error) {
    if (!throwIfNoEntry && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return undefined;
    throw error;
  }
};

function existsSync(file) {
  try {
    return onPath('access', file, (whole) => whole in DEVICES || native.stat(whole, true) !== undefined);
  } catch {
    return false;
  }
}

function accessSync(file, mode = constants.F_OK) {
  onPath('access', file, (whole) => {
    if (whole in DEVICES) return;
    const [kind] = native.stat(whole, true);
    if (mode & constants.X_OK && kind !== 'd') throw 'EACCES';
  });
}

// Milliseconds of a time in seconds, or of a Date.
function millis(time, name) {
  const seconds = Number(time);
  if (time instanceof Date) return time.getTime();
  if (Number.isNaN(seconds)) throw invalidArgType(name, ['Date', 'Time in seconds'], time);
  return seconds * 1000;
}

const utimesOf = (call, follow) => (file, atime, mtime) => {
  const times = [millis(atime, 'atime'), millis(mtime, 'mtime')];
  onPath(call, file, (whole) => native.setTimes(whole, ...times, follow));
};

function copyFileSync(from, to, mode = 0) {
  onTwoPaths('copyfile', from, to, (source, target) => {
    if (native.stat(source, true)[0] === 'd') throw 'EISDIR';
    native.writeFile(target, mode & constants.COPYFILE_EXCL ? 'wctx' : 'wct', new Uint8Array(native.readFile(source)));
  }, ['src', 'dest']);
}

// There are no permissions or owners to change, but a file must be there.
const nothing = (call, follow = true) => (file) => { onPath(call, file, (whole) => native.stat(whole, follow)); };
const nothingOpen = (call) => (fd) => { onFile(call, fd, () => native.statOpen(fd)); };

const realpathSync = (file, options) => {
  const text = common.textPath(file);
  return nameIn(realpath(path.resolve(text), text), optionsOf(options).encoding);
};
realpathSync.native = realpathSync;

module.exports = {
  accessSync,
  appendFileSync,
  chmodSync: nothing('chmod'),
  chownSync: nothing('chown'),
  closeSync,
  copyFileSync,
  existsSync,
  fchmodSync: nothingOpen('fchmod'),
  fchownSync: nothingOpen('fchown'),
  fdatasyncSync: (fd) => onFile('fdatasync', fd, native.sync),
  fstatSync: (fd, options) => stats(onFile('fstat', fd, native.statOpen), options?.bigint),
  fsyncSync: (fd) => onFile('fsync', fd, native.sync),
  ftruncateSync,
  lchownSync: nothing('lchown', false),
  linkSync: (from, to) => onTwoPaths('link', from, to, native.link, ['existingPath', 'newPath']),
  lstatSync: statOf('lstat', false),
  lutimesSync: utimesOf('lutime', false),
  openSync,
  readFileSync,
  readSync,
  readlinkSync: (file, options) => nameIn(onPath('readlink', file, native.readLink), optionsOf(options).encoding),
  readvSync: vector(readSync),
  realpathSync,
  renameSync: (from, to) => onTwoPaths('rename', from, to, native.rename),
  statSync: statOf('stat', true),
  symlinkSync(target, file) {
    const link = common.textPath(target, 'target');
    onTwoPaths('symlink', link, file, (_, whole) => native.makeLink(link, whole), ['target', 'path']);
  },
  truncateSync,
  unlinkSync: (file) => onPath('unlink', file, native.remove),
  utimesSync: utimesOf('utime', true),
  writeFileSync,
  writeSync,
  writevSync: vector(writeSync),
};
