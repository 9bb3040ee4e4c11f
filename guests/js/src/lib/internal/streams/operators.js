// map, filter and the like of readable streams.

// How many calls `concurrency` lets run at once, in the order of the input.
async function* inOrder(stream, call, { concurrency = 1, signal } = {}) {
  const running = [];
  for await (const chunk of stream) {
    signal?.throwIfAborted();
    const result = Promise.resolve(call(chunk, { signal }));
    result.catch(() => {}); // it is awaited in its turn
    running.push({ chunk, result });
    if (running.length >= concurrency) {
      const first = running.shift();
      yield [first.chunk, await first.result];
    }
  }
  for (const { chunk, result } of running) yield [chunk, await result];
}

module.exports = (Readable) => ({
  map(call, options) {
    return Readable.from((async function* () {
      for await (const [, result] of inOrder(this, call, options)) yield result;
    }).call(this));
  },

  filter(call, options) {
    return Readable.from((async function* () {
      for await (const [chunk, keep] of inOrder(this, call, options)) if (keep) yield chunk;
    }).call(this));
  },

  flatMap(call, options) {
    return Readable.from((async function* () {
      for await (const [, result] of inOrder(this, call, options)) yield* result;
    }).call(this));
  },

  take(count) {
    return Readable.from((async function* () {
      let taken = 0;
      if (count > 0) {
        for await (const chunk of this) {
          yield chunk;
          if (++taken >= count) return;
        }
      }
    }).call(this));
  },

  drop(count) {
    return Readable.from((async function* () {
      let seen = 0;
      for await (const chunk of this) if (++seen > count) yield chunk;
    }).call(this));
  },

  async forEach(call, options) {
    for await (const [] of inOrder(this, call, options));
  },

  async toArray() {
    const all = [];
    for await (const chunk of this) all.push(chunk);
    return all;
  },

  async some(call, options) {
    for await (const [, yes] of inOrder(this, call, options)) if (yes) return true;
    return false;
  },

  async every(call, options) {
    for await (const [, yes] of inOrder(this, call, options)) if (!yes) return false;
    return true;
  },

  async find(call, options) {
    for await (const [chunk, yes] of inOrder(this, call, options)) if (yes) return chunk;
    return undefined;
  },

  async reduce(call, ...initial) {
    let empty = initial.length === 0;
    let [sum] = initial;
    for await (const chunk of this) {
      sum = empty ? chunk : await call(sum, chunk);
      empty = false;
    }
    if (empty) throw new TypeError('Reduce of an empty stream requires an initial value');
    return sum;
  },

  compose(target) { return require('stream').compose(this, target); },
});
