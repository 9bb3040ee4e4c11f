// A path without symbolic links, which WASI does not resolve for us.

const { systemError } = require('internal/errors');

const MOST_LINKS = 40; // followed in one path, as Linux bounds them

// `show` is the path as the program gave it, for the error.
function realpath(path, show = path) {
  let done = '';
  let rest = path.split('/').filter(Boolean);
  for (let links = 0; rest.length; ) {
    const part = rest.shift();
    if (part === '.') continue;
    if (part === '..') {
      done = done.slice(0, Math.max(0, done.lastIndexOf('/')));
      continue;
    }
    const next = `${done}/${part}`;
    let type;
    try {
      [type] = native.stat(next, false);
    } catch (name) {
      // What is above a preopened folder cannot be looked at, only gone through.
      if (rest.length === 0 || (name !== 'EACCES' && name !== 'ENOENT' && name !== 'EBADF')) throw systemError(name, 'realpath', show);
      done = next;
      continue;
    }
    if (type !== 'l') {
      done = next;
      continue;
    }
    if (++links > MOST_LINKS) throw systemError('ELOOP', 'realpath', show);
    const link = native.readLink(next);
    if (link.startsWith('/')) done = '';
    rest = [...link.split('/').filter(Boolean), ...rest];
  }
  if (done !== '') {
    try {
      native.stat(done, true);
    } catch (name) {
      throw systemError(name, 'realpath', show);
    }
  }
  return done || '/';
}

module.exports = { realpath };
