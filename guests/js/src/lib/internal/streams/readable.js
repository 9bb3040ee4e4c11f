// Readable streams.

const { Stream, shared, fail, construct, addAbortSignal, getters, inherit, highWaterMark } = require('internal/streams/state');
const { withCode, invalidArgType } = require('internal/errors');
const { AbortError } = require('internal/abort');

function Readable(options) {
  if (!(this instanceof Readable)) return new Readable(options);
  Stream.call(this, options);
  initReadable(this, options);
  return this;
}

function initReadable(stream, options) {
  const objectMode = !!(options?.objectMode || options?.readableObjectMode);
  stream._readableState = {
    objectMode, highWaterMark: highWaterMark(options, objectMode, 'readable'), buffer: [], length: 0, pipes: [], flowing: null,
    ended: false, endEmitted: false, reading: false, needReadable: false, emittedReadable: false, readableListening: false,
    constructed: true, destroyed: false, closed: false, closeEmitted: false, errored: null, errorEmitted: false,
    emitClose: options?.emitClose !== false, autoDestroy: options?.autoDestroy !== false, decoder: null, encoding: null,
    dataEmitted: false, sync: true, defaultEncoding: options?.defaultEncoding ?? 'utf8',
  };
  if (typeof options?.read === 'function') stream._read = options.read;
  if (typeof options?.destroy === 'function') stream._destroy = options.destroy;
  if (typeof options?.construct === 'function') stream._construct = options.construct;
  if (options?.encoding) stream.setEncoding(options.encoding);
  if (options?.signal) addAbortSignal(options.signal, stream);
  construct(stream, () => { if (stream._readableState.needReadable || stream._readableState.flowing) more(stream); });
}

const sizeOf = (state, chunk) => (state.objectMode ? 1 : chunk.length);

function asChunk(stream, chunk, encoding) {
  const state = stream._readableState;
  if (state.objectMode) return chunk;
  if (typeof chunk === 'string') {
    if (state.encoding && state.encoding === (encoding ?? state.defaultEncoding)) return chunk;
    chunk = Buffer.from(chunk, encoding ?? state.defaultEncoding);
  } else if (ArrayBuffer.isView(chunk)) {
    chunk = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  } else {
    throw invalidArgType('chunk', ['string', 'Buffer', 'TypedArray', 'DataView'], chunk);
  }
  return state.decoder ? state.decoder.write(chunk) : chunk;
}

// Puts a chunk in the buffer, or its end for null.
function add(stream, chunk, encoding, first) {
  const state = stream._readableState;
  if (chunk === null) {
    endOfInput(stream);
    return false;
  }
  state.reading = false;
  try {
    chunk = asChunk(stream, chunk, encoding);
  } catch (error) {
    fail(stream, error);
    return false;
  }
  if (state.ended && !first) {
    fail(stream, withCode(Error, 'ERR_STREAM_PUSH_AFTER_EOF', 'stream.push() after EOF'));
    return false;
  }
  if (state.destroyed || state.errored) return false;
  const size = sizeOf(state, chunk);
  if (size > 0 || state.objectMode) {
    if (state.flowing && state.length === 0 && !state.sync && stream.listenerCount('data') > 0 && !first) {
      state.dataEmitted = true;
      stream.emit('data', chunk);
    } else {
      state.length += size;
      if (first) state.buffer.unshift(chunk);
      else state.buffer.push(chunk);
      if (state.needReadable || state.flowing) emitReadable(stream);
    }
  }
  if (!state.ended) moreLater(stream);
  return !state.ended && (state.length < state.highWaterMark || state.length === 0);
}

function endOfInput(stream) {
  const state = stream._readableState;
  if (state.ended) return;
  const rest = state.decoder?.end();
  if (rest) {
    state.buffer.push(rest);
    state.length += rest.length;
  }
  state.ended = true;
  state.reading = false;
  emitReadable(stream);
}

