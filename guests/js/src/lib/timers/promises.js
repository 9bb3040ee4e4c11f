// timers/promises.

const timers = require('timers');
const { AbortError } = require('internal/abort');

// A promise of `start(done)`, ended early by `options.signal`. `stop` undoes
// what `start` returned.
function promise(start, stop, value, { signal, ref = true } = {}) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(new AbortError(undefined, { cause: signal.reason }));
      return;
    }
    const aborted = () => {
      stop(timer);
      reject(new AbortError(undefined, { cause: signal.reason }));
    };
    const timer = start(() => {
      signal?.removeEventListener('abort', aborted);
      resolve(value);
    });
    if (!ref) timer.unref();
    signal?.addEventListener('abort', aborted, { once: true });
  });
}

const setTimeout = (delay, value, options) => promise((done) => timers.setTimeout(done, delay), timers.clearTimeout, value, options);
const setImmediate = (value, options) => promise(timers.setImmediate, timers.clearImmediate, value, options);

async function* setInterval(delay, value, options) {
  for (;;) yield setTimeout(delay, value, options);
}

module.exports = {
  setTimeout,
  setImmediate,
  setInterval,
  scheduler: { wait: (delay, options) => setTimeout(delay, undefined, options), yield: () => setImmediate() },
};
