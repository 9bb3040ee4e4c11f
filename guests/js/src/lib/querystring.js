// The querystring module.

const UNESCAPED = /[^A-Za-z0-9\-_.!~*'()]/;

const escape = (text) => {
  text = typeof text === 'string' ? text : String(text);
  return UNESCAPED.test(text) ? encodeURIComponent(text) : text;
};

// Bytes of a text in which `%xx` that is no escape stays as it is.
function unescapeBuffer(text) {
  const bytes = text.replace(/%([0-9a-f]{2})|[^\0-\x7f]+/gi, (whole, hex) => (hex
    ? String.fromCharCode(Number.parseInt(hex, 16))
    : native.decode(new Uint8Array(native.encode(whole, 'utf8')), 'latin1')));
  return Buffer.from(bytes, 'latin1');
}

function unescape(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return unescapeBuffer(text).toString();
  }
}

function primitive(value) {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' && Number.isFinite(value)) return String(value);
  if (typeof value === 'bigint' || typeof value === 'boolean') return String(value);
  return '';
}

function stringify(object, separator = '&', equals = '=', options = {}) {
  if (object === null || typeof object !== 'object') return '';
  const encode = options?.encodeURIComponent ?? module.exports.escape;
  return Object.entries(object).flatMap(([key, value]) => [].concat(value)
    .map((item) => `${encode(primitive(key))}${equals}${encode(primitive(item))}`)).join(separator);
}

function parse(text, separator = '&', equals = '=', options = {}) {
  const result = { __proto__: null };
  if (typeof text !== 'string' || text === '') return result;
  const { maxKeys = 1000 } = options ?? {};
  const decode = options?.decodeURIComponent ?? module.exports.unescape;
  const safely = (part) => {
    part = part.replaceAll('+', ' ');
    try {
      return part.includes('%') ? decode(part) : part;
    } catch {
      return unescape(part);
    }
  };
  const parts = text.split(separator || '&');
  for (const part of maxKeys > 0 ? parts.slice(0, maxKeys) : parts) {
    if (part === '') continue;
    const at = part.indexOf(equals || '=');
    const key = safely(at === -1 ? part : part.slice(0, at));
    const value = at === -1 ? '' : safely(part.slice(at + (equals || '=').length));
    if (!(key in result)) result[key] = value;
    else if (Array.isArray(result[key])) result[key].push(value);
    else result[key] = [result[key], value];
  }
  return result;
}

module.exports = { escape, unescape, unescapeBuffer, stringify, encode: stringify, parse, decode: parse };