function emitReadable(stream) {
  const state = stream._readableState;
  state.needReadable = false;
  if (state.emittedReadable) return;
  state.emittedReadable = true;
  process.nextTick(() => {
    state.emittedReadable = false;
    if (state.destroyed || state.errored) return;
    if (state.length || state.ended) stream.emit('readable');
    state.needReadable = !state.flowing && !state.ended && state.length <= state.highWaterMark;
    flow(stream);
  });
}

function flow(stream) {
  const state = stream._readableState;
  while (state.flowing && stream.read() !== null);
}

let pending = new WeakSet();
function moreLater(stream) {
  if (pending.has(stream)) return;
  pending.add(stream);
  process.nextTick(() => {
    pending.delete(stream);
    more(stream);
  });
}

// Asks the source for more while there is room.
function more(stream) {
  const state = stream._readableState;
  while (!state.reading && !state.ended && !state.destroyed && (state.length < state.highWaterMark || (state.flowing && state.length === 0))) {
    const before = state.length;
    stream.read(0);
    if (before === state.length) break;
  }
}

function endWhenRead(stream) {
  const state = stream._readableState;
  if (state.endEmitted || !state.ended || state.length > 0 || state.ending) return;
  state.ending = true;
  process.nextTick(() => {
    state.ending = false;
    if (state.errored || state.endEmitted || state.length > 0 || state.destroyed) return;
    state.endEmitted = true;
    stream.emit('end');
    const writable = stream._writableState;
    if (writable && stream.allowHalfOpen === false && !writable.ending) stream.end();
    if (state.autoDestroy && (!writable || (writable.autoDestroy && (writable.finished || writable.writable === false)))) stream.destroy();
  });
}

// Takes so much out of the buffer: one object, or `size` bytes or characters.
function take(state, size) {
  if (state.objectMode) {
    state.length--;
    return state.buffer.shift();
  }
  const joined = state.decoder ? state.buffer.join('') : (state.buffer.length === 1 ? state.buffer[0] : Buffer.concat(state.buffer));
  state.buffer = size < joined.length ? [joined.slice(size)] : [];
  state.length -= Math.min(size, joined.length);
  return joined.slice(0, size);
}

