// The events module.

const { invalidArgType, outOfRange, withCode } = require('internal/errors');
const { validateFunction, validateNumber, validateAbortSignal } = require('internal/validators');

const MOST_LISTENERS = 10; // of one event, before a warning of a leak
const CAPTURE = Symbol.for('nodejs.rejection');
const MONITOR = Symbol('events.errorMonitor');

function EventEmitter(options) {
  EventEmitter.init.call(this, options);
}

EventEmitter.prototype._events = undefined;
EventEmitter.prototype._eventsCount = 0;
EventEmitter.prototype._maxListeners = undefined;

EventEmitter.init = function init(options) {
  if (this._events === undefined || this._events === Object.getPrototypeOf(this)._events) {
    this._events = { __proto__: null };
    this._eventsCount = 0;
  }
  this._maxListeners ??= undefined;
  if (options?.captureRejections) this[CAPTURE_ON] = true;
};
const CAPTURE_ON = Symbol('kCapture');

const methods = {
  setMaxListeners(count) {
    validateNumber(count, 'setMaxListeners', 0);
    this._maxListeners = count;
    return this;
  },

  getMaxListeners() { return this._maxListeners ?? EventEmitter.defaultMaxListeners; },

  emit(type, ...args) {
    const events = this._events;
    if (type === 'error') {
      if (events?.[MONITOR] !== undefined) this.emit(MONITOR, ...args);
      if (events?.error === undefined) throw unhandledError(args[0]);
    }
    const handler = events?.[type];
    if (handler === undefined) return false;
    if (typeof handler === 'function') {
      this[CAPTURE_ON] ? capture(this, handler.apply(this, args), type, args) : handler.apply(this, args);
    } else {
      for (const listener of [...handler]) {
        const result = listener.apply(this, args);
        if (this[CAPTURE_ON]) capture(this, result, type, args);
      }
    }
    return true;
  },

  on(type, listener) { return add(this, type, listener, false); },

  prependListener(type, listener) { return add(this, type, listener, true); },

  once(type, listener) {
    validateFunction(listener, 'listener');
    return this.on(type, onceWrapper(this, type, listener));
  },

  prependOnceListener(type, listener) {
    validateFunction(listener, 'listener');
    return this.prependListener(type, onceWrapper(this, type, listener));
  },

  removeListener(type, listener) {
    validateFunction(listener, 'listener');
    const list = this._events?.[type];
    if (list === undefined) return this;
    if (list === listener || list.listener === listener) {
      forget(this, type);
    } else if (typeof list !== 'function') {
      const at = list.findLastIndex((other) => other === listener || other.listener === listener);
      if (at < 0) return this;
      const rest = list.filter((_, i) => i !== at);
      this._events[type] = rest.length === 1 ? rest[0] : rest;
    } else {
      return this;
    }
    if (this._events.removeListener !== undefined) this.emit('removeListener', type, listener);
    return this;
  },

  removeAllListeners(type) {
    if (this._events === undefined) return this;
    if (type === undefined) {
      for (const key of Reflect.ownKeys(this._events)) {
        if (key !== 'removeListener') this.removeAllListeners(key);
      }
      this.removeAllListeners('removeListener');
      this._events = { __proto__: null };
      this._eventsCount = 0;
      return this;
    }
    for (const listener of this.rawListeners(type).reverse()) this.removeListener(type, listener);
    return this;
  },

  listeners(type) { return this.rawListeners(type).map((listener) => listener.listener ?? listener); },

  rawListeners(type) {
    const list = this._events?.[type];
    if (list === undefined) return [];
    return typeof list === 'function' ? [list] : [...list];
  },

  listenerCount(type, listener) {
    const list = this.rawListeners(type);
    return listener ? list.filter((other) => other === listener || other.listener === listener).length : list.length;
  },

  eventNames() { return this._eventsCount > 0 ? Reflect.ownKeys(this._events) : []; },
};
for (const [name, value] of Object.entries(methods)) {
  Object.defineProperty(EventEmitter.prototype, name, { value, writable: true, enumerable: true, configurable: true });
}
EventEmitter.prototype.addListener = EventEmitter.prototype.on;
EventEmitter.prototype.off = EventEmitter.prototype.removeListener;

function forget(emitter, type) {
  delete emitter._events[type];
  emitter._eventsCount--;
}

function add(emitter, type, listener, first) {
  validateFunction(listener, 'listener');
  if (emitter._events === undefined) EventEmitter.init.call(emitter);
  const events = emitter._events;
  if (events.newListener !== undefined) emitter.emit('newListener', type, listener.listener ?? listener);
  const list = emitter._events[type];
  if (list === undefined) {
    emitter._events[type] = listener;
    emitter._eventsCount++;
    return emitter;
  }
  const both = typeof list === 'function' ? [list] : list;
  emitter._events[type] = first ? [listener, ...both] : [...both, listener];
  if (both.warned) emitter._events[type].warned = true;
  warnOfLeak(emitter, type);
  return emitter;
}

function warnOfLeak(emitter, type) {
  const list = emitter._events[type];
  const most = emitter.getMaxListeners();
  if (most <= 0 || list.length <= most || list.warned) return;
  list.warned = true;
  const name = emitter.constructor?.name ?? 'EventEmitter';
  process.emitWarning(`Possible EventEmitter memory leak detected. ${list.length} ${String(type)} listeners added to [${name}]. MaxListeners is ${most}. Use emitter.setMaxListeners() to increase limit`, 'MaxListenersExceededWarning');
}

