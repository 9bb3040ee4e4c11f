// ES modules: the hooks the engine calls to resolve and load an import.

const builtins = require('internal/builtins');
const { kind, read, toPath } = require('internal/files');
const { withCode } = require('internal/errors');
const { compileCommonJs, hasModuleSyntax, exportedNames, withoutHashbang } = require('internal/compile');
const fatal = require('internal/fatal');
const resolve = require('internal/resolve');
const path = require('path');

const sources = new Map(); // texts of modules that are no files, by name
const values = new Map(); // modules that are no text: { names, get }, by name

const DATA = /^data:(text\/javascript|application\/json)(?:;[^,]*?)?(;base64)?,(.*)$/s;

native.hooks.resolve = (specifier, base) => {
  if (sources.has(specifier) || specifier.startsWith('data:')) return specifier;
  const name = builtins.bareName(specifier);
  if (name !== undefined) return `node:${name}`;
  if (/^(https?|ws):/.test(specifier)) {
    throw withCode(Error, 'ERR_UNSUPPORTED_ESM_URL_SCHEME', `Only URLs with a scheme in: file, data, and node are supported by the default ESM loader. Received protocol '${specifier.split(':')[0]}:'`);
  }
  return resolve.forImport(specifier, base.startsWith('[') ? path.join(process.cwd(), base) : base);
};

native.hooks.load = (name, type) => {
  if (sources.has(name)) return sources.get(name);
  if (name.startsWith('node:')) return builtin(name);
  const data = DATA.exec(name);
  if (data) {
    const [, mime, base64, body] = data;
    const text = base64 ? native.decode(new Uint8Array(native.encode(body, 'base64')), 'utf8') : decodeURIComponent(body);
    return mime === 'text/javascript' ? text : json(name, text, type);
  }
  const file = toPath(name);
  switch (path.extname(file)) {
    case '.json': return json(name, read(file), type);
    case '.mjs': return withoutHashbang(read(file));
    case '.cjs': return commonJs(name, file);
    case '.js': case '': return either(name, file);
    case '.node': case '.wasm': case '.ts': case '.tsx': case '.jsx':
    default:
      throw withCode(TypeError, 'ERR_UNKNOWN_FILE_EXTENSION', `Unknown file extension "${path.extname(file)}" for ${file}`);
  }
};

native.hooks.names = (name) => values.get(name).names;

native.hooks.values = (name) => values.get(name).get();

native.hooks.meta = (meta, name) => {
  if (name.startsWith('file:')) {
    meta.dirname = path.dirname(toPath(name));
    meta.filename = toPath(name);
  }
  meta.resolve = (specifier) => native.hooks.resolve(String(specifier), name);
  meta.url = name;
};

function builtin(name) {
  const exports = builtins.load(name.slice(5));
  const names = Object.keys(exports).filter((key) => key !== 'default');
  values.set(name, {
    names: ['default', ...names],
    get: () => Object.fromEntries([['default', exports], ...names.map((key) => [key, exports[key]])]),
  });
  return undefined;
}

function json(name, text, type) {
  if (type !== 'json') {
    throw withCode(TypeError, 'ERR_IMPORT_ATTRIBUTE_MISSING', `Module "${name}" needs an import attribute of "type: json"`);
  }
  let value;
  try {
    value = JSON.parse(text);
  } catch (error) {
    error.message = `${toPath(name)}: ${error.message}`;
    throw error;
  }
  values.set(name, { names: ['default'], get: () => ({ default: value }) });
  return undefined;
}

// A file whose name leaves open what it is: package.json says, or its text.
function either(name, file) {
  const type = resolve.nearestManifest(file)?.type;
  const source = withoutHashbang(read(file));
  if (type === 'module') return source;
  if (type === 'commonjs') return commonJs(name, file);
  try {
    compileCommonJs(source, file);
  } catch (error) {
    if (hasModuleSyntax(error, source, file)) return source;
    throw error;
  }
  return commonJs(name, file);
}

// The names of a CommonJS file's exports; `seen` ends circles.
function namesOf(file, seen = new Set()) {
  if (seen.has(file) || !/\.c?js$/.test(file) || kind(file) !== '-') return new Set();
  seen.add(file);
  return exportedNames(read(file), (specifier) => {
    if (builtins.bareName(specifier) !== undefined) return Object.keys(builtins.get(specifier) ?? {});
    const found = resolve.forRequire(specifier, path.dirname(file));
    return found === undefined ? [] : namesOf(found, seen);
  });
}

function commonJs(name, file) {
  const names = [...namesOf(file)];
  values.set(name, {
    names: ['default', ...names],
    get() {
      const exports = require('internal/cjs')._load(file, undefined, false);
      return Object.fromEntries([['default', exports], ...names.map((key) => [key, exports?.[key]])]);
    },
  });
  return undefined;
}

// Runs a text as a module, under a name of its own.
function runText(source, name) {
  sources.set(name, withoutHashbang(source));
  fatal.remember(name, source);
  return native.importModule(name);
}

module.exports = { runText, runFile: (url) => native.importModule(url) };
