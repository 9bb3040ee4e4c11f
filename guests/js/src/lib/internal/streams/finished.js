// finished and pipeline: when streams have ended.

const { withCode } = require('internal/errors');
const { AbortError } = require('internal/abort');
const { validateFunction } = require('internal/validators');

const premature = () => withCode(Error, 'ERR_STREAM_PREMATURE_CLOSE', 'Premature close');

// Calls back once a stream has nothing more to give or take. Returns what
// stops the waiting.
function finished(stream, options, callback) {
  if (typeof options === 'function') [options, callback] = [{}, options];
  validateFunction(callback, 'callback');
  const { _readableState: read, _writableState: write } = stream;
  const { readable = !!read, writable = !!write, error: listen = true, signal } = options ?? {};
  let readDone = !readable || !!read?.endEmitted;
  let writeDone = !writable || !!write?.finished;
  let called = false;
  const done = (error) => {
    if (called) return;
    called = true;
    stop();
    callback.call(stream, error);
  };
  const both = () => { if (readDone && writeDone) done(); };
  const listeners = {
    end: () => { readDone = true; both(); },
    finish: () => { writeDone = true; both(); },
    error: (error) => done(error),
    close: () => {
      const error = read?.errored ?? write?.errored;
      if (error) done(error);
      else if (readable && !readDone && read && !read.endEmitted) done(premature());
      else if (writable && !writeDone && write && !write.finished) done(premature());
      else done();
    },
  };
  const abort = () => done(new AbortError(undefined, { cause: signal.reason }));
  const stop = () => {
    for (const [type, listener] of Object.entries(listeners)) stream.removeListener(type, listener);
    signal?.removeEventListener('abort', abort);
  };
  for (const [type, listener] of Object.entries(listeners)) if (type !== 'error' || listen) stream.on(type, listener);
  if (read?.closed || write?.closed || (readDone && writeDone)) process.nextTick(listeners.close);
  else if (read?.errored ?? write?.errored) process.nextTick(() => done(read?.errored ?? write.errored));
  if (signal?.aborted) process.nextTick(abort);
  signal?.addEventListener('abort', abort, { once: true });
  return stop;
}

const isStream = (value) => typeof value?.on === 'function' && (value._readableState || value._writableState);
const isIterable = (value) => value !== null && typeof value === 'object' && (value[Symbol.asyncIterator] || value[Symbol.iterator]);

async function writeAll(iterable, target, end) {
  const drained = () => new Promise((resolve, reject) => {
    const clean = () => { target.off('drain', go); target.off('error', fail); target.off('close', closed); };
    const go = () => { clean(); resolve(); };
    const fail = (error) => { clean(); reject(error); };
    const closed = () => fail(target.errored ?? premature());
    target.on('drain', go);
    target.on('error', fail);
    target.on('close', closed);
  });
  for await (const chunk of iterable) {
    if (target.destroyed) throw target.errored ?? premature();
    if (!target.write(chunk)) await drained();
  }
  if (end) target.end();
}

// Joins streams, iterables and functions; one that fails ends them all.
function pipeline(...streams) {
  let callback = streams.pop();
  if (streams.length === 1 && Array.isArray(streams[0])) [streams] = streams;
  let options = {};
  if (!isStream(streams.at(-1)) && !isIterable(streams.at(-1)) && typeof streams.at(-1) === 'object') options = streams.pop();
  validateFunction(callback, 'streams[stream.length - 1]');
  if (streams.length < 2) throw withCode(TypeError, 'ERR_MISSING_ARGS', 'The "streams" argument must be specified');
  const { signal, end = true } = options;
  const all = streams.filter(isStream);
  let open = 0;
  let failure;
  let value;
  const fail = (error) => {
    if (failure && !(failure.code === 'ERR_STREAM_PREMATURE_CLOSE')) return;
    failure = error;
    for (const stream of all) if (!stream.destroyed) stream.destroy(error);
  };
  const step = (error) => {
    if (error) fail(error);
    if (--open > 0) return;
    signal?.removeEventListener('abort', abort);
    process.nextTick(() => callback(failure, value));
  };
  const abort = () => fail(new AbortError(undefined, { cause: signal.reason }));
  signal?.addEventListener('abort', abort, { once: true });
  let current = typeof streams[0] === 'function' ? streams[0]({ signal }) : streams[0];
  const watch = (stream, first, last) => {
    open++;
    finished(stream, { readable: !last, writable: !first }, step);
  };
  if (isStream(current)) watch(current, true, false);
  streams.slice(1).forEach((next, i) => {
    const last = i === streams.length - 2;
    if (typeof next === 'function') {
      current = next(current, { signal });
      if (last && !isStream(current) && typeof current?.then === 'function') {
        open++;
        current.then((result) => { value = result; step(); }, step);
      } else if (last && isIterable(current)) {
        open++;
        (async () => { for await (const _ of current); })().then(() => step(), step);
      }
      return;
    }
    const keepOpen = (last && !end) || next === process.stdout || next === process.stderr;
    if (isStream(current) && typeof current.pipe === 'function') {
      current.pipe(next, { end: !keepOpen });
    } else {
      open++;
      writeAll(current, next, !keepOpen).then(() => step(), step);
    }
    if (keepOpen && isStream(current)) {
      open++;
      finished(current, { writable: false }, step);
    } else if (!keepOpen) {
      watch(next, false, last);
    }
    current = next;
  });
  if (signal?.aborted) process.nextTick(abort);
  return current;
}

module.exports = { finished, pipeline };