function onceWrapper(emitter, type, listener) {
  let fired = false;
  const wrapper = (...args) => {
    if (fired) return undefined;
    fired = true;
    emitter.removeListener(type, wrapper);
    return listener.apply(emitter, args);
  };
  wrapper.listener = listener;
  return wrapper;
}

function unhandledError(error) {
  if (error instanceof Error) return error;
  const { inspect } = require('internal/inspect');
  const unhandled = withCode(Error, 'ERR_UNHANDLED_ERROR', `Unhandled error. (${typeof error === 'string' ? `'${error}'` : inspect(error)})`);
  unhandled.context = error;
  return unhandled;
}

function capture(emitter, result, type, args) {
  if (typeof result?.then !== 'function') return;
  result.then(undefined, (error) => process.nextTick(() => {
    if (typeof emitter[CAPTURE] === 'function') emitter[CAPTURE](error, type, ...args);
    else emitter.emit('error', error);
  }));
}

// A promise of the next event, as the array of its arguments.
function once(emitter, type, options = {}) {
  const { signal } = options;
  validateAbortSignal(signal, 'options.signal');
  return new Promise((resolve, reject) => {
    const { AbortError } = require('internal/abort');
    if (signal?.aborted) {
      reject(new AbortError(undefined, { cause: signal.reason }));
      return;
    }
    const isTarget = typeof emitter.on !== 'function';
    const remove = (name, listener) => (isTarget ? emitter.removeEventListener(name, listener) : emitter.removeListener(name, listener));
    const stop = () => {
      remove(type, onEvent);
      if (!isTarget) remove('error', onError);
      signal?.removeEventListener('abort', onAbort);
    };
    const onEvent = (...args) => { stop(); resolve(args); };
    const onError = (error) => { stop(); reject(error); };
    const onAbort = () => { stop(); reject(new AbortError(undefined, { cause: signal.reason })); };
    if (isTarget) emitter.addEventListener(type, onEvent, { once: true });
    else emitter.once(type, onEvent);
    if (!isTarget && type !== 'error') emitter.once('error', onError);
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

// An endless iteration over the events of a type.
function on(emitter, type, { signal, close = [] } = {}) {
  const { AbortError } = require('internal/abort');
  const values = [];
  const waiting = [];
  let failure;
  let done = false;
  const end = { value: undefined, done: true };
  const onEvent = (...args) => {
    if (waiting.length) waiting.shift().resolve({ value: args, done: false });
    else values.push(args);
  };
  const fail = (error) => {
    if (waiting.length) waiting.shift().reject(error);
    else failure = error;
    finish();
  };
  const finish = () => {
    done = true;
    emitter.removeListener(type, onEvent);
    emitter.removeListener('error', fail);
    for (const name of close) emitter.removeListener(name, finish);
    for (const { resolve } of waiting.splice(0)) resolve(end);
    return Promise.resolve(end);
  };
  emitter.on(type, onEvent);
  if (type !== 'error') emitter.on('error', fail);
  for (const name of close) emitter.on(name, finish);
  const abort = () => fail(new AbortError(undefined, { cause: signal.reason }));
  if (signal?.aborted) abort();
  signal?.addEventListener('abort', abort, { once: true });
  return {
    next() {
      if (values.length) return Promise.resolve({ value: values.shift(), done: false });
      if (failure) {
        const error = failure;
        failure = undefined;
        return Promise.reject(error);
      }
      if (done) return Promise.resolve(end);
      return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
    },
    return: finish,
    throw(error) { fail(error); return finish(); },
    [Symbol.asyncIterator]() { return this; },
  };
}

let defaultMaxListeners = MOST_LISTENERS;
Object.defineProperty(EventEmitter, 'defaultMaxListeners', {
  enumerable: true,
  get: () => defaultMaxListeners,
  set(count) {
    if (typeof count !== 'number' || count < 0 || Number.isNaN(count)) throw outOfRange('defaultMaxListeners', 'a non-negative number', count);
    defaultMaxListeners = count;
  },
});

function setMaxListeners(count = MOST_LISTENERS, ...targets) {
  if (targets.length === 0) defaultMaxListeners = count;
  for (const target of targets) {
    if (typeof target.setMaxListeners === 'function') target.setMaxListeners(count);
    else if (typeof target.addEventListener !== 'function') throw invalidArgType('eventTargets', ['EventEmitter', 'EventTarget'], target);
  }
}

module.exports = Object.assign(EventEmitter, {
  EventEmitter,
  once,
  on,
  errorMonitor: MONITOR,
  captureRejectionSymbol: CAPTURE,
  captureRejections: false,
  usingDomains: false,
  setMaxListeners,
  getEventListeners: (target, type) => (typeof target.listeners === 'function' ? target.listeners(type) : []),
  getMaxListeners: (target) => target.getMaxListeners?.() ?? MOST_LISTENERS,
  listenerCount: (emitter, type) => emitter.listenerCount(type),
  addAbortListener(signal, listener) {
    if (signal.aborted) queueMicrotask(() => listener());
    else signal.addEventListener('abort', listener, { once: true });
    return { [Symbol.dispose]: () => signal.removeEventListener('abort', listener) };
  },
});
