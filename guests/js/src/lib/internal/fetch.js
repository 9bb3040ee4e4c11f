// The network's globals, which say that there is no network.

const { notAvailable } = require('internal/errors');

const WHY = 'the network is not granted to programs';

const absent = (name) => class {
  constructor() { throw notAvailable(name, WHY); }
};

module.exports = {
  fetch: async () => { throw notAvailable('fetch', WHY); },
  Headers: absent('Headers'),
  Request: absent('Request'),
  Response: absent('Response'),
  FormData: absent('FormData'),
  WebSocket: absent('WebSocket'),
};
