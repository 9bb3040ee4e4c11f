// setTimeout and its kin.

const loop = require('internal/loop');
const { validateFunction } = require('internal/validators');
const { inspect } = require('internal/inspect');

const LONGEST = 2 ** 31 - 1; // milliseconds; Node runs a longer one at once

function duration(delay) {
  delay = Number(delay);
  if (!(delay >= 1)) return 1;
  if (delay > LONGEST) {
    process.emitWarning(`${delay} does not fit into a 32-bit signed integer.\nTimeout duration was set to 1.`, 'TimeoutOverflowWarning');
    return 1;
  }
  return Math.trunc(delay);
}

let lastId = 0;
const byId = new Map(); // timers whose number was asked for

class Timeout {
  #active = false;
  #ref = true;
  #repeat;

  constructor(callback, delay, args, repeat) {
    this._idleTimeout = duration(delay);
    this._onTimeout = callback;
    this._timerArgs = args.length ? args : undefined;
    this._repeat = repeat ? this._idleTimeout : null;
    this._destroyed = false;
    this.#repeat = repeat;
    for (const name of ['entry', 'fire', 'id']) Object.defineProperty(this, name, { writable: true, value: undefined });
    this.fire = () => this.#fire();
    this.#start();
  }

  #start() {
    loop.schedule(this, this._idleTimeout);
    if (!this.#active && this.#ref) loop.ref();
    this.#active = true;
  }

  #fire() {
    try {
      this._onTimeout(...(this._timerArgs ?? []));
    } finally {
      if (this.#active && this.#repeat && this.entry === undefined) this.#start();
      else if (this.entry === undefined) this.#stop();
    }
  }

  #stop() {
    if (this.#active && this.#ref) loop.unref();
    this.#active = false;
    this._destroyed = true;
    this.entry = undefined;
    if (this.id !== undefined) byId.delete(this.id);
  }

  close() {
    this.#repeat = false;
    this.#stop();
    return this;
  }

  ref() {
    if (!this.#ref && this.#active) loop.ref();
    this.#ref = true;
    return this;
  }

  unref() {
    if (this.#ref && this.#active) loop.unref();
    this.#ref = false;
    return this;
  }

  hasRef() { return this.#ref; }

  refresh() {
    if (this.#active) loop.schedule(this, this._idleTimeout);
    else this.#start();
    this._destroyed = false;
    return this;
  }

  [Symbol.toPrimitive]() {
    if (this.id === undefined) {
      this.id = ++lastId;
      byId.set(this.id, this);
    }
    return this.id;
  }

  [Symbol.dispose]() { this.close(); }

  [inspect.custom](_, options) { return inspect({ ...this, __proto__: { constructor: Timeout } }, { ...options, customInspect: false }); }
}

class Immediate {
  #entry;

  constructor(callback, args) {
    this._onImmediate = callback;
    this._argv = args.length ? args : undefined;
    this.#entry = { call: () => callback(...args), ref: true, cancelled: false };
    loop.immediate(this.#entry);
  }

  close() { this.#entry.cancelled = true; }

  ref() {
    this.#entry.ref = true;
    return this;
  }

  unref() {
    this.#entry.ref = false;
    return this;
  }

  hasRef() { return this.#entry.ref; }

  [Symbol.dispose]() { this.close(); }
}

function setTimeout(callback, delay, ...args) {
  validateFunction(callback, 'callback');
  return new Timeout(callback, delay, args, false);
}

function setInterval(callback, delay, ...args) {
  validateFunction(callback, 'callback');
  return new Timeout(callback, delay, args, true);
}

function setImmediate(callback, ...args) {
  validateFunction(callback, 'callback');
  return new Immediate(callback, args);
}

function clearTimeout(timer) {
  if (typeof timer === 'number' || typeof timer === 'string') timer = byId.get(Number(timer));
  if (timer instanceof Timeout) timer.close();
}

function clearImmediate(immediate) {
  if (immediate instanceof Immediate) immediate.close();
}

module.exports = { setTimeout, clearTimeout, setImmediate, clearImmediate, setInterval, clearInterval: clearTimeout };

Object.defineProperty(module.exports, 'promises', { enumerable: true, get: () => require('timers/promises') });
const promisified = Symbol.for('nodejs.util.promisify.custom');
for (const name of ['setTimeout', 'setImmediate']) {
  Object.defineProperty(module.exports[name], promisified, { enumerable: true, get: () => module.exports.promises[name] });
}