inherit(Readable, Stream, {
  ...shared,

  push(chunk, encoding) { return add(this, chunk === undefined ? null : chunk, encoding, false); },

  unshift(chunk, encoding) { return add(this, chunk, encoding, true); },

  read(size) {
    const state = this._readableState;
    const peek = size === 0;
    if (size > state.highWaterMark && !state.objectMode) state.highWaterMark = size;
    if (!peek) state.emittedReadable = false;
    if (peek && state.needReadable && (state.length >= state.highWaterMark || state.ended)) {
      if (state.length === 0 && state.ended) endWhenRead(this);
      else emitReadable(this);
      return null;
    }
    // A flowing stream gives chunk after chunk, a paused one all it has.
    const wanted = size === undefined || Number.isNaN(size)
      ? (state.flowing && state.length ? sizeOf(state, state.buffer[0]) : state.length) : Math.min(size, state.length);
    const enough = size === undefined || state.objectMode ? state.length > 0 : size <= state.length;
    if (state.ended && state.length === 0) {
      endWhenRead(this);
      return null;
    }
    const room = state.length === 0 || state.length - (peek ? 0 : wanted) < state.highWaterMark;
    if (!state.ended && !state.reading && !state.destroyed && !state.errored && state.constructed && (room || state.needReadable)) {
      state.reading = true;
      state.sync = true;
      if (state.length === 0) state.needReadable = true;
      try {
        this._read(state.highWaterMark);
      } catch (error) {
        fail(this, error);
      }
      state.sync = false;
    }
    let chunk = null;
    if (!peek && (enough || (state.ended && state.length > 0)) && state.length > 0) {
      chunk = take(state, size === undefined ? (state.flowing ? Math.min(wanted || sizeOf(state, state.buffer[0]), state.length) : state.length) : Math.min(size, state.length));
    }
    if (chunk === null) {
      state.needReadable = state.length <= state.highWaterMark;
    }
    if (state.length === 0) {
      if (!state.ended) state.needReadable = true;
      else if (chunk !== null || peek) endWhenRead(this);
    }
    if (chunk !== null && !state.errored && !state.closeEmitted) {
      state.dataEmitted = true;
      this.emit('data', chunk);
    }
    return chunk;
  },

  _read() { throw withCode(Error, 'ERR_METHOD_NOT_IMPLEMENTED', 'The _read() method is not implemented'); },

  on(type, listener) {
    const result = Stream.prototype.on.call(this, type, listener);
    const state = this._readableState;
    if (type === 'data') {
      state.readableListening = this.listenerCount('readable') > 0;
      if (state.flowing !== false) this.resume();
    } else if (type === 'readable' && !state.endEmitted && !state.readableListening) {
      Object.assign(state, { readableListening: true, needReadable: true, flowing: false, emittedReadable: false });
      if (state.length) emitReadable(this);
      else if (!state.reading) process.nextTick(() => this.read(0));
    }
    return result;
  },

  removeListener(type, listener) {
    const result = Stream.prototype.removeListener.call(this, type, listener);
    const state = this._readableState;
    if (type === 'readable') {
      process.nextTick(() => {
        state.readableListening = this.listenerCount('readable') > 0;
        if (!state.readableListening && this.listenerCount('data') > 0) this.resume();
      });
    }
    return result;
  },

  setEncoding(encoding) {
    const { StringDecoder } = require('string_decoder');
    const state = this._readableState;
    state.decoder = new StringDecoder(encoding);
    state.encoding = state.decoder.encoding;
    const text = state.buffer.map((chunk) => state.decoder.write(chunk)).join('');
    state.buffer = text ? [text] : [];
    state.length = text.length;
    return this;
  },

  pause() {
    if (this._readableState.flowing !== false) {
      this._readableState.flowing = false;
      this.emit('pause');
    }
    this._readableState.paused = true;
    return this;
  },

  resume() {
    const state = this._readableState;
    state.paused = false;
    if (!state.flowing) {
      state.flowing = !state.readableListening;
      process.nextTick(() => {
        if (!state.reading) this.read(0);
        this.emit('resume');
        flow(this);
        if (state.flowing && !state.reading) this.read(0);
      });
    }
    return this;
  },

  isPaused() { return this._readableState.paused === true || this._readableState.flowing === false; },

  pipe(target, options) {
    const state = this._readableState;
    const onData = (chunk) => { if (target.write(chunk) === false) this.pause(); };
    const onDrain = () => { if (state.pipes.includes(target)) this.resume(); };
    const unpipe = () => this.unpipe(target);
    const clean = () => {
      this.removeListener('data', onData);
      target.removeListener('drain', onDrain);
      target.removeListener('close', unpipe);
      target.removeListener('finish', unpipe);
      target.removeListener('unpipe', onUnpipe);
      this.removeListener('end', onEnd);
    };
    const onUnpipe = (source) => { if (source === this) clean(); };
    const onEnd = () => { if (options?.end !== false && target !== process.stdout && target !== process.stderr) target.end(); };
    state.pipes.push(target);
    this.on('data', onData);
    target.on('drain', onDrain);
    target.once('close', unpipe);
    target.once('finish', unpipe);
    target.on('unpipe', onUnpipe);
    if (state.endEmitted) process.nextTick(onEnd);
    else this.once('end', onEnd);
    target.emit('pipe', this);
    if (target.writableNeedDrain) this.pause();
    else this.resume();
    return target;
  },

  unpipe(target) {
    const state = this._readableState;
    const gone = target === undefined ? state.pipes : state.pipes.filter((pipe) => pipe === target);
    state.pipes = target === undefined ? [] : state.pipes.filter((pipe) => pipe !== target);
    if (gone.length && state.pipes.length === 0) this.pause();
    for (const pipe of gone) pipe.emit('unpipe', this, { hasUnpiped: false });
    return this;
  },

  wrap(old) {
    old.on('data', (chunk) => { if (!this.push(chunk)) old.pause?.(); });
    old.on('end', () => this.push(null));
    old.on('error', (error) => this.destroy(error));
    this._read = () => old.resume?.();
    return this;
  },

  async* iterate({ destroyOnReturn = true } = {}) {
    let wake;
    const wait = () => new Promise((resolve) => { wake = resolve; });
    const next = () => wake?.();
    this.on('readable', next);
    let done = false;
    const { finished } = require('internal/streams/finished');
    let failure;
    const stop = finished(this, { writable: false }, (error) => {
      failure = error ?? null;
      next();
    });
    try {
      for (;;) {
        const chunk = this.destroyed && this._readableState.length === 0 ? null : this.read();
        if (chunk !== null) {
          yield chunk;
        } else if (failure) {
          throw failure;
        } else if (failure === null) {
          done = true;
          return;
        } else {
          await wait();
        }
      }
    } catch (error) {
      failure = error;
      throw error;
    } finally {
      stop();
      this.removeListener('readable', next);
      if (!done && (failure || destroyOnReturn) && !this.destroyed) this.destroy(failure ? undefined : null);
    }
  },

  iterator(options) { return this.iterate({ destroyOnReturn: options?.destroyOnReturn !== false }); },

  [Symbol.asyncIterator]() { return this.iterate(); },
});
Readable.prototype.addListener = Readable.prototype.on;
Readable.prototype.off = Readable.prototype.removeListener;

