// fs/promises.

const { constants } = require('internal/fs/common');
const { withPromise } = require('internal/fs/async');
const { FileHandle, openHandle } = require('internal/fs/handle');
const files = require('internal/fs/files');
const folders = require('internal/fs/folders');

const promises = { constants };
const NAMES = [
  'access', 'appendFile', 'chmod', 'chown', 'copyFile', 'cp', 'lchown', 'link', 'lstat', 'lutimes', 'mkdir', 'mkdtemp', 'opendir',
  'readFile', 'readdir', 'readlink', 'realpath', 'rename', 'rm', 'rmdir', 'stat', 'symlink', 'truncate', 'unlink', 'utimes', 'writeFile',
];
const sync = { ...files, ...folders };
for (const name of NAMES) {
  promises[name] = Object.defineProperty(withPromise(sync[`${name}Sync`]), 'name', { value: name });
}
const { readFile, writeFile, appendFile } = promises;

// A handle is as good as a path, and what comes in pieces as good as a whole.
promises.readFile = async (file, options) => readFile(file instanceof FileHandle ? file.fd : file, options);

const writeWith = (write) => async (file, data, options) => {
  const target = file instanceof FileHandle ? file.fd : file;
  if (typeof data === 'string' || ArrayBuffer.isView(data) || typeof data?.[Symbol.asyncIterator] !== 'function' && typeof data?.[Symbol.iterator] !== 'function') {
    return write(target, data, options);
  }
  const parts = [];
  for await (const part of data) parts.push(typeof part === 'string' ? Buffer.from(part) : part);
  return write(target, Buffer.concat(parts), options);
};
promises.writeFile = writeWith(writeFile);
promises.appendFile = writeWith(appendFile);
promises.open = openHandle;
promises.glob = async function* glob(...args) { yield* folders.globSync(...args); };
promises.watch = () => { throw require('internal/errors').notAvailable('fs.promises.watch', 'nothing tells of changes to files'); };

module.exports = promises;
