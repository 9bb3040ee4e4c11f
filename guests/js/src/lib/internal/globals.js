// The global names that Node adds to those of the language.

const hidden = (name, value) => Object.defineProperty(globalThis, name, { value, writable: true, configurable: true });
const shown = (name, value) => Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: true });

// A global whose module is loaded when the name is first used.
function lazily(name, module, key = name, enumerable = false) {
  Object.defineProperty(globalThis, name, {
    configurable: true,
    enumerable,
    get() {
      const value = require(module)[key];
      Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable });
      return value;
    },
    set(value) { Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable }); },
  });
}

const LAZY = {
  buffer: ['Buffer', 'Blob', 'File'],
  url: ['URL', 'URLSearchParams'],
  'internal/encoding': ['TextEncoder', 'TextDecoder'],
  'internal/event_target': ['Event', 'EventTarget', 'CustomEvent'],
  'internal/abort': ['AbortController', 'AbortSignal'],
  'internal/intl': ['Intl'],
};

const LAZY_SHOWN = {
  buffer: ['atob', 'btoa'],
  timers: ['clearImmediate', 'setImmediate', 'clearInterval', 'clearTimeout', 'setInterval', 'setTimeout'],
  perf_hooks: ['performance'],
};

function install() {
  const { process } = require('internal/process');
  shown('global', globalThis);
  hidden('process', process);
  hidden('console', require('console'));
  shown('queueMicrotask', (callback) => {
    require('internal/validators').validateFunction(callback, 'callback');
    Promise.resolve().then(() => {
      try {
        callback();
      } catch (error) {
        require('internal/fatal').uncaught(error);
      }
    });
  });
  for (const [module, names] of Object.entries(LAZY)) for (const name of names) lazily(name, module);
  for (const [module, names] of Object.entries(LAZY_SHOWN)) for (const name of names) lazily(name, module, name, true);
  lazily('structuredClone', 'internal/clone', 'structuredClone', true);
  lazily('crypto', 'crypto', 'webcrypto', true);
  lazily('fetch', 'internal/fetch', 'fetch', true);
  for (const name of ['Headers', 'Request', 'Response', 'FormData', 'WebSocket']) lazily(name, 'internal/fetch');
  require('internal/locale_methods').install();
}

module.exports = { install };
