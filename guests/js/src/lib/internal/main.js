// The entry: the library's own `require`, the globals, then the command line.

const cache = {};

function require(name) {
  const found = cache[name];
  if (found !== undefined) return found.exports;
  const module = { exports: {} };
  cache[name] = module;
  native.library(name)(module.exports, require, module, native);
  return module.exports;
}

require('internal/stack').install();
require('internal/globals').install();
require('internal/cli').run(native.argv.slice(1));
