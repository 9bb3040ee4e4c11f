// Event, EventTarget and CustomEvent of the web.

const { inspect } = require('internal/inspect');
const { invalidArgType, withCode } = require('internal/errors');

const TARGET = Symbol('target');
const STOPPED = Symbol('stopped');

class Event {
  #type;
  #cancelable;
  #bubbles;
  #composed;
  #prevented = false;
  #timeStamp = native.now();

  constructor(type, { bubbles = false, cancelable = false, composed = false } = {}) {
    if (arguments.length === 0) throw withCode(TypeError, 'ERR_MISSING_ARGS', 'The "type" argument must be specified');
    this.#type = `${type}`;
    this.#bubbles = !!bubbles;
    this.#cancelable = !!cancelable;
    this.#composed = !!composed;
    for (const key of [TARGET, STOPPED]) Object.defineProperty(this, key, { value: null, writable: true });
  }

  get type() { return this.#type; }

  get target() { return this[TARGET]; }

  get currentTarget() { return this[TARGET]; }

  get srcElement() { return this[TARGET]; }

  get bubbles() { return this.#bubbles; }

  get cancelable() { return this.#cancelable; }

  get composed() { return this.#composed; }

  get defaultPrevented() { return this.#cancelable && this.#prevented; }

  get returnValue() { return !this.defaultPrevented; }

  get timeStamp() { return this.#timeStamp; }

  get eventPhase() { return this[TARGET] ? 2 : 0; }

  get isTrusted() { return false; }

  composedPath() { return this[TARGET] ? [this[TARGET]] : []; }

  preventDefault() { this.#prevented = true; }

  stopPropagation() {}

  stopImmediatePropagation() { this[STOPPED] = true; }

  [inspect.custom](depth, options) {
    const { type, defaultPrevented, cancelable, timeStamp } = this;
    return `${this.constructor.name} ${inspect({ type, defaultPrevented, cancelable, timeStamp }, options)}`;
  }
}
Object.assign(Event, { NONE: 0, CAPTURING_PHASE: 1, AT_TARGET: 2, BUBBLING_PHASE: 3 });

class CustomEvent extends Event {
  #detail;

  constructor(type, options) {
    super(type, options);
    this.#detail = options?.detail ?? null;
  }

  get detail() { return this.#detail; }
}

class EventTarget {
  #listeners = new Map();

  addEventListener(type, listener, options) {
    if (listener == null) return;
    if (typeof listener !== 'function' && typeof listener !== 'object') throw invalidArgType('listener', 'EventListener', listener);
    const { once = false, capture = false, passive = false, signal } = typeof options === 'boolean' ? { capture: options } : (options ?? {});
    if (signal?.aborted) return;
    const list = this.#listeners.get(`${type}`) ?? [];
    if (list.some((entry) => entry.listener === listener && entry.capture === capture)) return;
    this.#listeners.set(`${type}`, [...list, { listener, once, capture, passive }]);
    signal?.addEventListener('abort', () => this.removeEventListener(type, listener, options), { once: true });
  }

  removeEventListener(type, listener, options) {
    const capture = typeof options === 'boolean' ? options : (options?.capture ?? false);
    const list = this.#listeners.get(`${type}`) ?? [];
    this.#listeners.set(`${type}`, list.filter((entry) => entry.listener !== listener || entry.capture !== capture));
  }

  dispatchEvent(event) {
    if (!(event instanceof Event)) throw invalidArgType('event', 'Event', event);
    event[TARGET] = this;
    for (const entry of this.#listeners.get(event.type) ?? []) {
      if (entry.once) this.removeEventListener(event.type, entry.listener, entry);
      try {
        if (typeof entry.listener === 'function') entry.listener.call(this, event);
        else entry.listener.handleEvent?.(event);
      } catch (error) {
        // One listener's fault is not the next one's.
        process.nextTick(() => { throw error; });
      }
      if (event[STOPPED]) break;
    }
    return !event.defaultPrevented;
  }

  [inspect.custom](depth, options) { return `${this.constructor.name} ${inspect({}, options)}`; }
}

// Gives a class the property `on<type>`, which sets one listener.
function eventHandler(Class, type) {
  const handlers = new WeakMap();
  Object.defineProperty(Class.prototype, `on${type}`, {
    enumerable: true,
    configurable: true,
    get() { return handlers.get(this) ?? null; },
    set(handler) {
      if (handlers.has(this)) this.removeEventListener(type, handlers.get(this));
      handlers.set(this, handler);
      if (typeof handler === 'function') this.addEventListener(type, handler);
    },
  });
}

for (const Class of [Event, CustomEvent, EventTarget]) {
  Object.defineProperty(Class.prototype, Symbol.toStringTag, { value: Class.name, configurable: true });
}

module.exports = { Event, CustomEvent, EventTarget, eventHandler };
