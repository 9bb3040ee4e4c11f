// Writable streams.

const { Stream, shared, fail, construct, addAbortSignal, getters, inherit, highWaterMark } = require('internal/streams/state');
const { withCode, invalidArgType } = require('internal/errors');

function Writable(options) {
  if (!(this instanceof Writable)) return new Writable(options);
  Stream.call(this, options);
  initWritable(this, options);
  return this;
}

function initWritable(stream, options) {
  const objectMode = !!(options?.objectMode || options?.writableObjectMode);
  stream._writableState = {
    objectMode, highWaterMark: highWaterMark(options, objectMode, 'writable'), buffered: [], length: 0, writing: false, corked: 0,
    ending: false, ended: false, finished: false, needDrain: false, prefinished: false, finalCalled: false, sync: true,
    constructed: true, destroyed: false, closed: false, closeEmitted: false, errored: null, errorEmitted: false,
    emitClose: options?.emitClose !== false, autoDestroy: options?.autoDestroy !== false, writable: options?.writable !== false,
    decodeStrings: options?.decodeStrings !== false, defaultEncoding: options?.defaultEncoding ?? 'utf8', onFinish: [],
  };
  for (const name of ['write', 'writev', 'destroy', 'final', 'construct']) {
    if (typeof options?.[name] === 'function') stream[`_${name}`] = options[name];
  }
  if (options?.signal) addAbortSignal(options.signal, stream);
  construct(stream, () => { writeBuffered(stream); finishWhenWritten(stream); });
}

function write(stream, chunk, encoding, callback) {
  const state = stream._writableState;
  if (typeof encoding === 'function') [encoding, callback] = [undefined, encoding];
  callback ??= () => {};
  encoding ??= state.defaultEncoding;
  if (encoding !== 'buffer' && !Buffer.isEncoding(encoding)) throw withCode(TypeError, 'ERR_UNKNOWN_ENCODING', `Unknown encoding: ${encoding}`);
  if (chunk === null) throw withCode(TypeError, 'ERR_STREAM_NULL_VALUES', 'May not write null values to stream');
  if (!state.objectMode) {
    if (typeof chunk === 'string') {
      if (state.decodeStrings) [chunk, encoding] = [Buffer.from(chunk, encoding), 'buffer'];
    } else if (ArrayBuffer.isView(chunk)) {
      if (!Buffer.isBuffer(chunk)) chunk = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      encoding = 'buffer';
    } else {
      throw invalidArgType('chunk', ['string', 'Buffer', 'TypedArray', 'DataView'], chunk);
    }
  }
  let error;
  if (state.ending) error = withCode(Error, 'ERR_STREAM_WRITE_AFTER_END', 'write after end');
  else if (state.destroyed) error = withCode(Error, 'ERR_STREAM_DESTROYED', 'Cannot call write after a stream was destroyed');
  if (error) {
    process.nextTick(callback, error);
    fail(stream, error);
    return false;
  }
  state.length += state.objectMode ? 1 : chunk.length;
  const room = state.length < state.highWaterMark;
  if (!room) state.needDrain = true;
  if (state.writing || state.corked || state.errored || !state.constructed) {
    state.buffered.push({ chunk, encoding, callback });
  } else {
    writeNow(stream, [{ chunk, encoding, callback }]);
  }
  return room && !state.errored && !state.destroyed;
}

// Hands chunks to `_write`, or all of them to `_writev`.
function writeNow(stream, entries) {
  const state = stream._writableState;
  state.writing = true;
  state.sync = true;
  let called = false;
  const done = (error) => {
    if (called) {
      fail(stream, withCode(Error, 'ERR_MULTIPLE_CALLBACK', 'Callback called multiple times'));
      return;
    }
    called = true;
    state.writing = false;
    for (const { chunk } of entries) state.length -= state.objectMode ? 1 : chunk.length;
    if (state.sync) process.nextTick(() => afterWrite(stream, entries, error));
    else afterWrite(stream, entries, error);
    if (!error) writeBuffered(stream);
  };
  try {
    if (entries.length > 1) stream._writev(entries.map(({ chunk, encoding }) => ({ chunk, encoding })), done);
    else stream._write(entries[0].chunk, entries[0].encoding, done);
  } catch (error) {
    done(error);
  }
  state.sync = false;
}

function afterWrite(stream, entries, error) {
  const state = stream._writableState;
  if (error) {
    for (const { callback } of entries) callback(error);
    for (const { callback } of state.buffered.splice(0)) callback(error);
    fail(stream, error);
    return;
  }
  if (state.needDrain && !state.ending && state.length === 0 && !state.destroyed) {
    state.needDrain = false;
    stream.emit('drain');
  }
  for (const { callback } of entries) callback(null);
  finishWhenWritten(stream);
}

