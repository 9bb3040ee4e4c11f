// The modules a program can require: which there are, and which there are not.

const { notAvailable, withCode } = require('internal/errors');

const NO_NETWORK = 'the network is not granted to programs';
const NO_THREADS = 'a program has one thread';
const NO_INTERNALS = 'it is about the engine and process of Node.js itself';

// Node's modules that are absent, and why.
const ABSENT = {
  cluster: NO_THREADS,
  dgram: NO_NETWORK,
  dns: NO_NETWORK,
  'dns/promises': NO_NETWORK,
  domain: NO_INTERNALS,
  http: NO_NETWORK,
  http2: NO_NETWORK,
  https: NO_NETWORK,
  inspector: NO_INTERNALS,
  'inspector/promises': NO_INTERNALS,
  net: NO_NETWORK,
  repl: 'there is no interactive mode',
  sea: NO_INTERNALS,
  sqlite: 'use sqlite3 of the shell',
  tls: NO_NETWORK,
  trace_events: NO_INTERNALS,
  wasi: 'run a component by its path from the shell',
  worker_threads: NO_THREADS,
};

// Those that exist only with the prefix `node:`.
const PREFIX_ONLY = ['test', 'sea', 'sqlite', 'test/reporters'];

const present = native.libraryNames; // without those of the library's own
const names = [...present, ...Object.keys(ABSENT)].filter((name) => !PREFIX_ONLY.includes(name)).sort();

// A built-in's bare name, or undefined for what is none.
function bareName(specifier) {
  if (specifier.startsWith('node:')) return specifier.slice(5);
  return names.includes(specifier) ? specifier : undefined;
}

// The exports of a built-in by its bare name.
function load(name) {
  if (present.includes(name)) return require(name);
  if (Object.hasOwn(ABSENT, name)) throw notAvailable(`node:${name}`, ABSENT[name]);
  throw withCode(Error, 'ERR_UNKNOWN_BUILTIN_MODULE', `No such built-in module: node:${name}`);
}

module.exports = {
  names,
  bareName,
  load,
  get(specifier) {
    const name = bareName(specifier);
    return name !== undefined && present.includes(name) ? load(name) : undefined;
  },
};
