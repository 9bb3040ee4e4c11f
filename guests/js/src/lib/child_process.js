// The child_process module: other programs of the same sandbox.

const { invalidArgType, notAvailable } = require('internal/errors');
const { validateString } = require('internal/validators');
const { spawnSync: runSync } = require('internal/child_sync');

// (file, args?, options?) as Node takes them.
function normalize(file, args, options) {
  validateString(file, 'file');
  if (args !== undefined && args !== null && !Array.isArray(args)) {
    if (typeof args !== 'object') throw invalidArgType('args', 'object', args);
    [args, options] = [[], args];
  }
  return { file, args: (args ?? []).map(String), options: { ...options } };
}

function spawn(...given) {
  const { ChildProcess } = require('internal/child_async');
  const { file, args, options } = normalize(...given);
  return new ChildProcess(file, args, options);
}

function spawnSync(...given) {
  const { file, args, options } = normalize(...given);
  if (typeof options.input === 'string') options.input = Buffer.from(options.input, options.encoding === 'buffer' ? 'utf8' : options.encoding ?? 'utf8');
  return runSync(file, args, options);
}

// The output of a command that must succeed; what it says to stderr is ours.
function outputOf(result, command, args, options) {
  if (options.stdio === undefined && result.stderr?.length) process.stderr.write(result.stderr);
  if (result.error) throw Object.assign(result.error, result);
  if (result.status !== 0) {
    const text = result.stderr?.length ? `\n${result.stderr.toString()}` : '';
    const error = new Error(`Command failed: ${[command, ...args].join(' ')}${text}`);
    throw Object.assign(error, result);
  }
  return result.stdout;
}

function execSync(command, options = {}) {
  validateString(command, 'command');
  return outputOf(spawnSync(command, [], { ...options, shell: options.shell ?? true }), command, [], options);
}

function execFileSync(...given) {
  const { file, args, options } = normalize(...given);
  return outputOf(spawnSync(file, args, options), file, args, options);
}

function execFile(...given) {
  const callback = typeof given.at(-1) === 'function' ? given.pop() : undefined;
  const { file, args, options } = normalize(...given);
  const { encoding = 'utf8', maxBuffer = 1 << 20 } = options;
  const child = spawn(file, args, options);
  const chunks = { stdout: [], stderr: [] };
  let failure;
  for (const name of ['stdout', 'stderr']) {
    let total = 0;
    child[name]?.on('data', (chunk) => {
      total += chunk.length;
      if (total <= maxBuffer) {
        chunks[name].push(chunk);
        return;
      }
      failure ??= Object.assign(new RangeError(`${name} maxBuffer length exceeded`), { code: 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER' });
      child.kill();
    });
  }
  const text = (name) => {
    const bytes = Buffer.concat(chunks[name]);
    return encoding && encoding !== 'buffer' ? bytes.toString(encoding) : bytes;
  };
  let told = false;
  const tell = (code, signal) => {
    if (told) return;
    told = true;
    const [stdout, stderr] = [text('stdout'), text('stderr')];
    if (!failure && (code !== 0 || signal)) {
      const command = options.shell ? file : [file, ...args].join(' ');
      failure = Object.assign(new Error(`Command failed: ${command}\n${stderr}`), { code, killed: child.killed, signal, cmd: command });
    }
    if (failure && code !== null) Object.assign(failure, { stdout, stderr });
    callback?.(failure ?? null, stdout, stderr);
  };
  child.on('error', (error) => { failure ??= error; tell(null, null); });
  child.on('close', tell);
  return child;
}

function exec(command, options, callback) {
  if (typeof options === 'function') [options, callback] = [{}, options];
  return execFile(command, [], { ...options, shell: options?.shell ?? true }, callback);
}

// As a promise of both outputs, with the child on it.
const promised = (call) => ({
  value(...args) {
    let child;
    const promise = new Promise((resolve, reject) => {
      child = call(...args, (error, stdout, stderr) => (error ? reject(Object.assign(error, { stdout, stderr })) : resolve({ stdout, stderr })));
    });
    return Object.assign(promise, { child });
  },
});
for (const call of [exec, execFile]) Object.defineProperty(call, Symbol.for('nodejs.util.promisify.custom'), promised(call));

module.exports = {
  exec,
  execFile,
  execFileSync,
  execSync,
  spawn,
  spawnSync,
  fork() { throw notAvailable('child_process.fork', 'there is no channel between processes; use spawn'); },
  get ChildProcess() { return require('internal/child_async').ChildProcess; },
};
