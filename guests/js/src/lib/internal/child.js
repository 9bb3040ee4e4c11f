// Running other programs: what spawn and spawnSync have in common.

const { systemError } = require('internal/errors');

// The sandbox's shell, by the names it goes by.
const SHELL = 'sh';
const SHELLS = ['sh', '/bin/sh', 'bash', '/bin/bash', '/usr/bin/bash'];
// Programs that are components of their own; any other name is the shell's.
const COMPONENTS = { node: 'js', nodejs: 'js', js: 'js', python: 'python3', python3: 'python3', sh: SHELL };
const SIGNALS = { 124: 'SIGTERM', 134: 'SIGABRT', 137: 'SIGKILL', 143: 'SIGTERM' };

// The argv of a command. What is no component is a command of the shell,
// which is handed the words as they are.
function argvOf(file, args, { shell, argv0 }) {
  if (shell) return [SHELL, '-c', [file, ...args].join(' ')];
  if (SHELLS.includes(file)) return [SHELL, ...args];
  const name = file.replace(/^\/(?:usr\/)?bin\//, '');
  if (Object.hasOwn(COMPONENTS, name) || file === process.execPath) return [COMPONENTS[name] ?? 'js', ...args];
  if (file.includes('/')) return [file, ...args];
  return [SHELL, '-c', '"$0" "$@"', argv0 ?? file, ...args];
}

// 'pipe', 'inherit' or 'ignore' for each standard stream.
function stdioOf(stdio = 'pipe') {
  const list = Array.isArray(stdio) ? stdio : [stdio, stdio, stdio];
  return [0, 1, 2].map((fd) => {
    const wanted = list[fd] ?? 'pipe';
    if (wanted === fd || wanted === [process.stdin, process.stdout, process.stderr][fd] || wanted === 'inherit') return 'inherit';
    return wanted === 'ignore' ? 'ignore' : 'pipe';
  });
}

// Starts a command; returns its handle, or throws Node's error of a refusal.
function start(call, file, args, options, stdio) {
  const env = Object.entries(options.env ?? process.env).filter(([, value]) => value !== undefined).map(([name, value]) => [name, String(value)]);
  const argv = argvOf(file, args, options);
  const cwd = options.cwd === undefined ? process.cwd() : require('path').resolve(require('internal/fs/common').textPath(options.cwd, 'options.cwd'));
  try {
    return native.childStart(argv, env, cwd, stdio);
  } catch (error) {
    const [kind, text] = error.message.split(/: (.*)/s);
    const code = { 'not-found': 'ENOENT', 'not-executable': 'EACCES', limit: 'EAGAIN' }[kind] ?? 'EINVAL';
    const failure = systemError(code, `${call} ${file}`);
    failure.message = `${call} ${file} ${code}`;
    failure.stack = `Error: ${failure.message}\n${failure.stack.split('\n').slice(1).join('\n')}`;
    throw Object.assign(failure, { path: file, spawnargs: args, reason: text });
  }
}

// [code, signal] as Node gives them, of the status a child ended with.
const outcome = ([status, text]) => (text === '' ? [status, null] : [null, SIGNALS[status] ?? 'SIGKILL']);

module.exports = { start, stdioOf, outcome };
