// The global `process`.

const EventEmitter = require('events');
const loop = require('internal/loop');
const { systemError, invalidArgType, withCode, notAvailable } = require('internal/errors');
const { validateString, validateFunction, validateInteger } = require('internal/validators');

// The version of Node whose behaviour the library follows.
const VERSION = '20.20.2';
const EXECUTABLE = '/usr/bin/node';
const PID = 1; // a sandbox shows a program no other process

const started = native.now();
const streams = {}; // stdin, stdout and stderr once asked for
let cwd = native.cwd;
let exiting = false;

class Process extends EventEmitter {}
const process = new Process();
Object.defineProperty(process, Symbol.toStringTag, { value: 'process', configurable: true });
Object.defineProperty(Process, 'name', { value: 'process' });

// The environment: its values are strings, whatever they are set to.
function environment() {
  const refuse = (what) => withCode(TypeError, 'ERR_INVALID_OBJECT_DEFINE_PROPERTY', `'process.env' only accepts ${what}`);
  return new Proxy(native.env(), {
    set(env, name, value) {
      if (typeof name === 'symbol' || typeof value === 'symbol') throw new TypeError('Cannot convert a Symbol value to a string');
      env[name] = String(value);
      return true;
    },
    defineProperty(env, name, own) {
      if ('get' in own || 'set' in own) throw refuse('a configurable, writable, and enumerable data descriptor');
      return Reflect.defineProperty(env, name, { ...own, value: String(own.value), configurable: true, writable: true, enumerable: true });
    },
  });
}

function hrtime(since) {
  const now = BigInt(native.hrtime());
  const time = [Number(now / 1_000_000_000n), Number(now % 1_000_000_000n)];
  if (since === undefined) return time;
  if (!Array.isArray(since)) throw invalidArgType('time', 'Array', since);
  time[0] -= since[0];
  time[1] -= since[1];
  return time[1] < 0 ? [time[0] - 1, time[1] + 1e9] : time;
}
hrtime.bigint = () => BigInt(native.hrtime());

function memoryUsage() {
  const rss = native.linearMemory();
  return { rss, heapTotal: rss, heapUsed: rss, external: 0, arrayBuffers: 0 };
}
memoryUsage.rss = native.linearMemory;

function chdir(directory) {
  validateString(directory, 'directory');
  const path = require('path').resolve(directory);
  const kind = require('internal/files').kind(path);
  if (kind === undefined) throw systemError('ENOENT', 'chdir', cwd, directory);
  if (kind !== 'd') throw systemError('ENOTDIR', 'chdir', cwd, directory);
  cwd = path;
}

function reallyExit(status) {
  native.exit(Number(status ?? 0) & 0xff);
}

function checkStatus(status) {
  if (status === undefined || status === null) return;
  if (typeof status === 'string' && status !== '' && Number.isInteger(Number(status))) return;
  validateInteger(status, 'code');
}

function exit(status) {
  checkStatus(status);
  if (status !== undefined) process.exitCode = status;
  if (!exiting) {
    exiting = true;
    process.emit('exit', Number(process.exitCode ?? 0));
  }
  process.reallyExit(process.exitCode);
}

function emitWarning(warning, type = 'Warning', code = undefined) {
  if (type !== null && typeof type === 'object') ({ type = 'Warning', code } = type);
  if (typeof warning === 'string') {
    warning = new Error(warning);
    warning.name = String(type);
    if (code !== undefined) warning.code = code;
  }
  if (process.noDeprecation && warning.name === 'DeprecationWarning') return;
  loop.nextTick(() => {
    if (!process.noWarnings) {
      const mark = warning.code ? `[${warning.code}] ` : '';
      process.stderr.write(`(node:${PID}) ${mark}${warning.name}: ${warning.message}\n`);
    }
    process.emit('warning', warning);
  });
}

function nextTick(callback, ...args) {
  validateFunction(callback, 'callback');
  loop.nextTick(() => callback(...args));
}

function kill(pid, signal = 'SIGTERM') {
  if (pid !== PID && pid !== 0) throw systemError('ESRCH', 'kill');
  if (signal !== 0) process.reallyExit(128 + (require('os').constants.signals[signal] ?? Number(signal)));
  return true;
}

Object.assign(process, {
  version: `v${VERSION}`,
  versions: { node: VERSION, quickjs: '0.16.2', modules: '115', unicode: '16.0' },
  release: { name: 'node', lts: 'Iron' },
  arch: 'wasm32',
  platform: 'linux',
  title: 'node',
  pid: PID,
  ppid: 0,
  execPath: EXECUTABLE,
  execArgv: [],
  argv0: native.argv[0] ?? 'node',
  debugPort: 9229,
  config: { target_defaults: {}, variables: {} },
  features: { inspector: false, ipv6: false, tls: false, typescript: false },
  env: environment(),
  cwd: () => cwd,
  chdir,
  umask: () => 0o22,
  uptime: () => (native.now() - started) / 1000,
  hrtime,
  memoryUsage,
  constrainedMemory: () => 0,
  availableMemory: () => 0,
  resourceUsage: () => ({ userCPUTime: Math.round((native.now() - started) * 1000), systemCPUTime: 0, maxRSS: Math.round(native.linearMemory() / 1024) }),
  cpuUsage: () => ({ user: Math.round((native.now() - started) * 1000), system: 0 }),
  nextTick,
  emitWarning,
  exit,
  reallyExit,
  abort: () => reallyExit(134),
  kill,
  getuid: () => 1000,
  geteuid: () => 1000,
  getgid: () => 1000,
  getegid: () => 1000,
  getgroups: () => [1000],
  binding(name) { throw notAvailable(`process.binding('${name}')`, 'it is an internal of Node.js'); },
  setUncaughtExceptionCaptureCallback(callback) {
    process.removeAllListeners('uncaughtException');
    if (callback) process.on('uncaughtException', callback);
  },
  hasUncaughtExceptionCaptureCallback: () => process.listenerCount('uncaughtException') > 0,
  getBuiltinModule: (name) => require('internal/builtins').get(name),
});

let exitCode;
Object.defineProperty(process, 'exitCode', {
  enumerable: true,
  configurable: true,
  get: () => exitCode,
  set(status) {
    checkStatus(status);
    exitCode = status;
  },
});

for (const name of ['stdin', 'stdout', 'stderr']) {
  Object.defineProperty(process, name, {
    enumerable: true,
    configurable: true,
    get: () => { streams[name] ??= require('internal/stdio')[name](); return streams[name]; },
    set(stream) { streams[name] = stream; },
  });
}

// The end of a program that has nothing left to do.
function finish() {
  if (!exiting) {
    exiting = true;
    process.emit('exit', Number(process.exitCode ?? 0));
  }
  process.reallyExit(process.exitCode);
}

module.exports = { process, streams, finish };
