// Duplex streams and those that transform.

const { Stream, getters, inherit } = require('internal/streams/state');
const { Readable, initReadable } = require('internal/streams/readable');
const { initWritable, methods, table } = require('internal/streams/writable');
const { withCode } = require('internal/errors');

function Duplex(options) {
  if (!(this instanceof Duplex)) return new Duplex(options);
  Stream.call(this, options);
  this.allowHalfOpen = options?.allowHalfOpen !== false;
  initReadable(this, options);
  initWritable(this, options);
  if (options?.readable === false) Object.assign(this._readableState, { readable: false, ended: true, endEmitted: true });
  if (options?.writable === false) Object.assign(this._writableState, { ending: true, ended: true, finished: true });
  return this;
}
inherit(Duplex, Readable, methods);
getters(Duplex, table);

// Both ends of a value that has one or two: an object, an iterable, a function.
Duplex.from = function from(body) {
  if (body instanceof Duplex) return body;
  if (typeof body === 'function' || body?.readable !== undefined && body?.writable !== undefined) return require('stream').compose(body);
  const source = Readable.from(body);
  return Object.assign(new Duplex({ objectMode: true, writable: false, read: () => source.resume() }), { _source: source.on('data', function (chunk) { this.push?.(chunk); }) });
};

function Transform(options) {
  if (!(this instanceof Transform)) return new Transform(options);
  Duplex.call(this, options);
  this._readableState.sync = false;
  if (typeof options?.transform === 'function') this._transform = options.transform;
  if (typeof options?.flush === 'function') this._flush = options.flush;
  Object.defineProperty(this, WAITING, { value: null, writable: true });
  return this;
}
// The callback of a write that waits for room on the readable side.
const WAITING = Symbol('waiting');

inherit(Transform, Duplex, {
  _transform() { throw withCode(Error, 'ERR_METHOD_NOT_IMPLEMENTED', 'The _transform() method is not implemented'); },

  _write(chunk, encoding, callback) {
    const state = this._readableState;
    const { length } = state;
    this._transform(chunk, encoding, (error, result) => {
      if (error) {
        callback(error);
        return;
      }
      if (result !== undefined && result !== null) this.push(result);
      if (this._writableState.ended || length === state.length || state.length < state.highWaterMark) callback();
      else this[WAITING] = callback;
    });
  },

  _read() {
    const callback = this[WAITING];
    this[WAITING] = null;
    callback?.();
  },

  _final(callback) {
    if (typeof this._flush !== 'function') {
      this.push(null);
      callback();
      return;
    }
    this._flush((error, result) => {
      if (error) {
        callback(error);
        return;
      }
      if (result !== undefined && result !== null) this.push(result);
      this.push(null);
      callback();
    });
  },
});

function PassThrough(options) {
  if (!(this instanceof PassThrough)) return new PassThrough(options);
  Transform.call(this, options);
  return this;
}
inherit(PassThrough, Transform, { _transform(chunk, encoding, callback) { callback(null, chunk); } });

module.exports = { Duplex, Transform, PassThrough };
