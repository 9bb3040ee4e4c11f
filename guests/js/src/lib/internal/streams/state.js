// What every kind of stream shares: its end and its errors.

const EventEmitter = require('events');
const { AbortError } = require('internal/abort');

const DEFAULT_BYTES = 65536; // buffered before a stream asks to wait
const DEFAULT_OBJECTS = 16;

const highWaterMark = (options, objectMode, side) => options?.[`${side}HighWaterMark`] ?? options?.highWaterMark
  ?? (objectMode ? DEFAULT_OBJECTS : DEFAULT_BYTES);

// The base class of all streams. `_readableState` and `_writableState` are
// there for the programs that look at them.
function Stream(options) {
  EventEmitter.call(this, options);
}
Object.setPrototypeOf(Stream.prototype, EventEmitter.prototype);
Object.setPrototypeOf(Stream, EventEmitter);

const eachState = (stream, call) => [stream._readableState, stream._writableState].filter(Boolean).forEach(call);

// The older pipe, for streams that are neither readable nor writable.
Stream.prototype.pipe = function pipe(target, options) {
  this.on('data', (chunk) => { if (target.write(chunk) === false) this.pause?.(); });
  target.on('drain', () => this.resume?.());
  if (options?.end !== false) this.on('end', () => target.end());
  target.emit('pipe', this);
  return target;
};

// Methods of readable and writable streams alike.
const shared = {
  destroy(error, callback) {
    const states = [this._readableState, this._writableState].filter(Boolean);
    if (states.some((state) => state.destroyed)) {
      callback?.();
      return this;
    }
    for (const state of states) {
      state.destroyed = true;
      if (error) state.errored ??= error;
    }
    const finish = (failure) => {
      for (const state of states) {
        state.closed = true;
        if (failure) state.errored ??= failure;
      }
      callback?.(failure);
      process.nextTick(() => {
        if (failure && !states.some((state) => state.errorEmitted)) {
          for (const state of states) state.errorEmitted = true;
          this.emit('error', failure);
        }
        for (const state of states) state.closeEmitted = true;
        if (states.some((state) => state.emitClose)) this.emit('close');
      });
    };
    const begin = () => {
      let called = false;
      const once = (failure) => {
        if (called) return;
        called = true;
        finish(failure ?? error ?? null);
      };
      try {
        this._destroy(error ?? null, once);
      } catch (failure) {
        once(failure);
      }
    };
    if (states.some((state) => !state.constructed)) this.once(CONSTRUCTED, begin);
    else begin();
    return this;
  },

  _destroy(error, callback) { callback(error); },

  _undestroy() {
    eachState(this, (state) => Object.assign(state, { destroyed: false, closed: false, closeEmitted: false, errored: null, errorEmitted: false }));
  },

  [Symbol.asyncDispose]() {
    const error = this.destroyed ? null : new AbortError();
    if (error) this.destroy(error);
    return new Promise((resolve) => require('internal/streams/finished').finished(this, () => resolve()));
  },
};
const CONSTRUCTED = Symbol('constructed');

// An error that ends a stream, or is only told if the stream ended before.
function fail(stream, error) {
  const states = [stream._readableState, stream._writableState].filter(Boolean);
  if (states.some((state) => state.autoDestroy)) {
    stream.destroy(error);
    return;
  }
  for (const state of states) state.errored ??= error;
  if (!states.some((state) => state.errorEmitted)) {
    for (const state of states) state.errorEmitted = true;
    stream.emit('error', error);
  }
}

// Runs `_construct`, after which `ready` may be called.
function construct(stream, ready) {
  if (typeof stream._construct !== 'function') return;
  eachState(stream, (state) => { state.constructed = false; });
  if (stream.constructing) {
    stream.once(CONSTRUCTED, ready);
    return;
  }
  Object.defineProperty(stream, 'constructing', { value: true, configurable: true });
  stream.once(CONSTRUCTED, ready);
  process.nextTick(() => {
    const done = (error) => {
      eachState(stream, (state) => { state.constructed = true; });
      if (error) fail(stream, error);
      stream.emit(CONSTRUCTED);
    };
    try {
      stream._construct(done);
    } catch (error) {
      done(error);
    }
  });
}

// Ends a stream when a signal says so.
function addAbortSignal(signal, stream) {
  const abort = () => stream.destroy(new AbortError(undefined, { cause: signal.reason }));
  if (signal.aborted) abort();
  else signal.addEventListener('abort', abort, { once: true });
  return stream;
}

// Getters on a class, of a value computed from the stream.
function getters(Class, table) {
  for (const [name, get] of Object.entries(table)) {
    Object.defineProperty(Class.prototype, name, { configurable: true, get() { return get(this); } });
  }
}

function inherit(Class, Parent, methods) {
  Object.setPrototypeOf(Class.prototype, Parent.prototype);
  Object.setPrototypeOf(Class, Parent);
  for (const [name, own] of Object.entries(Object.getOwnPropertyDescriptors(methods))) Object.defineProperty(Class.prototype, name, own);
  for (const name of Object.getOwnPropertySymbols(methods)) Class.prototype[name] = methods[name];
}

module.exports = { Stream, shared, fail, construct, addAbortSignal, getters, inherit, highWaterMark };
