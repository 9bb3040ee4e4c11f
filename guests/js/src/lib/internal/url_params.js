// URLSearchParams.

const { inspect } = require('internal/inspect');
const { withCode } = require('internal/errors');

const CHANGED = Symbol('changed');
const SET = Symbol('set');

const decode = (text) => {
  const spaced = text.replaceAll('+', ' ');
  if (!spaced.includes('%')) return spaced;
  const bytes = spaced.replace(/%([0-9a-f]{2})|[^\0-\x7f]+/gi, (whole, hex) => (hex
    ? String.fromCharCode(Number.parseInt(hex, 16))
    : native.decode(new Uint8Array(native.encode(whole, 'utf8')), 'latin1')));
  return native.decode(new Uint8Array(native.encode(bytes, 'latin1')), 'utf8');
};

const encode = (text) => encodeURIComponent(text.toWellFormed())
  .replace(/[!'()~]|%20/g, (part) => (part === '%20' ? '+' : `%${part.charCodeAt(0).toString(16).toUpperCase()}`));

function parse(text) {
  if (text.startsWith('?')) text = text.slice(1);
  return text.split('&').filter(Boolean).map((part) => {
    const at = part.indexOf('=');
    return at === -1 ? [decode(part), ''] : [decode(part.slice(0, at)), decode(part.slice(at + 1))];
  });
}

function pairsOf(init) {
  if (init === undefined || init === null) return [];
  if (typeof init !== 'object' && typeof init !== 'function') return parse(`${init}`);
  if (typeof init[Symbol.iterator] !== 'function') return Object.entries(init).map(([name, value]) => [name, `${value}`]);
  return Array.from(init, (pair) => {
    const items = pair === null || typeof pair !== 'object' ? [] : [...pair];
    if (items.length !== 2) throw withCode(TypeError, 'ERR_INVALID_TUPLE', 'Each query pair must be an iterable [name, value] tuple');
    return items.map(String);
  });
}

class URLSearchParams {
  #pairs;
  #changed = () => {};

  constructor(init) { this.#pairs = pairsOf(init); }

  [CHANGED](call) { this.#changed = call; }

  [SET](text) { this.#pairs = parse(text); }

  get size() { return this.#pairs.length; }

  append(name, value) {
    this.#pairs.push([`${name}`, `${value}`]);
    this.#changed(this.toString());
  }

  delete(name, value) {
    this.#pairs = this.#pairs.filter(([key, other]) => key !== `${name}` || (value !== undefined && other !== `${value}`));
    this.#changed(this.toString());
  }

  get(name) { return this.#pairs.find(([key]) => key === `${name}`)?.[1] ?? null; }

  getAll(name) { return this.#pairs.filter(([key]) => key === `${name}`).map(([, value]) => value); }

  has(name, value) { return this.#pairs.some(([key, other]) => key === `${name}` && (value === undefined || other === `${value}`)); }

  set(name, value) {
    const first = this.#pairs.findIndex(([key]) => key === `${name}`);
    if (first === -1) this.#pairs.push([`${name}`, `${value}`]);
    else this.#pairs = this.#pairs.filter(([key], i) => i <= first || key !== `${name}`).with(first, [`${name}`, `${value}`]);
    this.#changed(this.toString());
  }

  sort() {
    this.#pairs.sort(([a], [b]) => (a < b ? -1 : Number(a > b)));
    this.#changed(this.toString());
  }

  forEach(callback, self) { for (const [name, value] of this.#pairs) callback.call(self, value, name, this); }

  * entries() { for (const pair of this.#pairs) yield [...pair]; }

  * keys() { for (const [name] of this.#pairs) yield name; }

  * values() { for (const [, value] of this.#pairs) yield value; }

  [Symbol.iterator]() { return this.entries(); }

  toString() { return this.#pairs.map((pair) => pair.map(encode).join('=')).join('&'); }

  [inspect.custom](depth, options) {
    if (typeof depth === 'number' && depth < 0) return options.stylize('[Object]', 'special');
    const shown = this.#pairs.map((pair) => pair.map((part) => inspect(part, options)).join(' => '));
    const length = shown.reduce((sum, part) => sum + part.length + 2, -2);
    if (shown.length === 0) return 'URLSearchParams {}';
    if (length > options.breakLength) return `URLSearchParams {\n  ${shown.join(',\n  ')} }`;
    return `URLSearchParams { ${shown.join(', ')} }`;
  }
}
Object.defineProperty(URLSearchParams.prototype, Symbol.toStringTag, { value: 'URLSearchParams', configurable: true });

module.exports = {
  URLSearchParams,
  onChange: (params, call) => params[CHANGED](call),
  setAll: (params, text) => params[SET](text),
};
