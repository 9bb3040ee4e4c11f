// The command line of `node`.

const fatal = require('internal/fatal');
const loop = require('internal/loop');
const { process, finish } = require('internal/process');
const { kind, toUrl } = require('internal/files');
const path = require('path');

const BAD_OPTION_STATUS = 9;
const NEVER_SETTLED_STATUS = 13;

const HELP = `Usage: node [options] [ script.js ] [arguments]
       node [options] -e CODE [arguments]
       node [options] -            (the script is on standard input)

Options:
  -                         read the script from standard input (the default
                            where no file is named)
  --                        end of the options
  -c, --check               check the syntax of the script, do not run it
  -e, --eval=...            run the code given
  -h, --help                print this
  --input-type=...          module or commonjs: what -e and standard input are
  --import=..., -r, --require=...
                            load a module first
  --no-warnings             print no warnings
  -p, --print [...]         run the code given and print its value
  --stack-trace-limit=...   lines of a stack trace
  -v, --version             print the version whose behaviour this follows

JavaScript of a Mote sandbox: the language of 2023, modules from the workspace,
the files of the sandbox. No network, no threads, no native addons.
`;

// Options of Node's that change nothing here.
const IGNORED = /^--(?:no-)?(?:trace-\w+|experimental-[\w-]+|enable-source-maps|deprecation|harmony[\w-]*|preserve-symlinks(?:-main)?|pending-deprecation|abort-on-uncaught-exception|track-heap-objects|max-old-space-size|max-semi-space-size|unhandled-rejections|dns-result-order|force-node-api-uncaught-exceptions-policy|icu-data-dir|title|stack-size|jitless|interpreted-frames-native-stack|disable-proto|insecure-http-parser|use-openssl-ca|tls-[\w.-]+|conditions|env-file)(?:=.*)?$/;

// The first import brings the rules of modules, and hooks of their own.
native.hooks.resolve = (...args) => {
  require('internal/esm');
  return native.hooks.resolve(...args);
};

function fail(message) {
  native.writeText(2, `${process.argv0}: ${message}\n`);
  native.exit(BAD_OPTION_STATUS);
}

// What the arguments ask for; `rest` is what the program gets to see.
function parse(args) {
  const asked = { preload: [], rest: [] };
  const value = (name, inline) => {
    if (inline !== undefined) return inline;
    if (args.length === 0) fail(`${name} requires an argument`);
    return args.shift();
  };
  while (args.length) {
    const [argument] = args;
    if (argument === '-' || !argument.startsWith('-')) break;
    args.shift();
    if (argument === '--') break;
    const [, name, inline] = /^(--[^=]+)(?:=(.*))?$/s.exec(argument) ?? [undefined, argument];
    switch (name) {
      case '-v': case '--version': asked.version = true; break;
      case '-h': case '--help': asked.help = true; break;
      case '-c': case '--check': asked.check = true; break;
      case '-e': case '--eval': asked.code = value(name, inline); break;
      case '-p': case '--print': case '-pe':
        asked.print = true;
        if (inline !== undefined || (args.length && (name === '-pe' || asked.code === undefined))) asked.code = value(name, inline);
        break;
      case '-i': case '--interactive': fail('no interactive mode in a sandbox: give a file, -e CODE, or a script on standard input'); break;
      case '-r': case '--require': asked.preload.push({ require: value(name, inline) }); break;
      case '--import': asked.preload.push({ import: value(name, inline) }); break;
      case '-C': case '--conditions': value(name, inline); break;
      case '--input-type':
        asked.type = value(name, inline);
        if (asked.type !== 'module' && asked.type !== 'commonjs') fail('--input-type must be "module" or "commonjs"');
        break;
      case '--no-warnings': process.noWarnings = true; break;
      case '--no-deprecation': process.noDeprecation = true; break;
      case '--stack-trace-limit': Error.stackTraceLimit = Number(value(name, inline)); break;
      case '--expose-gc': case '--expose_gc': globalThis.gc = native.collectGarbage; break;
      default: if (!IGNORED.test(argument)) fail(`bad option: ${argument}`);
    }
    process.execArgv.push(argument);
  }
  if (asked.print && asked.code === undefined) fail('-p requires an argument');
  asked.rest = args;
  return asked;
}

