// The url module: URL, URLSearchParams, and the older parse and format.

const { inspect } = require('internal/inspect');
const { invalidArgType, withCode } = require('internal/errors');
const { URLSearchParams, onChange, setAll } = require('internal/url_params');
const legacy = require('internal/url_legacy');
const path = require('path');

const FIELDS = ['href', 'origin', 'protocol', 'username', 'password', 'host', 'hostname', 'port', 'pathname', 'search', 'hash'];

class URL {
  #parts;
  #params;

  constructor(input, base) {
    if (arguments.length === 0) throw withCode(TypeError, 'ERR_MISSING_ARGS', 'The "url" argument must be specified');
    input = `${input}`;
    const parts = native.urlParse(input, base === undefined ? undefined : `${base}`);
    if (parts == null) {
      const error = withCode(TypeError, 'ERR_INVALID_URL', 'Invalid URL');
      error.input = input;
      if (base !== undefined) error.base = `${base}`;
      throw error;
    }
    this.#parts = parts;
  }

  get searchParams() {
    if (this.#params === undefined) {
      this.#params = new URLSearchParams(this.search);
      onChange(this.#params, (text) => { this.#change('search', text); });
    }
    return this.#params;
  }

  #change(name, value) { this.#parts = native.urlChange(this.#parts[0], name, `${value}`) ?? this.#parts; }

  toString() { return this.href; }

  toJSON() { return this.href; }

  static canParse(input, base) { return native.urlParse(`${input}`, base === undefined ? undefined : `${base}`) != null; }

  static parse(input, base) { return URL.canParse(input, base) ? new URL(input, base) : null; }

  static createObjectURL() { throw require('internal/errors').notAvailable('URL.createObjectURL', 'there is no registry of blobs'); }

  static {
    FIELDS.forEach((name, i) => {
      const own = { enumerable: true, configurable: true, get() { return this.#parts[i]; } };
      if (name === 'href') {
        own.set = function (value) {
          this.#parts = new URL(value).#parts;
          if (this.#params) setAll(this.#params, this.search);
        };
      } else if (name !== 'origin') {
        own.set = function (value) {
          this.#change(name, value);
          if (name === 'search' && this.#params) setAll(this.#params, this.search);
        };
      }
      Object.defineProperty(URL.prototype, name, own);
    });
  }

  [inspect.custom](depth, options) {
    if (typeof depth === 'number' && depth < 0) return this;
    const shown = {};
    for (const name of [...FIELDS.slice(0, 10), 'searchParams', 'hash']) shown[name] = this[name];
    return `${this.constructor.name} ${inspect(shown, options)}`;
  }
}
for (const name of ['searchParams', 'toString', 'toJSON']) {
  Object.defineProperty(URL.prototype, name, { ...Object.getOwnPropertyDescriptor(URL.prototype, name), enumerable: true });
}
Object.defineProperty(URL.prototype, Symbol.toStringTag, { value: 'URL', configurable: true });

const UNSAFE_IN_PATH = { '%': '%25', '\\': '%5C', '\n': '%0A', '\r': '%0D', '\t': '%09', '?': '%3F', '#': '%23' };

function pathToFileURL(file) {
  let resolved = path.resolve(file);
  if (file.endsWith('/') && !resolved.endsWith('/')) resolved += '/';
  return new URL(`file://${resolved.replace(/[%\\\n\r\t?#]/g, (character) => UNSAFE_IN_PATH[character])}`);
}

function fileURLToPath(url) {
  if (typeof url === 'string') url = new URL(url);
  else if (!(url instanceof URL)) throw invalidArgType('path', ['string', 'URL'], url);
  if (url.protocol !== 'file:') throw withCode(TypeError, 'ERR_INVALID_URL_SCHEME', 'The URL must be of scheme file');
  if (url.hostname !== '') throw withCode(TypeError, 'ERR_INVALID_FILE_URL_HOST', 'File URL host must be "localhost" or empty on linux');
  if (/%2f/i.test(url.pathname)) throw withCode(TypeError, 'ERR_INVALID_FILE_URL_PATH', 'File URL path must not include encoded / characters');
  return decodeURIComponent(url.pathname);
}

function urlToHttpOptions(url) {
  const { hostname, hash, search, pathname, href, protocol, port, username, password } = url;
  return {
    protocol,
    hostname: hostname.startsWith('[') ? hostname.slice(1, -1) : hostname,
    hash, search, pathname, path: `${pathname}${search}`, href,
    ...(port !== '' && { port: Number(port) }),
    ...((username || password) && { auth: `${decodeURIComponent(username)}:${decodeURIComponent(password)}` }),
  };
}

// `url.format` of a URL takes options; of an object it is the older one.
function format(url, options = {}) {
  if (!(url instanceof URL)) return legacy.format(url);
  const { auth = true, fragment = true, search = true, unicode = false } = options;
  const copy = new URL(url.href);
  if (!auth) [copy.username, copy.password] = ['', ''];
  if (!fragment) copy.hash = '';
  if (!search) copy.search = '';
  return unicode ? copy.href.replace(copy.hostname, native.domainToUnicode(copy.hostname)) : copy.href;
}

module.exports = {
  URL,
  URLSearchParams,
  Url: legacy.Url,
  parse: legacy.parse,
  resolve: legacy.resolve,
  format,
  domainToASCII: (domain) => native.domainToAscii(`${domain}`),
  domainToUnicode: (domain) => native.domainToUnicode(`${domain}`),
  pathToFileURL,
  fileURLToPath,
  urlToHttpOptions,
};
