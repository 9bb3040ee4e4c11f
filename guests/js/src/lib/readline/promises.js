// readline/promises.

const readline = require('readline');

class Interface extends readline.Interface {
  question(query, options = {}) {
    return new Promise((resolve, reject) => {
      options.signal?.addEventListener('abort', () => reject(options.signal.reason), { once: true });
      super.question(query, options, resolve);
    });
  }
}

// Gathers escape sequences; `commit` writes them.
class Readline {
  #stream;
  #pending = '';

  constructor(stream) { this.#stream = stream; }

  #add(call, ...args) {
    call({ write: (text) => { this.#pending += text; return true; } }, ...args);
    return this;
  }

  clearLine(direction) { return this.#add(readline.clearLine, direction); }

  clearScreenDown() { return this.#add(readline.clearScreenDown); }

  cursorTo(x, y) { return this.#add(readline.cursorTo, x, y); }

  moveCursor(dx, dy) { return this.#add(readline.moveCursor, dx, dy); }

  commit() { return new Promise((resolve) => { this.#stream.write(this.#pending, () => resolve()); this.#pending = ''; }); }

  rollback() {
    this.#pending = '';
    return this;
  }
}

module.exports = { Interface, Readline, createInterface: (...args) => new Interface(...args) };
