// The console module and the global console.

const { format, formatWithOptions } = require('internal/format');
const { inspect } = require('internal/inspect');

const MOST_INDENTATION = 1000;

// 1.5 seconds as "1.500s", 90 as "1:30.000 (m:ss.mmm)".
function formatTime(ms) {
  const pad = (number) => String(number).padStart(2, '0');
  if (ms < 1000) return `${Number(ms.toFixed(3))}ms`;
  const hours = Math.floor(ms / 3_600_000);
  const minutes = Math.floor((ms % 3_600_000) / 60_000);
  const seconds = (ms % 60_000) / 1000;
  if (hours === 0 && minutes === 0) return `${seconds.toFixed(3)}s`;
  const [whole, fraction] = seconds.toFixed(3).split('.');
  const head = hours === 0 ? minutes : `${hours}:${pad(minutes)}`;
  return `${head}:${pad(whole)}.${fraction} (${hours === 0 ? '' : 'h:m'}m:ss.mmm)`;
}

class Console {
  #out;
  #err;
  #options;
  #indent = '';
  #indentation;
  #counts = new Map();
  #times = new Map();

  constructor(options, stderr, ignoreErrors = true) {
    if (!options || typeof options.write === 'function') options = { stdout: options, stderr, ignoreErrors };
    const { stdout, groupIndentation = 2, inspectOptions, colorMode = 'auto' } = options;
    if (!stdout || typeof stdout.write !== 'function') {
      throw require('internal/errors').withCode(TypeError, 'ERR_CONSOLE_WRITABLE_STREAM', 'Console expects a writable stream instance for stdout');
    }
    this.#out = stdout;
    this.#err = options.stderr ?? stdout;
    this.#indentation = Math.min(groupIndentation, MOST_INDENTATION);
    this.#options = inspectOptions ?? (colorMode === true ? { colors: true } : undefined);
    // So that `const { log } = console` works.
    for (const name of Object.getOwnPropertyNames(Console.prototype)) {
      if (name !== 'constructor') this[name] = Object.defineProperty(Console.prototype[name].bind(this), 'name', { value: name });
    }
  }

  #write(stream, text) {
    if (this.#indent) text = this.#indent + text.replaceAll('\n', `\n${this.#indent}`);
    try {
      stream.write(`${text}\n`);
    } catch (error) {
      // A closed output is no reason to end the program that prints to it.
      if (error?.code === undefined && !(error instanceof RangeError)) throw error;
    }
  }

  #format(args) {
    return this.#options === undefined ? format(...args) : formatWithOptions(this.#options, ...args);
  }

  log(...args) { this.#write(this.#out, this.#format(args)); }

  warn(...args) { this.#write(this.#err, this.#format(args)); }

  error(...args) { this.#write(this.#err, this.#format(args)); }

  info(...args) { this.log(...args); }

  debug(...args) { this.log(...args); }

  dirxml(...args) { this.log(...args); }

  dir(object, options) { this.#write(this.#out, inspect(object, { customInspect: false, ...this.#options, ...options })); }

  assert(condition, ...args) {
    if (condition) return;
    if (typeof args[0] === 'string') args[0] = `Assertion failed: ${args[0]}`;
    else if (args.length) args[0] = `Assertion failed: ${args[0]}`;
    else args[0] = 'Assertion failed';
    this.warn(...args);
  }

  trace(...args) {
    const error = { name: 'Trace', message: this.#format(args) };
    Error.captureStackTrace(error, this.trace);
    this.error(error.stack);
  }

  count(label = 'default') {
    label = `${label}`;
    const count = (this.#counts.get(label) ?? 0) + 1;
    this.#counts.set(label, count);
    this.log(`${label}: ${count}`);
  }

  countReset(label = 'default') {
    if (!this.#counts.delete(`${label}`)) process.emitWarning(`Count for '${label}' does not exist`);
  }

  group(...args) {
    if (args.length) this.log(...args);
    this.#indent += ' '.repeat(this.#indentation);
  }

  groupCollapsed(...args) { this.group(...args); }

  groupEnd() { this.#indent = this.#indent.slice(0, this.#indent.length - this.#indentation); }

  time(label = 'default') {
    label = `${label}`;
    if (this.#times.has(label)) process.emitWarning(`Label '${label}' already exists for console.time()`);
    else this.#times.set(label, native.now());
  }

  timeEnd(label = 'default') {
    if (this.#timeLog('timeEnd', `${label}`, [])) this.#times.delete(`${label}`);
  }

  timeLog(label = 'default', ...args) { this.#timeLog('timeLog', `${label}`, args); }

  #timeLog(name, label, args) {
    const start = this.#times.get(label);
    if (start === undefined) {
      process.emitWarning(`No such label '${label}' for console.${name}()`);
      return false;
    }
    this.log('%s: %s', label, formatTime(native.now() - start), ...args);
    return true;
  }

  table(data, columns) {
    if (data === null || typeof data !== 'object') this.log(data);
    else this.log(require('internal/table').table(data, columns, this.#options));
  }

  clear() {}

  profile() {}

  profileEnd() {}

  timeStamp() {}
}

// Writes straight to the file until the program asks for the stream itself,
// which it may replace the methods of: most programs never do.
const lazily = (fd, name) => ({
  write(text) {
    const { streams } = require('internal/process');
    if (streams[name] === undefined) native.writeText(fd, text);
    else streams[name].write(text);
  },
});

const globalConsole = new Console(lazily(1, 'stdout'), lazily(2, 'stderr'));
globalConsole.Console = Console;
Object.setPrototypeOf(globalConsole, Object.create(Object.prototype));
Object.defineProperty(globalConsole, Symbol.toStringTag, { value: 'console', configurable: true });

module.exports = globalConsole;
