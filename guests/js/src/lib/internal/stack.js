// Stack traces as V8 writes them: a header, then one line a frame.

// A frame of the library that a program's author has no use for. The last ones
// are dropped, so that a stack ends with the program's own first frame.
const isInternal = (site) => {
  const file = site.getFileName();
  return file === null || file === undefined || file.startsWith('node:internal/');
};

function frame(site, next) {
  const file = site.getFileName();
  let name = site.getFunctionName();
  if (name === '<eval>' || name === '<anonymous>') name = '';
  if (!file) return name ? `${name} (<anonymous>)` : '<anonymous>';
  // The function around a CommonJS module.
  if (!name && next?.getFileName()?.startsWith('node:internal/cjs')) name = 'Object.<anonymous>';
  const line = site.getLineNumber();
  const place = line ? `${file}:${line}:${site.getColumnNumber()}` : file;
  return name ? `${name} (${place})` : place;
}

function header(error) {
  try {
    return Error.prototype.toString.call(error);
  } catch {
    return 'Error';
  }
}

// What the engine calls to make the `stack` of a new error.
function prepareStackTrace(error, sites) {
  let end = sites.length;
  while (end > 0 && isInternal(sites[end - 1])) end--;
  let text = header(error);
  for (let i = 0; i < end; i++) {
    const file = sites[i].getFileName();
    if (file !== undefined && file !== null && file.startsWith('node:internal/')) continue;
    text += `\n    at ${frame(sites[i], sites[i + 1])}`;
  }
  return text;
}

module.exports = { prepareStackTrace };
