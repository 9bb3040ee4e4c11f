// url.parse, url.format and url.resolve, older than the web's URL.

const { invalidArgType } = require('internal/errors');
const querystring = require('querystring');

// Protocols whose URLs have `//` and a host.
const SLASHED = /^(?:https?|ftp|gopher|file|wss?):$/;

class Url {
  constructor() {
    for (const key of ['protocol', 'slashes', 'auth', 'host', 'port', 'hostname', 'hash', 'search', 'query', 'pathname', 'path', 'href']) this[key] = null;
  }

  format() { return format(this); }

  resolve(to) { return resolve(this.href, to); }
}

const escape = (text) => text.replace(/[\t\n\r "<>`{}|\\^']/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`);

function parse(text, parseQuery = false, slashesDenoteHost = false) {
  if (text instanceof Url) return text;
  if (typeof text !== 'string') throw invalidArgType('url', 'string', text);
  const url = new Url();
  let rest = text.trim();
  const protocol = /^[a-z0-9.+-]+:/i.exec(rest)?.[0].toLowerCase();
  if (protocol) {
    url.protocol = protocol;
    rest = rest.slice(protocol.length);
    if (SLASHED.test(protocol)) rest = rest.replace(/^[^?#]*/, (part) => part.replaceAll('\\', '/'));
  }
  if (rest.startsWith('//') && (protocol || slashesDenoteHost) && protocol !== 'javascript:') {
    url.slashes = true;
    rest = rest.slice(2);
    const end = rest.search(/[/?#]/);
    let authority = end === -1 ? rest : rest.slice(0, end);
    rest = end === -1 ? '' : rest.slice(end);
    const at = authority.lastIndexOf('@');
    if (at !== -1) {
      url.auth = decodeURIComponent(authority.slice(0, at));
      authority = authority.slice(at + 1);
    }
    const port = /:(\d*)$/.exec(authority);
    if (port) {
      if (port[1]) [, url.port] = port;
      authority = authority.slice(0, port.index);
    }
    url.hostname = native.domainToAscii(authority.toLowerCase()) || authority.toLowerCase();
    url.host = url.hostname + (url.port ? `:${url.port}` : '');
    url.hostname = url.hostname.replace(/^\[(.*)\]$/, '$1');
  }
  rest = escape(rest);
  const hash = rest.indexOf('#');
  if (hash !== -1) {
    url.hash = rest.slice(hash);
    rest = rest.slice(0, hash);
  }
  const question = rest.indexOf('?');
  if (question !== -1) {
    url.search = rest.slice(question);
    url.query = parseQuery ? querystring.parse(url.search.slice(1)) : url.search.slice(1);
    rest = rest.slice(0, question);
  } else if (parseQuery) {
    url.search = null;
    url.query = { __proto__: null };
  }
  if (rest) url.pathname = rest;
  if (url.slashes && SLASHED.test(url.protocol ?? 'http:') && url.hostname && !url.pathname) url.pathname = '/';
  if (url.pathname || url.search) url.path = (url.pathname ?? '') + (url.search ?? '');
  url.href = format(url);
  return url;
}

function format(url) {
  if (typeof url === 'string') url = parse(url);
  else if (typeof url !== 'object' || url === null) throw invalidArgType('urlObject', ['Object', 'string'], url);
  let protocol = url.protocol ?? '';
  if (protocol && !protocol.endsWith(':')) protocol += ':';
  const auth = url.auth ? `${encodeURIComponent(url.auth).replace('%3A', ':')}@` : '';
  let host = '';
  if (url.host) host = auth + url.host;
  else if (url.hostname) host = auth + (url.hostname.includes(':') ? `[${url.hostname}]` : url.hostname) + (url.port ? `:${url.port}` : '');
  let pathname = url.pathname ?? '';
  let search = url.search ?? (url.query !== null && typeof url.query === 'object' && Object.keys(url.query).length ? querystring.stringify(url.query) : '');
  if (search && !search.startsWith('?')) search = `?${search}`;
  let hash = url.hash ?? '';
  if (hash && !hash.startsWith('#')) hash = `#${hash}`;
  if (url.slashes || ((!protocol || SLASHED.test(protocol)) && host)) {
    host = `//${host}`;
    if (pathname && !pathname.startsWith('/')) pathname = `/${pathname}`;
  }
  return protocol + host + pathname.replace(/[?#]/g, encodeURIComponent) + search.replaceAll('#', '%23') + hash;
}

function resolve(from, to) {
  const absolute = native.urlParse(from, undefined);
  if (absolute) return native.urlParse(to, from)?.[0] ?? to;
  const resolved = native.urlParse(to, native.urlParse(from, 'resolve://x/')?.[0]);
  if (!resolved) return to;
  const { pathname, search, hash } = parse(resolved[0]);
  const path = (pathname ?? '') + (search ?? '') + (hash ?? '');
  return resolved[2] === 'resolve:' ? (from.startsWith('/') || to.startsWith('/') ? path : path.slice(1)) : resolved[0];
}

module.exports = { Url, parse, format, resolve };
