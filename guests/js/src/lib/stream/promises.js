// stream/promises.

const streams = require('internal/streams/finished');

module.exports = {
  finished: (stream, options) => new Promise((resolve, reject) => {
    streams.finished(stream, options ?? {}, (error) => (error ? reject(error) : resolve()));
  }),
  pipeline: (...parts) => new Promise((resolve, reject) => {
    streams.pipeline(...parts, (error, value) => (error ? reject(error) : resolve(value)));
  }),
};
