// spawn: a command that runs while the program goes on.

const EventEmitter = require('events');
const { Readable, Writable } = require('stream');
const { start, stdioOf, outcome } = require('internal/child');
const loop = require('internal/loop');

const running = new Set();

// Gives every child's news to its streams; the loop calls this each turn.
function pump() {
  for (const child of running) child.pump();
}
loop.onPoll(pump);

class ChildProcess extends EventEmitter {
  #handle;
  #open = new Set();

  constructor(file, args, options) {
    super();
    Object.assign(this, { exitCode: null, signalCode: null, killed: false, connected: false, spawnfile: file, spawnargs: [file, ...args], stdin: null, stdout: null, stderr: null });
    const stdio = stdioOf(options.stdio);
    try {
      this.#handle = start('spawn', file, args, options, stdio);
    } catch (error) {
      this.stdio = [this.stdin, this.stdout, this.stderr] = [new Writable({ write: (_, __, done) => done() }), Readable.from([]), Readable.from([])];
      process.nextTick(() => {
        this.emit('error', error);
        this.emit('close', -2, null);
      });
      return;
    }
    this.pid = this.#handle + 2;
    if (stdio[0] === 'pipe') this.stdin = this.#input();
    if (stdio[1] === 'pipe') this.stdout = this.#output(1);
    if (stdio[2] === 'pipe') this.stderr = this.#output(2);
    this.stdio = [this.stdin, this.stdout, this.stderr];
    running.add(this);
    loop.ref();
    process.nextTick(() => this.emit('spawn'));
    if (options.timeout) this.timer = require('timers').setTimeout(() => this.kill(options.killSignal), options.timeout);
    options.signal?.addEventListener('abort', () => {
      this.kill();
      const { AbortError } = require('internal/abort');
      this.emit('error', new AbortError(undefined, { cause: options.signal.reason }));
    }, { once: true });
  }

  #input() {
    const write = (chunk, encoding, callback) => {
      const count = native.childWrite(this.#handle, chunk);
      if (count === undefined || count === chunk.length) callback();
      else require('timers').setTimeout(() => write(chunk.subarray(count), encoding, callback), 1);
    };
    return new Writable({
      write,
      final: (callback) => { native.childEndInput(this.#handle); callback(); },
      destroy: (error, callback) => { native.childEndInput(this.#handle); callback(error); },
    });
  }

  #output(fd) {
    const stream = new Readable({ read() {} });
    this.#open.add(fd);
    return stream;
  }

  pump() {
    for (const fd of this.#open) {
      const stream = fd === 1 ? this.stdout : this.stderr;
      for (;;) {
        const chunk = native.childRead(this.#handle, fd);
        if (chunk === null) {
          stream.push(null);
          this.#open.delete(fd);
          break;
        }
        if (chunk.byteLength === 0) break;
        stream.push(Buffer.from(chunk));
      }
    }
    const status = this.exitCode === null && this.signalCode === null ? native.childStatus(this.#handle) : undefined;
    if (status) {
      [this.exitCode, this.signalCode] = outcome(status);
      if (this.killed) [this.exitCode, this.signalCode] = [null, this.killed];
      this.killed = !!this.killed;
      this.timer?.close();
      this.emit('exit', this.exitCode, this.signalCode);
    }
    if ((this.exitCode !== null || this.signalCode !== null) && this.#open.size === 0) this.#close();
  }

  #close() {
    running.delete(this);
    loop.unref();
    native.childForget(this.#handle);
    const waiting = [this.stdout, this.stderr].filter((stream) => stream && !stream.readableEnded && !stream.destroyed);
    let left = waiting.length;
    const done = () => this.emit('close', this.exitCode, this.signalCode);
    for (const stream of waiting) {
      stream.once('close', () => { if (--left === 0) done(); });
      stream.resume();
    }
    if (left === 0) process.nextTick(done);
  }

  kill(signal = 'SIGTERM') {
    if (!running.has(this)) return false;
    this.killed = typeof signal === 'string' ? signal : 'SIGTERM';
    native.childKill(this.#handle);
    return true;
  }

  ref() {}

  unref() {}

  [Symbol.dispose]() { this.kill(); }
}

module.exports = { ChildProcess };
