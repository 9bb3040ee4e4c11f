// CommonJS: the class Module, which the module module is.

const builtins = require('internal/builtins');
const { readIfText, toPath, toUrl } = require('internal/files');
const { withCode, invalidArgValue } = require('internal/errors');
const { validateString } = require('internal/validators');
const resolve = require('internal/resolve');
const { compileCommonJs, hasModuleSyntax } = require('internal/compile');
const path = require('path');

function Module(id = '', parent = undefined) {
  this.id = id;
  this.path = path.dirname(id);
  this.exports = {};
  Object.defineProperty(this, 'parent', { value: parent, writable: true, configurable: true });
  parent?.children.push(this);
  this.filename = null;
  this.loaded = false;
  this.children = [];
}

Module._cache = { __proto__: null };
Module._extensions = { __proto__: null };
Module._pathCache = { __proto__: null };
Module.builtinModules = builtins.names;
Module.globalPaths = [];
Module.Module = Module;
Module.isBuiltin = (name) => builtins.get(name) !== undefined;
Module._nodeModulePaths = resolve.moduleFolders;
Module.wrap = (script) => `(function (exports, require, module, __filename, __dirname) { ${script}\n});`;

Module._resolveFilename = function (request, parent, isMain, options) {
  if (builtins.bareName(request) !== undefined) return request;
  const folder = parent?.filename ? path.dirname(parent.filename) : (parent?.path ?? process.cwd());
  let found;
  if (options?.paths) {
    for (const place of options.paths) found ??= resolve.forRequire(request, path.resolve(place));
  } else {
    found = resolve.forRequire(request, folder);
  }
  if (found !== undefined) return found;
  const stack = [];
  for (let at = parent; at; at = at.parent) if (at.filename) stack.push(at.filename);
  const lines = stack.length ? `\nRequire stack:\n- ${stack.join('\n- ')}` : '';
  const error = new Error(`Cannot find module '${request}'${lines}`);
  error.code = 'MODULE_NOT_FOUND';
  error.requireStack = stack;
  throw error;
};

Module._load = function (request, parent, isMain) {
  const name = builtins.bareName(request);
  if (name !== undefined) return builtins.load(name);
  const filename = Module._resolveFilename(request, parent, isMain);
  const cached = Module._cache[filename];
  if (cached !== undefined) {
    if (parent && !parent.children.includes(cached)) parent.children.push(cached);
    return cached.exports;
  }
  const module = new Module(filename, parent);
  if (isMain) {
    process.mainModule = module;
    module.id = '.';
  }
  Module._cache[filename] = module;
  let done = false;
  try {
    module.load(filename);
    done = true;
  } finally {
    if (!done) delete Module._cache[filename];
  }
  return module.exports;
};

Module.prototype.load = function (filename) {
  this.filename = filename;
  this.paths = resolve.moduleFolders(path.dirname(filename));
  const extension = path.extname(filename);
  (Module._extensions[extension] ?? Module._extensions['.js'])(this, filename);
  this.loaded = true;
};

Module.prototype.require = function (id) {
  validateString(id, 'id');
  if (id === '') throw invalidArgValue('id', id, 'must be a non-empty string');
  return Module._load(id, this, false);
};

Module.prototype._compile = function (content, filename) {
  const run = compileCommonJs(content, filename);
  return run.call(this.exports, this.exports, makeRequire(this), this, filename, path.dirname(filename));
};

Module._extensions['.js'] = function (module, filename) {
  const content = native.decode(new Uint8Array(native.readFile(filename)), 'utf8');
  const type = filename.endsWith('.js') ? resolve.nearestManifest(filename)?.type : undefined;
  if (filename.endsWith('.mjs') || type === 'module') {
    module.exports = requireEsm(filename);
    return;
  }
  let run;
  try {
    run = compileCommonJs(content, filename);
  } catch (error) {
    if (filename.endsWith('.cjs') || type === 'commonjs' || !hasModuleSyntax(error, content, filename)) throw error;
    module.exports = requireEsm(filename);
    return;
  }
  run.call(module.exports, module.exports, makeRequire(module), module, filename, path.dirname(filename));
};

Module._extensions['.json'] = function (module, filename) {
  try {
    module.exports = JSON.parse(readIfText(filename).replace(/^\uFEFF/, ''));
  } catch (error) {
    error.message = `${filename}: ${error.message}`;
    throw error;
  }
};

Module._extensions['.node'] = function (module, filename) {
  throw withCode(Error, 'ERR_DLOPEN_FAILED', `${filename}: native addons cannot run in this sandbox`);
};

// The namespace of an ES module, run at once: it may not await at its top.
function requireEsm(filename) {
  const url = toUrl(filename);
  let namespace;
  const source = `import * as namespace from ${JSON.stringify(url)};\nimport.meta.deliver(namespace);`;
  const promise = native.runModule(source, `node:internal/require-esm${url}`, (value) => { namespace = value; });
  const [state, reason] = native.promiseDetails(promise);
  promise.catch(() => {});
  if (state < 0) throw reason;
  if (namespace === undefined) {
    throw withCode(Error, 'ERR_REQUIRE_ASYNC_MODULE', 'require() cannot be used on an ESM graph with top-level await. Use import() instead.');
  }
  return Object.hasOwn(namespace, 'module.exports') ? namespace['module.exports'] : namespace;
}

function makeRequire(module) {
  const require = (id) => module.require(id);
  require.resolve = (request, options) => {
    validateString(request, 'request');
    return Module._resolveFilename(request, module, false, options);
  };
  require.resolve.paths = (request) => (builtins.bareName(request) === undefined ? resolve.moduleFolders(module.path) : null);
  require.main = process.mainModule;
  require.extensions = Module._extensions;
  require.cache = Module._cache;
  return require;
}

Module.createRequire = function (filename) {
  // A text first: the name URL loads the module behind it.
  const text = typeof filename !== 'string' && filename instanceof URL ? filename.href : filename;
  if (typeof text !== 'string' || !(text.startsWith('/') || text.startsWith('file:'))) {
    throw invalidArgValue('filename', filename, 'must be a file URL object, file URL string, or absolute path string');
  }
  const file = toPath(text);
  const module = new Module(file);
  module.filename = file;
  module.path = file.endsWith('/') ? path.resolve(file) : path.dirname(file);
  if (file.endsWith('/')) module.filename = path.join(file, 'noop.js');
  return makeRequire(module);
};

Module.runMain = () => Module._load(process.argv[1], null, true);
Module.syncBuiltinESMExports = () => {};
Module.findSourceMap = () => undefined;
Module.register = () => {
  throw require('internal/errors').notAvailable('module.register', 'module loading cannot be customised');
};

module.exports = Module;
