// The readline module, for input that comes in lines; no line editor.

const EventEmitter = require('events');
const { StringDecoder } = require('string_decoder');
const { withCode, invalidArgValue } = require('internal/errors');
const { AbortError } = require('internal/abort');

const LINE_END = /\r\n|\n|\r(?!\n)|\u2028|\u2029/;

class Interface extends EventEmitter {
  #decoder = new StringDecoder('utf8');
  #rest = '';
  #asked;
  #ended = false;

  constructor(input, output, completer, terminal) {
    super();
    const options = input !== null && typeof input === 'object' && typeof input.on !== 'function' ? input : { input, output, completer, terminal };
    if (options.input === undefined) throw invalidArgValue('input', undefined);
    this.input = options.input;
    this.output = options.output;
    this.terminal = false;
    this.line = '';
    this.cursor = 0;
    this.history = [];
    this.closed = false;
    this.paused = false;
    this.prompting = options.prompt ?? '> ';
    const onData = (chunk) => this.#take(typeof chunk === 'string' ? chunk : this.#decoder.write(chunk));
    const onEnd = () => {
      this.#ended = true;
      this.#take(this.#decoder.end());
      const last = this.#rest.replace(/\r$/, '');
      this.#rest = '';
      if (last) this.#tell(last);
      this.close();
    };
    const onError = (error) => this.emit('error', error);
    this.input.on('data', onData);
    this.input.on('end', onEnd);
    this.input.on('error', onError);
    this.once('close', () => {
      this.input.removeListener('data', onData);
      this.input.removeListener('end', onEnd);
      this.input.removeListener('error', onError);
    });
    options.signal?.addEventListener('abort', () => this.close(), { once: true });
    if (options.signal?.aborted) process.nextTick(() => this.close());
    this.input.resume?.();
  }

  #take(text) {
    this.#rest += text;
    for (let end = LINE_END.exec(this.#rest); end && !this.closed; end = LINE_END.exec(this.#rest)) {
      // A return at the end of a piece may be half of a line end.
      if (end[0] === '\r' && end.index === this.#rest.length - 1 && !this.#ended) break;
      const line = this.#rest.slice(0, end.index);
      this.#rest = this.#rest.slice(end.index + end[0].length);
      this.#tell(line);
    }
  }

  #tell(line) {
    if (this.#asked === undefined) {
      this.emit('line', line);
      return;
    }
    const answer = this.#asked;
    this.#asked = undefined;
    answer(line);
  }

  setPrompt(prompt) { this.prompting = String(prompt); }

  getPrompt() { return this.prompting; }

  prompt() {
    if (this.paused) this.resume();
    this.output?.write(this.prompting);
  }

  question(query, options, callback) {
    if (typeof options === 'function') [options, callback] = [{}, options];
    if (this.closed) throw withCode(Error, 'ERR_USE_AFTER_CLOSE', 'readline was closed');
    if (this.#asked !== undefined) {
      this.prompt();
      return;
    }
    this.output?.write(query);
    options?.signal?.addEventListener('abort', () => { this.#asked = undefined; }, { once: true });
    this.#asked = callback;
    this.resume();
  }

  write(data) {
    if (this.closed) throw withCode(Error, 'ERR_USE_AFTER_CLOSE', 'readline was closed');
    if (this.paused) this.resume();
    if (data !== undefined && data !== null) this.#take(String(data));
  }

  pause() {
    if (!this.paused) {
      this.input.pause?.();
      this.paused = true;
      this.emit('pause');
    }
    return this;
  }

  resume() {
    if (this.paused) {
      this.input.resume?.();
      this.paused = false;
      this.emit('resume');
    }
    return this;
  }

  close() {
    if (this.closed) return;
    this.pause();
    this.closed = true;
    this.emit('close');
  }

  getCursorPos() { return { rows: 0, cols: 0 }; }

  [Symbol.dispose]() { this.close(); }

  async* #lines() {
    const lines = [];
    let wake = () => {};
    let failure;
    this.on('line', (line) => { lines.push(line); wake(); });
    this.on('close', () => wake());
    this.on('error', (error) => { failure = error; wake(); });
    try {
      for (;;) {
        if (lines.length) yield lines.shift();
        else if (failure) throw failure;
        else if (this.closed) return;
        else await new Promise((resolve) => { wake = resolve; });
      }
    } finally {
      this.close();
    }
  }

  [Symbol.asyncIterator]() {
    // The listening starts now, not when the first line is asked for.
    const lines = this.#lines();
    const first = lines.next();
    let started = false;
    return {
      next() {
        if (started) return lines.next();
        started = true;
        return first;
      },
      return: (value) => lines.return(value),
      [Symbol.asyncIterator]() { return this; },
    };
  }
}

Object.defineProperty(Interface.prototype.question, Symbol.for('nodejs.util.promisify.custom'), {
  value(query, options) { return ask(this, query, options); },
});

// A question as a promise.
const ask = (self, query, options = {}) => new Promise((resolve, reject) => {
  const { signal } = options;
  const abort = () => reject(new AbortError(undefined, { cause: signal.reason }));
  if (signal?.aborted) {
    abort();
    return;
  }
  signal?.addEventListener('abort', abort, { once: true });
  self.question(query, options, resolve);
});

// Escape sequences of a terminal; `false` says its buffer is full.
const escape = (stream, text, callback) => {
  if (stream == null) {
    if (callback) process.nextTick(callback, null);
    return true;
  }
  return stream.write(text, callback);
};

module.exports = {
  Interface,
  ask,
  createInterface: (...args) => new Interface(...args),
  clearLine: (stream, direction, callback) => escape(stream, ['\x1b[1K', '\x1b[2K', '\x1b[0K'][Math.sign(direction) + 1], callback),
  clearScreenDown: (stream, callback) => escape(stream, '\x1b[0J', callback),
  cursorTo(stream, x, y, callback) {
    if (typeof y === 'function') [y, callback] = [undefined, y];
    return escape(stream, y === undefined ? `\x1b[${x + 1}G` : `\x1b[${y + 1};${x + 1}H`, callback);
  },
  moveCursor(stream, dx, dy, callback) {
    const step = (distance, back, forth) => (distance === 0 ? '' : `\x1b[${Math.abs(distance)}${distance < 0 ? back : forth}`);
    return escape(stream, step(dx, 'D', 'C') + step(dy, 'A', 'B'), callback);
  },
  emitKeypressEvents() {},
};
Object.defineProperty(module.exports, 'promises', { enumerable: true, get: () => require('readline/promises') });
