// The os module, of a small machine that shows nothing of its host.

const ADDRESSABLE_BYTES = 4 * 2 ** 30; // what a 32-bit program could address

const signals = {
  SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGILL: 4, SIGTRAP: 5, SIGABRT: 6, SIGBUS: 7, SIGFPE: 8, SIGKILL: 9, SIGUSR1: 10,
  SIGSEGV: 11, SIGUSR2: 12, SIGPIPE: 13, SIGALRM: 14, SIGTERM: 15, SIGCHLD: 17, SIGCONT: 18, SIGSTOP: 19,
};

function numbers() {
  const { SYSTEM } = require('internal/errors');
  return Object.fromEntries(Object.entries(SYSTEM).map(([name, [number]]) => [name, number]));
}

module.exports = {
  arch: () => process.arch,
  availableParallelism: () => 1,
  cpus: () => [{ model: 'wasm32', speed: 0, times: { user: 0, nice: 0, sys: 0, idle: 0, irq: 0 } }],
  constants: { signals, errno: numbers(), priority: {}, dlopen: {} },
  devNull: '/dev/null',
  endianness: () => 'LE',
  EOL: '\n',
  freemem: () => Math.max(0, ADDRESSABLE_BYTES - native.linearMemory()),
  getPriority: () => 0,
  homedir: () => process.env.HOME ?? '/',
  hostname: () => process.env.HOSTNAME ?? 'sandbox',
  loadavg: () => [0, 0, 0],
  machine: () => 'wasm32',
  networkInterfaces: () => ({}),
  platform: () => process.platform,
  release: () => '0.2',
  setPriority() {},
  tmpdir: () => (process.env.TMPDIR ?? '/tmp').replace(/(?!^)\/$/, ''),
  totalmem: () => ADDRESSABLE_BYTES,
  type: () => 'Linux',
  uptime: () => Math.floor(native.now() / 1000),
  userInfo: () => ({ uid: 1000, gid: 1000, username: process.env.USER ?? 'user', homedir: process.env.HOME ?? '/', shell: '/bin/sh' }),
  version: () => 'WASI 0.2',
};
