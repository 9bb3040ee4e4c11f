// spawnSync: runs a command and waits for it.

const { start, stdioOf, outcome } = require('internal/child');
const { systemError } = require('internal/errors');
const { Buffer } = require('buffer');

const MAX_BUFFER_BYTES = 1 << 20; // of each output, as Node bounds it

function spawnSync(file, args, options) {
  const stdio = stdioOf(options.stdio);
  const input = options.input === undefined ? undefined : Buffer.from(options.input.buffer ?? options.input, options.input.byteOffset, options.input.byteLength);
  if (input === undefined && stdio[0] === 'pipe') stdio[0] = 'ignore';
  if (input !== undefined) stdio[0] = 'pipe';
  let handle;
  try {
    handle = start('spawnSync', file, args, options, stdio);
  } catch (error) {
    return { error, status: null, signal: null, output: null, pid: 0, stdout: null, stderr: null };
  }
  const chunks = { 1: [], 2: [] };
  const open = new Set([1, 2].filter((fd) => stdio[fd] === 'pipe'));
  const most = options.maxBuffer ?? MAX_BUFFER_BYTES;
  const deadline = options.timeout ? native.now() + options.timeout : Infinity;
  let error;
  let rest = input ?? Buffer.alloc(0);
  let status;
  const stop = (code) => {
    error ??= Object.assign(systemError(code, `spawnSync ${file}`), { path: file, spawnargs: args });
    error.message = `spawnSync ${file} ${code}`;
    native.childKill(handle);
  };
  for (;;) {
    if (rest.length) {
      const count = native.childWrite(handle, rest);
      rest = count === undefined ? Buffer.alloc(0) : rest.subarray(count);
    }
    if (input !== undefined && rest.length === 0) native.childEndInput(handle);
    let idle = rest.length === 0;
    for (const fd of open) {
      const chunk = native.childRead(handle, fd);
      if (chunk === null) {
        open.delete(fd);
      } else if (chunk.byteLength) {
        chunks[fd].push(Buffer.from(chunk));
        idle = false;
        if (chunks[fd].reduce((sum, part) => sum + part.length, 0) > most) stop('ENOBUFS');
      }
    }
    status ??= native.childStatus(handle);
    if (status && open.size === 0) break;
    if (native.now() > deadline) stop('ETIMEDOUT');
    if (status === undefined || idle) native.wait(rest.length ? 1 : deadline === Infinity ? -1 : Math.max(0, deadline - native.now()), false);
  }
  native.childForget(handle);
  const [code, signal] = outcome(status);
  const read = (fd) => {
    if (stdio[fd] !== 'pipe') return null;
    const bytes = Buffer.concat(chunks[fd]).subarray(0, most);
    return options.encoding && options.encoding !== 'buffer' ? bytes.toString(options.encoding) : bytes;
  };
  const output = [null, read(1), read(2)];
  const result = { status: error ? null : code, signal: error ? 'SIGTERM' : signal, output, pid: handle + 2, stdout: output[1], stderr: output[2] };
  return error ? { error, ...result } : result;
}

module.exports = { spawnSync };
