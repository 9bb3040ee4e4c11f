// fs on folders: list, make, remove, copy.

const { systemError, withCode } = require('internal/errors');
const { onPath, run, textPath, optionsOf, nameIn } = require('internal/fs/common');
const { Dirent } = require('internal/fs/stats');
const { kind } = require('internal/files');
const files = require('internal/fs/files');
const path = require('path');

const NAME_LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const RANDOM_LETTERS = 6; // of a temporary folder's name, as mkdtemp has them

// [name, kind] of a folder's entries, in the order of their names.
function entriesOf(whole) {
  const list = native.readFolder(whole);
  const entries = [];
  for (let i = 0; i < list.length; i += 2) entries.push([list[i], list[i + 1]]);
  return entries.sort(([a], [b]) => (a < b ? -1 : 1));
}

function readdirSync(folder, options) {
  const { withFileTypes = false, recursive = false, encoding } = optionsOf(options);
  const result = [];
  const add = (parent, inside, [name, type]) => {
    if (withFileTypes) result.push(new Dirent(nameIn(name, encoding), parent, type));
    else result.push(nameIn(path.join(inside, name), encoding));
  };
  onPath('scandir', folder, (whole, text) => {
    const waiting = [['']];
    for (const [inside] of waiting) {
      const parent = inside ? path.join(text, inside) : text;
      for (const entry of entriesOf(path.join(whole, inside))) {
        add(parent, inside, entry);
        if (recursive && entry[1] === 'd') waiting.push([path.join(inside, entry[0])]);
      }
    }
  });
  return result;
}

function mkdirSync(folder, options) {
  const { recursive = false } = typeof options === 'object' && options !== null ? options : {};
  return onPath('mkdir', folder, (whole) => (recursive ? makeAll(whole) : native.makeFolder(whole)));
}

// Makes a folder and those above it; returns the first it made.
function makeAll(whole) {
  const missing = [];
  let at = whole;
  for (; kind(at) === undefined && at !== '/'; at = path.dirname(at)) missing.push(at);
  if (kind(at) !== undefined && kind(at) !== 'd') throw at === whole ? 'EEXIST' : 'ENOTDIR';
  for (const each of missing.reverse()) native.makeFolder(each);
  return missing[0];
}

function rmdirSync(folder, options) {
  if (options?.recursive) rmSync(folder, { recursive: true, force: false });
  else onPath('rmdir', folder, native.removeFolder);
}

function removeAll(whole, type) {
  if (type !== 'd') {
    native.remove(whole);
    return;
  }
  for (const [name, inner] of entriesOf(whole)) removeAll(path.join(whole, name), inner);
  native.removeFolder(whole);
}

function rmSync(file, { recursive = false, force = false } = {}) {
  const text = textPath(file);
  const whole = path.resolve(text);
  let type;
  try {
    [type] = native.stat(whole, false);
  } catch (name) {
    if (force && (name === 'ENOENT' || name === 'ENOTDIR')) return;
    throw systemError(name, 'lstat', text);
  }
  if (type === 'd' && !recursive) {
    const error = withCode(Error, 'ERR_FS_EISDIR', `Path is a directory: rm returned EISDIR (is a directory) ${text}`);
    error.name = 'SystemError';
    Object.assign(error, { errno: 21, syscall: 'rm', path: text });
    throw error;
  }
  run('rm', [text], () => removeAll(whole, type));
}

function mkdtempSync(prefix, options) {
  const text = textPath(prefix, 'prefix');
  const random = new Uint8Array(native.randomBytes(RANDOM_LETTERS));
  const name = text + Array.from(random, (byte) => NAME_LETTERS[byte % NAME_LETTERS.length]).join('');
  run('mkdtemp', [`${text}XXXXXX`], () => native.makeFolder(path.resolve(name)));
  return nameIn(name, optionsOf(options).encoding);
}

function cpSync(from, to, options = {}) {
  const { recursive = false, force = true, errorOnExist = false, filter, dereference = false } = options;
  const source = textPath(from, 'src');
  const target = textPath(to, 'dest');
  if (filter && !filter(source, target)) return;
  const type = (dereference ? files.statSync : files.lstatSync)(source);
  if (type.isDirectory()) {
    if (!recursive) {
      throw withCode(Error, 'ERR_FS_EISDIR', `Recursive option not enabled, cannot copy a directory: ${source}`);
    }
    if (`${path.resolve(target)}/`.startsWith(`${path.resolve(source)}/`)) {
      throw withCode(Error, 'ERR_FS_CP_EINVAL', `Cannot copy ${source} to a subdirectory of self ${target}`);
    }
    mkdirSync(target, { recursive: true });
    for (const name of readdirSync(source)) cpSync(path.join(source, name), path.join(target, name), options);
    return;
  }
  mkdirSync(path.dirname(target), { recursive: true });
  if (files.lstatSync(target, { throwIfNoEntry: false })) {
    if (!force && errorOnExist) throw withCode(Error, 'ERR_FS_CP_EEXIST', `Target already exists: ${target}`);
    if (!force) return;
    files.unlinkSync(target);
  }
  if (type.isSymbolicLink()) files.symlinkSync(files.readlinkSync(source), target);
  else files.copyFileSync(source, target);
}

// A folder being read.
class Dir {
  #entries;
  #closed = false;

  constructor(folder, options) {
    this.path = textPath(folder);
    try {
      this.#entries = readdirSync(folder, { ...options, withFileTypes: true });
    } catch (error) {
      throw systemError(error.code, 'opendir', this.path);
    }
  }

  #open() {
    if (this.#closed) throw withCode(Error, 'ERR_DIR_CLOSED', 'Directory handle was closed');
  }

  readSync() {
    this.#open();
    return this.#entries.shift() ?? null;
  }

  closeSync() {
    this.#open();
    this.#closed = true;
  }

  read(callback) {
    const entry = this.readSync();
    if (callback === undefined) return Promise.resolve(entry);
    process.nextTick(callback, null, entry);
    return undefined;
  }

  close(callback) {
    this.closeSync();
    if (callback === undefined) return Promise.resolve();
    process.nextTick(callback, null);
    return undefined;
  }

  async* entries() {
    for (let entry = this.readSync(); entry !== null; entry = this.readSync()) yield entry;
    this.closeSync();
  }

  [Symbol.asyncIterator]() { return this.entries(); }
}

// Files that match a glob, relative to `cwd`.
function globSync(patterns, { cwd = process.cwd(), withFileTypes = false, exclude } = {}) {
  const { toRegExp } = require('internal/glob');
  const wanted = [].concat(patterns).map((pattern) => toRegExp(path.normalize(pattern)));
  const entries = readdirSync(cwd, { recursive: true, withFileTypes: true });
  const relative = (entry) => path.relative(cwd, path.resolve(entry.parentPath, entry.name));
  const found = entries.filter((entry) => wanted.some((pattern) => pattern.test(relative(entry)))
    && !exclude?.(withFileTypes ? entry : relative(entry)));
  return withFileTypes ? found : found.map(relative);
}

module.exports = { readdirSync, mkdirSync, rmdirSync, rmSync, mkdtempSync, cpSync, opendirSync: (folder, options) => new Dir(folder, options), globSync, Dir };