getters(Readable, {
  readable: ({ _readableState: state }) => !!state && !state.destroyed && !state.errorEmitted && !state.endEmitted,
  readableDidRead: ({ _readableState: state }) => state.dataEmitted,
  readableAborted: ({ _readableState: state }) => !!(state.destroyed || state.errored) && !state.endEmitted,
  readableHighWaterMark: ({ _readableState: state }) => state.highWaterMark,
  readableBuffer: ({ _readableState: state }) => state.buffer,
  readableFlowing: ({ _readableState: state }) => state.flowing,
  readableLength: ({ _readableState: state }) => state.length,
  readableObjectMode: ({ _readableState: state }) => state.objectMode,
  readableEncoding: ({ _readableState: state }) => state.encoding,
  readableEnded: ({ _readableState: state }) => state.endEmitted,
  closed: ({ _readableState: state }) => state.closed,
  errored: ({ _readableState: state }) => state.errored,
  destroyed: ({ _readableState: state }) => state.destroyed,
});

// A stream of what an iterable gives.
Readable.from = function from(iterable, options) {
  if (typeof iterable === 'string' || Buffer.isBuffer(iterable)) {
    return new Readable({ objectMode: true, ...options, read() { this.push(iterable); this.push(null); } });
  }
  const iterator = iterable?.[Symbol.asyncIterator]?.() ?? iterable?.[Symbol.iterator]?.();
  if (!iterator) throw invalidArgType('iterable', ['Iterable'], iterable);
  let reading = false;
  const stream = new Readable({
    objectMode: true,
    highWaterMark: 1,
    ...options,
    read() { if (!reading) pull(); },
    destroy(error, callback) { Promise.resolve(iterator.return?.()).then(() => callback(error), callback); },
  });
  const pull = async () => {
    reading = true;
    try {
      for (;;) {
        const { value, done } = await iterator.next();
        if (done) {
          stream.push(null);
          break;
        }
        const item = await value;
        if (item === null) throw withCode(TypeError, 'ERR_STREAM_NULL_VALUES', 'May not write null values to stream');
        if (!stream.push(item)) break;
      }
      reading = false;
    } catch (error) {
      stream.destroy(error);
    }
  };
  return stream;
};

Object.assign(Readable.prototype, require('internal/streams/operators')(Readable, AbortError));

module.exports = { Readable, initReadable };
