// The vm module: scripts in this realm and in others. A realm is no wall: it
// only has globals of its own.

const { invalidArgType, notAvailable } = require('internal/errors');
const { validateString } = require('internal/validators');
const { runScript } = require('internal/compile');

const realms = new WeakMap(); // the global object of a context's realm

const nameOf = (options) => (typeof options === 'string' ? options : options?.filename) ?? 'evalmachine.<anonymous>';

function createContext(context = {}) {
  if (typeof context !== 'object' || context === null) throw invalidArgType('contextObject', 'Object', context);
  if (!realms.has(context)) realms.set(context, native.newRealm());
  return context;
}

// Runs code in the realm of a context, whose properties are its globals: they
// are copied in before and out after.
function runInContext(code, context) {
  validateString(code, 'code');
  if (!realms.has(context)) throw invalidArgType('contextifiedObject', 'vm.Context', context);
  const global = realms.get(context);
  const before = new Set(Reflect.ownKeys(global));
  for (const key of Reflect.ownKeys(context)) Object.defineProperty(global, key, { ...Object.getOwnPropertyDescriptor(context, key), configurable: true });
  try {
    return global.eval(code);
  } finally {
    for (const key of Reflect.ownKeys(global)) {
      if (Object.hasOwn(context, key) || !before.has(key)) {
        const own = Object.getOwnPropertyDescriptor(global, key);
        if (own && 'value' in own) context[key] = own.value;
      }
    }
    for (const key of Reflect.ownKeys(context)) if (!Object.hasOwn(global, key)) delete context[key];
  }
}

class Script {
  #code;
  #name;

  constructor(code, options) {
    this.#code = `${code}`;
    this.#name = nameOf(options);
    native.compileFunction(`{\n${this.#code}\n}`, this.#name); // a syntax error comes now
  }

  runInThisContext() { return runScript(this.#code, this.#name); }

  runInContext(context) { return runInContext(this.#code, context); }

  runInNewContext(context) { return runInContext(this.#code, createContext(context)); }

  createCachedData() { return Buffer.alloc(0); }
}

function compileFunction(code, params = [], options = undefined) {
  return runScript(`(function (${params.join(', ')}) {\n${code}\n})`, nameOf(options));
}

const absent = (name) => class {
  constructor() { throw notAvailable(`vm.${name}`, 'use import()'); }
};

module.exports = {
  Script,
  createContext,
  createScript: (code, options) => new Script(code, options),
  runInContext,
  runInNewContext: (code, context) => runInContext(code, createContext(context)),
  runInThisContext: (code, options) => runScript(`${code}`, nameOf(options)),
  isContext: (object) => realms.has(object),
  compileFunction,
  measureMemory: () => Promise.reject(notAvailable('vm.measureMemory', 'the engine does not tell')),
  SourceTextModule: absent('SourceTextModule'),
  SyntheticModule: absent('SyntheticModule'),
  constants: {},
};
