// The fs module.

const { notAvailable } = require('internal/errors');
const { constants } = require('internal/fs/common');
const { Stats, Dirent } = require('internal/fs/stats');
const { withCallback } = require('internal/fs/async');
const { validateFunction } = require('internal/validators');
const loop = require('internal/loop');
const files = require('internal/fs/files');
const { Dir, ...folders } = require('internal/fs/folders');

const sync = { ...files, ...folders };

const fs = {
  ...sync,
  constants,
  F_OK: constants.F_OK,
  R_OK: constants.R_OK,
  W_OK: constants.W_OK,
  X_OK: constants.X_OK,
  Stats,
  Dirent,
  Dir,
};
for (const [name, call] of Object.entries(sync)) {
  const plain = name.slice(0, -'Sync'.length);
  fs[plain] = Object.defineProperty(withCallback(call), 'name', { value: plain });
}

fs.exists = (file, callback) => {
  validateFunction(callback, 'cb');
  const exists = sync.existsSync(file);
  loop.complete(() => callback(exists));
};
Object.defineProperty(fs.exists, Symbol.for('nodejs.util.promisify.custom'), { value: async (file) => sync.existsSync(file) });

// Calls back with the buffer too.
const withBuffer = (call) => (fd, buffer, ...rest) => {
  const callback = rest.pop();
  if (typeof fd !== 'number') throw require('internal/errors').invalidArgType('fd', 'number', fd);
  if (buffer !== null && typeof buffer === 'object' && !ArrayBuffer.isView(buffer) && !Array.isArray(buffer)) {
    rest = [buffer];
    buffer = rest[0].buffer ?? Buffer.alloc(16384);
  }
  withCallback(call)(fd, buffer, ...rest, (error, count) => callback(error, count, buffer));
};
for (const name of ['read', 'write', 'readv', 'writev']) {
  fs[name] = Object.defineProperty(withBuffer(sync[`${name}Sync`]), 'name', { value: name });
  const value = [name.startsWith('read') ? 'bytesRead' : 'bytesWritten', name.endsWith('v') ? 'buffers' : 'buffer'];
  Object.defineProperty(fs[name], Symbol.for('nodejs.util.promisify.customArgs'), { value });
}
fs.realpath.native = fs.realpath;

for (const name of ['watch', 'watchFile', 'unwatchFile', 'statfs', 'statfsSync', 'openAsBlob']) {
  fs[name] = () => { throw notAvailable(`fs.${name}`, name.includes('watch') ? 'nothing tells of changes to files' : 'the sandbox does not show it'); };
}
for (const name of ['createReadStream', 'createWriteStream', 'ReadStream', 'WriteStream']) {
  Object.defineProperty(fs, name, {
    enumerable: true, configurable: true, get: () => require('internal/fs/streams')[name],
    set(value) { Object.defineProperty(fs, name, { value, writable: true }); },
  });
}
Object.defineProperty(fs, 'promises', { enumerable: true, get: () => require('fs/promises') });

module.exports = fs;
