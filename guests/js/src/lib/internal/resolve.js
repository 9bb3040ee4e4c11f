// Where a specifier leads: Node's rules for files, folders and packages.

const { kind, read, toPath, toUrl } = require('internal/files');
const { withCode } = require('internal/errors');
const path = require('path');

const manifests = new Map(); // package.json by folder; undefined for none

// The package.json of a folder.
function manifest(folder) {
  if (manifests.has(folder)) return manifests.get(folder);
  const file = path.join(folder, 'package.json');
  let found;
  if (kind(file) === '-') {
    try {
      found = { folder, ...JSON.parse(read(file)) };
    } catch (error) {
      throw withCode(Error, 'ERR_INVALID_PACKAGE_CONFIG', `Invalid package config ${file}. ${error.message}`);
    }
  }
  manifests.set(folder, found);
  return found;
}

// The package.json nearest to a file, from its folder upwards.
function nearestManifest(file) {
  for (let folder = path.dirname(file); ; folder = path.dirname(folder)) {
    if (path.basename(folder) === 'node_modules') return undefined;
    const found = manifest(folder);
    if (found || folder === '/') return found;
  }
}

// What a condition map, array or string of "exports" leads to.
function target(value, conditions, wildcard, folder, isImport) {
  if (typeof value === 'string') {
    const filled = wildcard === undefined ? value : value.replaceAll('*', wildcard);
    if (filled.startsWith('./')) return path.join(folder, filled);
    return isImport ? { bare: filled } : undefined;
  }
  if (Array.isArray(value)) {
    for (const item of value) {
      const found = target(item, conditions, wildcard, folder, isImport);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  if (value === null || typeof value !== 'object') return undefined;
  for (const [condition, item] of Object.entries(value)) {
    if (condition !== 'default' && !conditions.includes(condition)) continue;
    const found = target(item, conditions, wildcard, folder, isImport);
    if (found !== undefined) return found;
  }
  return undefined;
}

// The entry of "exports" or "imports" for a subpath, exact or with one star.
function mapped(map, subpath, conditions, folder, isImport) {
  if (Object.hasOwn(map, subpath) && !subpath.includes('*')) {
    return target(map[subpath], conditions, undefined, folder, isImport);
  }
  const patterns = Object.keys(map).filter((key) => key.includes('*'))
    .sort((a, b) => b.indexOf('*') - a.indexOf('*') || b.length - a.length);
  for (const pattern of patterns) {
    const [head, tail] = pattern.split('*');
    if (subpath.startsWith(head) && subpath.endsWith(tail) && subpath.length >= pattern.length) {
      return target(map[pattern], conditions, subpath.slice(head.length, subpath.length - tail.length), folder, isImport);
    }
  }
  return undefined;
}

function packageExport(found, subpath, conditions, base) {
  let { exports } = found;
  const file = path.join(found.folder, 'package.json');
  if (typeof exports === 'string' || Array.isArray(exports) || !Object.keys(exports)[0]?.startsWith('.')) exports = { '.': exports };
  const result = mapped(exports, subpath, conditions, found.folder, false);
  if (result !== undefined) return result;
  const what = subpath === '.' ? `No "exports" main defined in ${file}` : `Package subpath '${subpath}' is not defined by "exports" in ${file}`;
  throw withCode(Error, 'ERR_PACKAGE_PATH_NOT_EXPORTED', what + (base && conditions.includes('import') ? ` imported from ${base}` : ''));
}

const EXTENSIONS = ['.js', '.json', '.node'];

const asFile = (file) => [file, ...EXTENSIONS.map((extension) => file + extension)].find((name) => kind(name) === '-');

// A path as `require` completes it: extensions, "main", index.
function asFileOrFolder(file) {
  const found = file.endsWith('/') ? undefined : asFile(file);
  if (found !== undefined || kind(file) !== 'd') return found;
  const main = manifest(path.resolve(file))?.main;
  const index = (folder) => asFile(path.join(folder, 'index'));
  if (typeof main === 'string') {
    const target = path.resolve(file, main);
    const result = asFile(target) ?? index(target);
    if (result !== undefined) return result;
  }
  return index(file);
}

// Every node_modules folder above `folder`.
function moduleFolders(folder) {
  const folders = [];
  for (let at = path.resolve(folder); ; at = path.dirname(at)) {
    if (path.basename(at) !== 'node_modules') folders.push(path.join(at, 'node_modules'));
    if (at === '/') return folders;
  }
}

function splitPackage(specifier) {
  const parts = specifier.split('/');
  const name = parts.splice(0, specifier.startsWith('@') ? 2 : 1).join('/');
  return { name, subpath: ['.', ...parts].join('/') };
}

// A bare specifier by the rules that "exports" has changed: this package's own
// name, then a package that has "exports". `legacy` finds it in a package
// without.
function asPackage(specifier, folder, conditions, base, legacy, folders = moduleFolders(folder)) {
  const { name, subpath } = splitPackage(specifier);
  const own = nearestManifest(path.join(folder, 'x'));
  if (own?.name === name && own.exports != null) return packageExport(own, subpath, conditions, base);
  for (const place of folders) {
    const root = path.join(place, name);
    if (kind(root) === 'd') {
      const found = manifest(root);
      if (found?.exports != null) return packageExport(found, subpath, conditions, base);
    }
    const file = legacy(root, path.join(place, specifier), subpath);
    if (file !== undefined) return file;
  }
  return undefined;
}

// A specifier that starts with `#`: the package's own "imports".
function asImport(specifier, folder, conditions, again) {
  const own = nearestManifest(path.join(folder, 'x'));
  const found = own?.imports && mapped(own.imports, specifier, conditions, own.folder, true);
  if (found === undefined) {
    throw withCode(TypeError, 'ERR_PACKAGE_IMPORT_NOT_DEFINED', `Package import specifier "${specifier}" is not defined${own ? ` in package ${path.join(own.folder, 'package.json')}` : ''}`);
  }
  return typeof found === 'string' ? found : again(found.bare, own.folder);
}

// A file by its real name, without symbolic links.
function real(file) {
  try {
    return require('internal/realpath').realpath(file);
  } catch {
    return file;
  }
}

const REQUIRE = ['node', 'require', 'module-sync', 'node-addons'];
const IMPORT = ['node', 'import', 'module-sync', 'node-addons'];

// The file that `require(specifier)` in `folder` means; undefined when there is none.
function forRequire(specifier, folder, folders) {
  let found;
  if (specifier.startsWith('#')) found = asImport(specifier, folder, REQUIRE, forRequire);
  else if (/^(\.{0,2}\/|\.{1,2}$)/.test(specifier)) found = asFileOrFolder(specifier.startsWith('/') ? specifier : slashed(folder, specifier));
  else found = asPackage(specifier, folder, REQUIRE, undefined, (_, whole) => asFileOrFolder(whole), folders);
  return found && real(found);
}

// `path.resolve`, but a slash or dots at the end still mean a folder.
const slashed = (folder, specifier) => path.resolve(folder, specifier) + (/(^|\/)\.{0,2}$/.test(specifier) ? '/' : '');

// The module that `import specifier` means in the module called `base`.
function forImport(specifier, base) {
  const from = toPath(base);
  const folder = path.dirname(from);
  let url = '';
  let file;
  if (/^\.{0,2}\//.test(specifier) || specifier.startsWith('file:')) {
    const [, bare, query] = /^(.*?)([?#].*)?$/s.exec(specifier);
    url = query ?? '';
    file = bare.startsWith('file:') ? toPath(bare) : path.resolve(folder, decodeURIComponent(bare));
    if (bare.endsWith('/')) file += '/';
  } else if (specifier.startsWith('#')) {
    file = asImport(specifier, folder, IMPORT, (name, own) => importPackage(name, own, from));
  } else {
    file = importPackage(specifier, folder, from);
  }
  if (!file.startsWith('/')) return file; // a built-in, by an entry of "imports"
  const type = kind(file);
  if (type === 'd' || file.endsWith('/')) {
    throw withUrl(withCode(Error, 'ERR_UNSUPPORTED_DIR_IMPORT', `Directory import '${file}' is not supported resolving ES modules imported from ${from}`), file);
  }
  if (type === undefined) {
    throw withUrl(withCode(Error, 'ERR_MODULE_NOT_FOUND', `Cannot find module '${file}' imported from ${from}`), file);
  }
  return toUrl(real(file)) + url;
}

const withUrl = (error, file) => Object.assign(error, { url: toUrl(file) });

function importPackage(specifier, folder, from) {
  const { bareName } = require('internal/builtins');
  if (bareName(specifier) !== undefined) return `node:${bareName(specifier)}`;
  const { name } = splitPackage(specifier);
  if (!/^(?:@[^/]+\/)?[^./%\\][^%\\]*$/.test(specifier)) {
    throw withCode(TypeError, 'ERR_INVALID_MODULE_SPECIFIER', `Invalid module "${specifier}" is not a valid package name imported from ${from}`);
  }
  const found = asPackage(specifier, folder, IMPORT, from, (root, whole, subpath) => {
    if (kind(root) !== 'd') return undefined;
    return subpath === '.' ? asFileOrFolder(root) : whole;
  });
  if (found === undefined) throw withCode(Error, 'ERR_MODULE_NOT_FOUND', `Cannot find package '${name}' imported from ${from}`);
  return found;
}

module.exports = { nearestManifest, moduleFolders, forRequire, forImport };