// Runs code that is no file: of -e, -p or standard input.
function runText(code, name, { type, print }) {
  const { compileCommonJs, hasModuleSyntax, runScript } = require('internal/compile');
  const Module = require('internal/cjs');
  let asModule = type === 'module';
  if (type === undefined && !print) {
    try {
      compileCommonJs(code, name);
    } catch (error) {
      asModule = hasModuleSyntax(error, code, name);
    }
  }
  if (asModule) {
    if (print) fail('--print cannot be used with ESM input');
    return settle(require('internal/esm').runText(code, toUrl(path.join(process.cwd(), `${name}1`))));
  }
  const module = new Module(name);
  module.filename = path.join(process.cwd(), name);
  module.path = process.cwd();
  module.paths = Module._nodeModulePaths(process.cwd());
  exposeBuiltins();
  Object.assign(globalThis, {
    module, exports: module.exports, require: Module.createRequire(path.join(process.cwd(), name)), __filename: name, __dirname: '.',
  });
  const value = runScript(code, name);
  if (print) console.log(value);
  return undefined;
}

// Code of -e sees every built-in module by its name.
function exposeBuiltins() {
  for (const name of require('internal/builtins').names) {
    if (name.includes('/') || name in globalThis) continue;
    Object.defineProperty(globalThis, name, {
      configurable: true,
      get: () => require('internal/builtins').load(name),
      set(value) { Object.defineProperty(globalThis, name, { value, writable: true, configurable: true }); },
    });
  }
}

let unsettled; // the main module's name while it awaits at its top

function settle(promise, name) {
  unsettled = name ?? 'the main module';
  promise.then(() => { unsettled = undefined; }, (error) => {
    unsettled = undefined;
    fatal.uncaught(error);
  });
}

function find(given) {
  const file = require('internal/resolve').forRequire(given, '/');
  if (file !== undefined) return file;
  const error = new Error(`Cannot find module '${given}'`);
  error.code = 'MODULE_NOT_FOUND';
  error.requireStack = [];
  throw error;
}

function runFile(name) {
  const Module = require('internal/cjs');
  const given = path.resolve(name);
  process.argv[1] = given;
  const file = find(given);
  process.argv[1] = file;
  if (isModule(file)) settle(require('internal/esm').runFile(toUrl(file)), toUrl(file));
  else Module._load(file, null, true);
}

// Whether a file is an ES module: by its name, its package, its text.
function isModule(file) {
  const extension = path.extname(file);
  if (extension === '.mjs') return true;
  if (extension !== '.js' && extension !== '') return false;
  const type = require('internal/resolve').nearestManifest(file)?.type;
  if (type !== undefined) return type === 'module';
  const { compileCommonJs, hasModuleSyntax } = require('internal/compile');
  const source = require('internal/files').read(file);
  if (!/\b(?:import|export|await)\b/.test(source)) return false;
  try {
    compileCommonJs(source, file);
    return false;
  } catch (error) {
    return hasModuleSyntax(error, source, file);
  }
}

function check(name) {
  const { compileCommonJs } = require('internal/compile');
  const file = find(path.resolve(name));
  const source = require('internal/files').read(file);
  if (isModule(file)) native.checkModule(source, file);
  else compileCommonJs(source, file);
}

function preload({ require: specifier, import: url }) {
  const Module = require('internal/cjs');
  const base = path.join(process.cwd(), 'preload');
  if (specifier !== undefined) Module.createRequire(base)(specifier);
  else native.importModule(native.hooks.resolve(url, base)).catch(fatal.uncaught);
}

function start(asked) {
  const [file, ...rest] = asked.rest;
  asked.preload.forEach(preload);
  if (asked.code !== undefined) {
    process.argv = [process.execPath, ...asked.rest];
    runText(asked.code, '[eval]', asked);
  } else if (file !== undefined && file !== '-') {
    process.argv = [process.execPath, file, ...rest];
    if (asked.check) check(file);
    else runFile(file);
  } else {
    if (native.isTerminal(0) && file === undefined) fail('no interactive mode in a sandbox: give a file, -e CODE, or a script on standard input');
    process.argv = [process.execPath, '-', ...rest];
    runText(native.decode(new Uint8Array(native.readToEnd(0)), 'utf8'), '[stdin]', asked);
  }
}

function run(args) {
  const asked = parse(args);
  if (asked.version || asked.help) {
    native.writeText(1, asked.version ? `${process.version}\n` : HELP);
    native.exit(0);
  }
  process.once('exit', () => {
    if (unsettled === undefined || process.exitCode !== undefined) return;
    native.writeText(2, `Warning: Detected unsettled top-level await at ${unsettled}\n`);
    process.exitCode = NEVER_SETTLED_STATUS;
  });
  require('internal/stack').forget();
  try {
    start(asked);
  } catch (error) {
    fatal.uncaught(error);
  }
  loop.runToEnd();
  finish();
}

module.exports = { run };
