// The path module, for POSIX paths.

const { validateString, validateObject } = require('internal/validators');
const { notAvailable } = require('internal/errors');

// Resolves `.` and `..`. Above the root there is nothing; a relative path
// keeps its leading `..`.
function normalizeSegments(path, absolute) {
  const parts = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') parts.push(part);
    else if (parts.length && parts.at(-1) !== '..') parts.pop();
    else if (!absolute) parts.push('..');
  }
  return parts.join('/');
}

function normalize(path) {
  validateString(path, 'path');
  if (path === '') return '.';
  const absolute = path.startsWith('/');
  let normal = normalizeSegments(path, absolute);
  if (normal === '') {
    if (absolute) return '/';
    return path.endsWith('/') ? './' : '.';
  }
  if (path.endsWith('/')) normal += '/';
  return absolute ? `/${normal}` : normal;
}

function resolve(...paths) {
  let resolved = '';
  for (let i = paths.length - 1; i >= -1 && !resolved.startsWith('/'); i--) {
    const path = i >= 0 ? paths[i] : process.cwd();
    validateString(path, `paths[${i}]`);
    if (path !== '') resolved = `${path}/${resolved}`;
  }
  return `/${normalizeSegments(resolved, true)}`;
}

function join(...paths) {
  for (const path of paths) validateString(path, 'path');
  return normalize(paths.filter((path) => path !== '').join('/'));
}

function relative(from, to) {
  validateString(from, 'from');
  validateString(to, 'to');
  const fromParts = resolve(from).split('/').filter(Boolean);
  const toParts = resolve(to).split('/').filter(Boolean);
  let common = 0;
  while (common < fromParts.length && common < toParts.length && fromParts[common] === toParts[common]) common++;
  return [...fromParts.slice(common).map(() => '..'), ...toParts.slice(common)].join('/');
}

const withoutSlashes = (path) => (path.length > 1 ? path.replace(/(?!^)\/+$/, '') : path);

function dirname(path) {
  validateString(path, 'path');
  if (path === '') return '.';
  const trimmed = withoutSlashes(path);
  const slash = trimmed.lastIndexOf('/');
  if (slash === -1) return '.';
  if (slash === 0) return '/';
  return trimmed.slice(0, slash) === '/' ? '//' : trimmed.slice(0, slash);
}

function basename(path, suffix) {
  validateString(path, 'path');
  if (suffix !== undefined) validateString(suffix, 'suffix');
  const trimmed = path.replace(/\/+$/, '');
  const base = trimmed.slice(trimmed.lastIndexOf('/') + 1);
  return suffix && base !== suffix && base.endsWith(suffix) ? base.slice(0, -suffix.length) : base;
}

function extname(path) {
  validateString(path, 'path');
  const base = basename(path);
  const dot = base.lastIndexOf('.');
  return dot <= 0 || base === '..' ? '' : base.slice(dot);
}

function format(object) {
  validateObject(object, 'pathObject');
  const dir = object.dir || object.root;
  const ext = object.ext ? `${object.ext[0] === '.' ? '' : '.'}${object.ext}` : '';
  const base = object.base || `${object.name || ''}${ext}`;
  if (!dir) return base;
  return dir === object.root ? `${dir}${base}` : `${dir}/${base}`;
}

function parse(path) {
  validateString(path, 'path');
  const root = path.startsWith('/') ? '/' : '';
  const base = basename(path);
  const ext = extname(path);
  let dir = dirname(path);
  if (dir === '.' && !/^\.\//.test(withoutSlashes(path))) dir = '';
  if (base === '') dir = root;
  return { root, dir, base, ext, name: ext ? base.slice(0, -ext.length) : base };
}

// A glob as `path.matchesGlob` and `fs.glob` know it.
const matchesGlob = (path, pattern) => require('internal/glob').toRegExp(pattern).test(path);

const posix = {
  resolve, normalize, isAbsolute(path) { validateString(path, 'path'); return path.startsWith('/'); },
  join, relative, toNamespacedPath: (path) => path, dirname, basename, extname, format, parse, matchesGlob,
  sep: '/', delimiter: ':',
};
posix.posix = posix;
Object.defineProperty(posix, 'win32', {
  get() { throw notAvailable('path.win32', 'it has no Windows paths'); },
});

module.exports = posix;
