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

// The member expression that ends where a call begins: `a.b[0].c`.
function calleeBefore(text, column) {
  let start = column;
  const name = /^[\w$#]+/.exec(text.slice(start))?.[0] ?? '';
  while (start > 0) {
    const before = text.slice(0, start);
    const part = /(?:[\w$#]+|\[[^[\]]*\]|\([^()]*\))\s*(?:\?\.|\.)\s*$/.exec(before) ?? /(?:[\w$#]+|\))(?=(?:\[[^[\]]*\]|\([^()]*\))[\s\S]*$)$/.exec(before)
      ?? (/^[[(]/.test(text.slice(start)) ? /[\w$#]+$/.exec(before) : null);
    if (!part) break;
    start = part.index;
  }
  return text.slice(start, column) + name;
}

// The engine says "not a function" and no more: what is not, stands in the
// source at the place of the call.
function nameCallee(error, sites) {
  const { message } = error;
  if (message !== 'not a function' && message !== 'not a constructor') return;
  const file = sites[0]?.getFileName();
  if (!file) error.message = `the argument of ${sites[0]?.getFunctionName()}() is ${message}`;
  if (!file || file.startsWith('node:')) return;
  const line = require('internal/fatal').lineOf(file, sites[0].getLineNumber());
  const callee = line && calleeBefore(line, sites[0].getColumnNumber() - 1).replace(/\([^()]+\)/g, '(...)');
  if (callee) error.message = `${callee} is ${message}`;
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
  if (error instanceof TypeError) nameCallee(error, sites);
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