function writeBuffered(stream) {
  const state = stream._writableState;
  if (state.corked || state.destroyed || !state.constructed) return;
  while (state.buffered.length && !state.writing) {
    if (typeof stream._writev === 'function' && state.buffered.length > 1) writeNow(stream, state.buffered.splice(0));
    else writeNow(stream, [state.buffered.shift()]);
  }
}

function finishWhenWritten(stream) {
  const state = stream._writableState;
  const ready = () => state.ending && !state.destroyed && state.constructed && state.length === 0 && !state.errored
    && state.buffered.length === 0 && !state.finished && !state.writing;
  if (!ready() || state.finalCalled) return;
  state.finalCalled = true;
  const finish = (error) => {
    if (error) {
      for (const call of state.onFinish.splice(0)) call(error);
      fail(stream, error);
      return;
    }
    process.nextTick(() => {
      if (state.finished || state.errored || state.destroyed) return;
      stream.emit('prefinish');
      state.finished = true;
      for (const call of state.onFinish.splice(0)) call();
      stream.emit('finish');
      const readable = stream._readableState;
      if (state.autoDestroy && (!readable || (readable.autoDestroy && (readable.endEmitted || readable.readable === false)))) stream.destroy();
    });
  };
  if (typeof stream._final !== 'function') {
    finish();
    return;
  }
  process.nextTick(() => {
    try {
      stream._final(finish);
    } catch (error) {
      finish(error);
    }
  });
}

const methods = {
  write(chunk, encoding, callback) { return write(this, chunk, encoding, callback); },

  _write(chunk, encoding, callback) {
    if (!this._writev) throw withCode(Error, 'ERR_METHOD_NOT_IMPLEMENTED', 'The _write() method is not implemented');
    this._writev([{ chunk, encoding }], callback);
  },

  end(chunk, encoding, callback) {
    const state = this._writableState;
    if (typeof chunk === 'function') [chunk, encoding, callback] = [undefined, undefined, chunk];
    else if (typeof encoding === 'function') [encoding, callback] = [undefined, encoding];
    if (chunk !== undefined && chunk !== null) write(this, chunk, encoding);
    if (state.corked) {
      state.corked = 0;
      writeBuffered(this);
    }
    let error;
    if (state.finished) error = withCode(Error, 'ERR_STREAM_ALREADY_FINISHED', 'Cannot call end after a stream was finished');
    else if (state.destroyed) error = withCode(Error, 'ERR_STREAM_DESTROYED', 'Cannot call end after a stream was destroyed');
    else state.ending = true;
    if (callback) {
      if (error) process.nextTick(callback, error);
      else state.onFinish.push(callback);
    }
    state.ended = true;
    finishWhenWritten(this);
    return this;
  },

  cork() { this._writableState.corked++; },

  uncork() {
    const state = this._writableState;
    if (state.corked === 0) return;
    state.corked--;
    writeBuffered(this);
  },

  setDefaultEncoding(encoding) {
    if (!Buffer.isEncoding(encoding)) throw withCode(TypeError, 'ERR_UNKNOWN_ENCODING', `Unknown encoding: ${encoding}`);
    this._writableState.defaultEncoding = encoding;
    return this;
  },
};

inherit(Writable, Stream, {
  ...shared,
  ...methods,

  pipe() { this.emit('error', withCode(Error, 'ERR_STREAM_CANNOT_PIPE', 'Cannot pipe, not readable')); },
});

const table = {
  writable: ({ _writableState: state }) => !!state && state.writable && !state.destroyed && !state.errored && !state.ending && !state.ended,
  writableFinished: ({ _writableState: state }) => state.finished,
  writableObjectMode: ({ _writableState: state }) => state.objectMode,
  writableBuffer: ({ _writableState: state }) => state.buffered,
  writableEnded: ({ _writableState: state }) => state.ending,
  writableNeedDrain: ({ _writableState: state }) => !state.destroyed && !state.ending && state.needDrain,
  writableHighWaterMark: ({ _writableState: state }) => state.highWaterMark,
  writableCorked: ({ _writableState: state }) => state.corked,
  writableLength: ({ _writableState: state }) => state.length,
  writableAborted: ({ _writableState: state }) => !!(state.destroyed || state.errored) && !state.finished,
};
getters(Writable, {
  ...table,
  closed: ({ _writableState: state }) => state.closed,
  errored: ({ _writableState: state }) => state.errored,
  destroyed: ({ _writableState: state }) => state.destroyed,
});

// A stream can be writable without having Writable on its prototype chain.
Object.defineProperty(Writable, Symbol.hasInstance, {
  value(object) { return Function.prototype[Symbol.hasInstance].call(this, object) || (this === Writable && !!object?._writableState); },
});

module.exports = { Writable, initWritable, methods, table };
