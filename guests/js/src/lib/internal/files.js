// Reading files, for the library's own use.

const ROOT = 'file://';

// "-" a file, "d" a folder; undefined for what is not there.
function kind(path) {
  try {
    return native.stat(path, true)[0];
  } catch {
    return undefined;
  }
}

const read = (path) => native.decode(new Uint8Array(native.readFile(path)), 'utf8');

// The text of a file or file URL; undefined when it cannot be read.
function readIfText(name) {
  try {
    return read(toPath(name));
  } catch {
    return undefined;
  }
}

// A module's name or a file URL as a path.
function toPath(url) {
  if (!url.startsWith(ROOT)) return url;
  const path = url.slice(ROOT.length).replace(/[?#].*$/s, '');
  return path.includes('%') ? decodeURIComponent(path) : path;
}

const toUrl = (path) => ROOT + encodeURI(path).replace(/[?#]/g, encodeURIComponent);

module.exports = { kind, read, readIfText, toPath, toUrl };
