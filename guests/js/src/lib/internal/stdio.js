// process.stdin, process.stdout and process.stderr.

const loop = require('internal/loop');
const { systemError } = require('internal/errors');

const CHUNK_BYTES = 65536;

function output(fd) {
  const { Writable } = require('stream');
  const stream = new Writable({
    decodeStrings: false,
    write(chunk, encoding, callback) {
      try {
        if (typeof chunk === 'string' && /^utf-?8$/i.test(encoding)) native.writeText(fd, chunk);
        else native.write(fd, typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk, -1);
      } catch (name) {
        callback(systemError(name, 'write'));
        return;
      }
      callback();
    },
  });
  Object.assign(stream, { fd, _type: 'pipe', _isStdio: true, destroySoon: stream.destroy });
  // Closing them is closing the last way to say why.
  stream._destroy = (error, callback) => callback(error);
  if (native.isTerminal(fd)) {
    const columns = Number(process.env.COLUMNS) || 80;
    Object.assign(stream, { isTTY: true, columns, rows: Number(process.env.LINES) || 24, getWindowSize: () => [columns, 24] });
    Object.assign(stream, { hasColors: () => true, getColorDepth: () => 8 });
  }
  return stream;
}

function stdin() {
  const { Readable } = require('stream');
  let waiting = false;
  const stream = new Readable({
    highWaterMark: CHUNK_BYTES,
    read() {
      if (waiting) return;
      waiting = true;
      loop.ref();
      loop.onStdin(() => {
        waiting = false;
        loop.unref();
        if (stream.destroyed) return;
        const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
        const count = native.read(0, chunk, -1);
        stream.push(count === 0 ? null : chunk.subarray(0, count));
      });
    },
  });
  const stop = () => {
    if (!waiting) return;
    waiting = false;
    loop.onStdin(undefined);
    loop.unref();
  };
  stream.on('pause', stop);
  stream._destroy = (error, callback) => { stop(); callback(error); };
  // A program that listens to nothing does not wait for its input.
  Object.assign(stream, { fd: 0, ref: () => stream, unref() { stop(); return stream; }, setRawMode: () => stream });
  if (native.isTerminal(0)) stream.isTTY = true;
  return stream;
}

module.exports = { stdin, stdout: () => output(1), stderr: () => output(2) };
