// AbortController and AbortSignal.

const { inspect } = require('internal/inspect');
const { Event, EventTarget, eventHandler } = require('internal/event_target');
const { withCode } = require('internal/errors');

class AbortError extends Error {
  constructor(message = 'The operation was aborted', options = undefined) {
    super(message, options);
    this.code = 'ABORT_ERR';
    this.name = 'AbortError';
  }
}

const ABORT = Symbol('abort');
const KEY = Symbol('key'); // only this file makes signals

class AbortSignal extends EventTarget {
  #aborted = false;
  #reason;

  constructor(key) {
    super();
    if (key !== KEY) throw withCode(TypeError, 'ERR_ILLEGAL_CONSTRUCTOR', 'Illegal constructor');
  }

  get aborted() { return this.#aborted; }

  get reason() { return this.#reason; }

  throwIfAborted() {
    if (this.#aborted) throw this.#reason;
  }

  [ABORT](reason = new DOMException('This operation was aborted', 'AbortError')) {
    if (this.#aborted) return;
    this.#aborted = true;
    this.#reason = reason;
    this.dispatchEvent(new Event('abort'));
  }

  static abort(reason) {
    const signal = new AbortSignal(KEY);
    signal[ABORT](reason);
    return signal;
  }

  static timeout(delay) {
    const signal = new AbortSignal(KEY);
    const expire = () => signal[ABORT](new DOMException('The operation was aborted due to timeout', 'TimeoutError'));
    require('timers').setTimeout(expire, delay).unref();
    return signal;
  }

  static any(signals) {
    const any = new AbortSignal(KEY);
    for (const signal of signals) {
      if (signal.aborted) any[ABORT](signal.reason);
      else signal.addEventListener('abort', () => any[ABORT](signal.reason), { once: true });
    }
    return any;
  }

  [inspect.custom](depth, options) { return `AbortSignal ${inspect({ aborted: this.aborted }, options)}`; }
}
eventHandler(AbortSignal, 'abort');

class AbortController {
  #signal = new AbortSignal(KEY);

  get signal() { return this.#signal; }

  abort(reason) { this.#signal[ABORT](reason); }

  [inspect.custom](depth, options) { return `AbortController ${inspect({ signal: this.signal }, options)}`; }
}

for (const Class of [AbortSignal, AbortController]) {
  Object.defineProperty(Class.prototype, Symbol.toStringTag, { value: Class.name, configurable: true });
}

module.exports = { AbortController, AbortSignal, AbortError };
