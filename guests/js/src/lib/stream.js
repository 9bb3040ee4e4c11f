// The stream module.

const { Stream, addAbortSignal } = require('internal/streams/state');
const { Readable } = require('internal/streams/readable');
const { Writable } = require('internal/streams/writable');
const { Duplex, Transform, PassThrough } = require('internal/streams/duplex');
const { finished, pipeline } = require('internal/streams/finished');

// One duplex of several streams or functions.
function compose(...parts) {
  const first = new PassThrough({ objectMode: true });
  const last = new PassThrough({ objectMode: true });
  const duplex = new Duplex({
    objectMode: true,
    write: (chunk, encoding, callback) => { if (first.write(chunk, encoding)) callback(); else first.once('drain', callback); },
    final: (callback) => { first.end(); callback(); },
    read: () => last.resume(),
  });
  last.on('data', (chunk) => { if (!duplex.push(chunk)) last.pause(); });
  last.on('end', () => duplex.push(null));
  const isReadable = (part) => part instanceof Readable && !(part instanceof Duplex);
  const chain = isReadable(parts[0]) ? parts : [first, ...parts];
  pipeline(...chain, last, (error) => { if (error) duplex.destroy(error); });
  return duplex;
}

const promises = () => require('stream/promises');

module.exports = Object.assign(Stream, {
  Stream,
  Readable,
  Writable,
  Duplex,
  Transform,
  PassThrough,
  finished,
  pipeline,
  compose,
  addAbortSignal,
  getDefaultHighWaterMark: (objectMode) => (objectMode ? 16 : 65536),
  isReadable: (stream) => stream?.readable === true,
  isErrored: (stream) => !!(stream?._readableState?.errored ?? stream?._writableState?.errored),
  isDisturbed: (stream) => !!(stream?._readableState?.dataEmitted || stream?.destroyed),
  destroy: (stream, error) => stream.destroy(error),
});
Object.defineProperty(module.exports, 'promises', { enumerable: true, get: promises });

const custom = Symbol.for('nodejs.util.promisify.custom');
Object.defineProperty(pipeline, custom, { enumerable: true, get: () => promises().pipeline });
Object.defineProperty(finished, custom, { enumerable: true, get: () => promises().finished });
