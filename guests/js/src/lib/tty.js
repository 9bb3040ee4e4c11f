// The tty module.

const { notAvailable } = require('internal/errors');

const absent = (name) => class {
  constructor() { throw notAvailable(`tty.${name}`, 'use process.stdin, process.stdout and process.stderr'); }
};

module.exports = {
  isatty: (fd) => Number.isInteger(fd) && fd >= 0 && fd <= 2 && native.isTerminal(fd),
  ReadStream: absent('ReadStream'),
  WriteStream: absent('WriteStream'),
};
