// Makes functions of sources, and tells the kinds of sources apart.

const fatal = require('internal/fatal');

// The first line of a script may name its interpreter.
const withoutHashbang = (source) => source.replace(/^\uFEFF/, '').replace(/^#!/, '//');

function compileCommonJs(source, filename) {
  return native.compileFunction(withoutHashbang(source), filename);
}

// Whether a source that failed as CommonJS is an ES module: it has a word that
// could make it one, and as a module it is well-formed.
function hasModuleSyntax(error, source, filename) {
  if (!(error instanceof SyntaxError) || !/\b(?:import|export|await)\b/.test(source)) return false;
  try {
    native.checkModule(withoutHashbang(source), filename);
    return true;
  } catch {
    return false;
  }
}

function runScript(source, name) {
  fatal.remember(name, source);
  return native.runScript(withoutHashbang(source), name);
}

const NAME = '[A-Za-z_$][\\w$]*';

// The names a CommonJS module exports, found in its text as Node finds them,
// without running it. `follow` returns the names of a module it re-exports.
function exportedNames(source, follow) {
  const names = new Set();
  const matches = (pattern) => source.matchAll(new RegExp(pattern, 'g'));
  const exporter = '\\b(?:module\\s*\\.\\s*)?exports\\s*';
  for (const [, name] of matches(`${exporter}\\.\\s*(${NAME})\\s*=(?!=)`)) names.add(name);
  for (const [, name] of matches(`${exporter}\\[\\s*['"]([^'"]+)['"]\\s*\\]\\s*=(?!=)`)) names.add(name);
  for (const [, name] of matches(`Object\\s*\\.\\s*defineProperty\\s*\\(\\s*${exporter},\\s*['"]([^'"]+)['"]`)) names.add(name);
  for (const [, body] of matches('\\bmodule\\s*\\.\\s*exports\\s*=\\s*\\{([^]*?)\\}')) {
    for (const part of body.split(',')) {
      const [, name, quoted, spread] = new RegExp(`^\\s*(?:(?:get\\s+|async\\s+)?(${NAME})\\s*(?=$|[:(])|['"]([^'"]+)['"]\\s*:|\\.\\.\\.\\s*require\\s*\\(\\s*['"]([^'"]+)['"])`).exec(part) ?? [];
      if (name ?? quoted) names.add(name ?? quoted);
      else if (spread) for (const more of follow(spread)) names.add(more);
      else if (part.trim()) break;
    }
  }
  const reexports = `(?:\\bmodule\\s*\\.\\s*exports\\s*=|\\b__exportStar\\s*\\(|\\b__export\\s*\\()\\s*require\\s*\\(\\s*['"]([^'"]+)['"]`;
  for (const [, specifier] of matches(reexports)) {
    for (const name of follow(specifier)) names.add(name);
  }
  names.delete('default');
  return names;
}

module.exports = { withoutHashbang, compileCommonJs, hasModuleSyntax, runScript, exportedNames };
