// util.inspect: any value as text for people. The algorithm is that of
// Node.js (MIT, Copyright Node.js contributors), so that the text is the same.

const types = require('internal/types');
const style = require('internal/inspect/style');
const { OBJECT, ARRAY_ITEM, ARRAY, join } = require('internal/inspect/layout');
const { constructorName, prefixOf, plainPrefix, functionBase, boxedBase } = require('internal/inspect/base');
const { formatError } = require('internal/inspect/error');
const items = require('internal/inspect/items')(formatValue, formatProperty);

const CUSTOM = Symbol.for('nodejs.util.inspect.custom');
const MIN_LINE_WIDTH = 16; // a shorter string is never broken
const MOST_CHARACTERS = 2 ** 27; // of one depth; past it only the top is shown

const defaults = Object.seal({
  showHidden: false,
  depth: 2,
  colors: false,
  customInspect: true,
  showProxy: false,
  maxArrayLength: 100,
  maxStringLength: 10000,
  breakLength: 80,
  compact: 3,
  sorted: false,
  getters: false,
  numericSeparator: false,
});

function inspect(value, options, depth, colors) {
  const ctx = { budget: {}, indentationLvl: 0, seen: [], currentDepth: 0, stylize: style.plain, ...defaults };
  if (depth !== undefined) ctx.depth = depth;
  if (colors !== undefined) ctx.colors = colors;
  if (typeof options === 'boolean') {
    ctx.showHidden = options;
  } else if (options) {
    for (const key of Object.keys(options)) {
      if (Object.hasOwn(defaults, key) || key === 'stylize') ctx[key] = options[key];
      else ctx.userOptions ??= options;
    }
  }
  if (ctx.colors) ctx.stylize = style.colored;
  ctx.maxArrayLength ??= Infinity;
  ctx.maxStringLength ??= Infinity;
  return formatValue(ctx, value, 0);
}

// What a value's own inspect function is given.
function userOptions(ctx) {
  const options = { stylize: ctx.stylize };
  for (const key of Object.keys(defaults)) options[key] = ctx[key];
  return Object.assign(options, ctx.userOptions);
}

const tooDeep = (ctx, depth) => ctx.depth !== null && depth > ctx.depth;

function formatValue(ctx, value, depth, inTypedArray) {
  if (value === null) return ctx.stylize('null', 'null');
  if (typeof value !== 'object' && typeof value !== 'function') return formatPrimitive(ctx, value, ctx.stylize);

  const original = value;
  const proxy = native.proxyDetails(value);
  if (proxy !== undefined) {
    if (proxy[0] === null) return ctx.stylize('<Revoked Proxy>', 'special');
    if (ctx.showProxy) return formatProxy(ctx, proxy, depth);
    [value] = proxy;
  }
  if (ctx.customInspect) {
    const custom = value[CUSTOM];
    if (typeof custom === 'function' && custom !== inspect && value.constructor?.prototype !== value) {
      const left = ctx.depth === null ? null : ctx.depth - depth;
      const shown = custom.call(original, left, userOptions(ctx), inspect);
      if (shown !== original) {
        if (typeof shown !== 'string') return formatValue(ctx, shown, depth);
        return shown.replaceAll('\n', `\n${' '.repeat(ctx.indentationLvl)}`);
      }
    }
  }
  if (ctx.seen.includes(value)) {
    ctx.circular ??= new Map();
    if (!ctx.circular.has(value)) ctx.circular.set(value, ctx.circular.size + 1);
    return ctx.stylize(`[Circular *${ctx.circular.get(value)}]`, 'special');
  }
  return formatObject(ctx, value, depth, inTypedArray);
}

function formatPrimitive(ctx, value, stylize) {
  switch (typeof value) {
    case 'string': return formatString(ctx, value, stylize);
    case 'number': return style.number(stylize, value, ctx.numericSeparator);
    case 'bigint': return style.bigint(stylize, value, ctx.numericSeparator);
    case 'symbol': return stylize(Symbol.prototype.toString.call(value), 'symbol');
    default: return stylize(String(value), typeof value);
  }
}

function formatString(ctx, text, stylize) {
  let trailer = '';
  if (text.length > ctx.maxStringLength) {
    const remaining = text.length - ctx.maxStringLength;
    text = text.slice(0, ctx.maxStringLength);
    trailer = `... ${remaining} more character${remaining > 1 ? 's' : ''}`;
  }
  if (ctx.compact !== true && text.length > MIN_LINE_WIDTH && text.length > ctx.breakLength - ctx.indentationLvl - 4) {
    const lines = text.split(/(?<=\n)/).map((line) => stylize(style.quote(line), 'string'));
    return lines.join(` +\n${' '.repeat(ctx.indentationLvl + 2)}`) + trailer;
  }
  return stylize(style.quote(text), 'string') + trailer;
}

function formatProxy(ctx, proxy, depth) {
  if (tooDeep(ctx, depth)) return ctx.stylize('Proxy [Array]', 'special');
  ctx.indentationLvl += 2;
  const shown = proxy.map((part) => formatValue(ctx, part, depth + 1));
  ctx.indentationLvl -= 2;
  return join(ctx, shown, '', ['Proxy [', ']'], ARRAY, depth + 1);
}

function keysOf(value, hidden) {
  const keys = hidden ? Object.getOwnPropertyNames(value) : Object.keys(value);
  const symbols = Object.getOwnPropertySymbols(value);
  return keys.concat(hidden ? symbols : symbols.filter((key) => Object.prototype.propertyIsEnumerable.call(value, key)));
}

// The keys of an array that are no index of it.
const extraKeys = (value, hidden) => keysOf(value, hidden).filter((key) => typeof key === 'symbol' || !/^(0|[1-9]\d*)$/.test(key));

// How a value of each kind is shown: `keys` to show as properties, `braces`,
// `entries` that are no properties, `base` before the brace, or `done`, all of it.
function describe(ctx, value, depth, constructor, tag, inTypedArray, bare) {
  const hidden = ctx.showHidden;
  if (Symbol.iterator in value || constructor === null) {
    const listed = describeIterable(ctx, value, constructor, tag, bare);
    if (listed) return listed;
  }
  const keys = keysOf(value, hidden);
  const none = keys.length === 0 && bare;
  const braced = (fallback, entries = items.none) => ({ keys, braces: [`${prefixOf(constructor, tag, fallback)}{`, '}'], entries });
  const based = (base, kind) => (none
    ? { done: kind ? ctx.stylize(base, kind) : base }
    : { keys, base, braces: ['{', '}'], entries: items.none });
  const prefixed = (text, name) => {
    const prefix = prefixOf(constructor, tag, name);
    return prefix === `${name} ` ? text : prefix + text;
  };

  if (typeof value === 'function') return based(functionBase(value, constructor, tag), 'special');
  if (constructor === 'Object') {
    let brace = tag === '' ? '{' : `${prefixOf(constructor, tag, 'Object')}{`;
    if (types.isArgumentsObject(value)) brace = '[Arguments] {';
    return none ? { done: `${brace}}` } : { keys, braces: [brace, '}'], entries: items.none };
  }
  if (types.isRegExp(value)) {
    const base = prefixed(RegExp.prototype.toString.call(constructor === null ? new RegExp(value) : value), 'RegExp');
    return tooDeep(ctx, depth) ? { done: ctx.stylize(base, 'regexp') } : based(base, 'regexp');
  }
  if (types.isDate(value)) {
    const invalid = Number.isNaN(Date.prototype.getTime.call(value));
    return based(prefixed(invalid ? 'Invalid Date' : Date.prototype.toISOString.call(value), 'Date'), 'date');
  }
  if (types.isNativeError(value)) {
    const base = formatError(value, constructor, tag, ctx, keys, prefixOf);
    return keys.length === 0 && bare ? { done: base } : { keys, base, braces: ['{', '}'], entries: items.none };
  }
  if (types.isAnyArrayBuffer(value)) return describeBuffer(ctx, value, constructor, tag, keys, inTypedArray);
  if (types.isDataView(value)) {
    keys.unshift('byteLength', 'byteOffset', 'buffer');
    return braced('DataView');
  }
  if (types.isPromise(value)) return braced('Promise', items.promise);
  if (types.isWeakSet(value)) return braced('WeakSet', items.unknown);
  if (types.isWeakMap(value)) return braced('WeakMap', items.unknown);
  if (types.isModuleNamespaceObject(value)) return { ...braced('Module', items.namespace(keys)), base: '' };
  if (types.isBoxedPrimitive(value)) {
    const boxed = boxedBase(value, keys, constructor, tag, (primitive) => formatPrimitive(ctx, primitive, style.plain));
    if (keys.length === 0 && bare) return { done: ctx.stylize(boxed.base, boxed.style) };
    return { keys, base: boxed.base, braces: ['{', '}'], entries: items.none };
  }
  const prefix = plainPrefix(value, constructor, tag);
  return none ? { done: `${prefix}{}` } : { keys, braces: [`${prefix}{`, '}'], entries: items.none };
}

function describeIterable(ctx, value, constructor, tag, bare) {
  const hidden = ctx.showHidden;
  if (Array.isArray(value)) {
    const prefix = constructor !== 'Array' || tag !== '' ? prefixOf(constructor, tag, 'Array', `(${value.length})`) : '';
    const keys = extraKeys(value, hidden);
    if (value.length === 0 && keys.length === 0 && bare) return { done: `${prefix}[]` };
    return { keys, braces: [`${prefix}[`, ']'], entries: items.array, kind: ARRAY };
  }
  for (const [test, name, entries] of [[types.isSet, 'Set', items.set], [types.isMap, 'Map', items.map]]) {
    if (test(value)) {
      const size = Object.getOwnPropertyDescriptor(globalThis[name].prototype, 'size').get.call(value);
      const prefix = prefixOf(constructor, tag, name, `(${size})`);
      const keys = keysOf(value, hidden);
      return size === 0 && keys.length === 0 && bare ? { done: `${prefix}{}` } : { keys, braces: [`${prefix}{`, '}'], entries };
    }
  }
  if (types.isTypedArray(value)) {
    const prefix = prefixOf(constructor, tag, value[Symbol.toStringTag], `(${value.length})`);
    const keys = extraKeys(value, hidden);
    if (value.length === 0 && keys.length === 0 && !hidden) return { done: `${prefix}[]` };
    return { keys, braces: [`${prefix}[`, ']'], entries: items.typedArray, kind: ARRAY };
  }
  if (types.isMapIterator(value) || types.isSetIterator(value)) {
    const [kind, rest] = native.iteratorRest(value) ?? [];
    const name = tag.replace(/Iterator$/, kind === 2 ? 'Entries' : 'Iterator');
    return { keys: keysOf(value, hidden), braces: [`[${name}] {`, '}'], entries: items.rest(kind, rest) };
  }
  return undefined;
}

function describeBuffer(ctx, value, constructor, tag, keys, inTypedArray) {
  const name = types.isArrayBuffer(value) ? 'ArrayBuffer' : 'SharedArrayBuffer';
  const prefix = prefixOf(constructor, tag, name);
  if (inTypedArray && keys.length === 0) {
    return { done: `${prefix}{ byteLength: ${style.number(ctx.stylize, value.byteLength, false)} }` };
  }
  keys.unshift('byteLength');
  return { keys, braces: [`${prefix}{`, '}'], entries: inTypedArray ? items.none : items.arrayBuffer };
}

const BUILT_IN = new Set(Object.getOwnPropertyNames(globalThis).filter((name) => /^[A-Z][a-zA-Z0-9]+$/.test(name)));

// Hidden properties of the prototypes of a class of the program's own.
function prototypeProperties(ctx, value, first, found, name, depth) {
  const shown = [];
  if (first === found && BUILT_IN.has(name)) return shown;
  const seen = new Set();
  let object = first ?? value;
  for (let level = 0; level < 3; level++) {
    if (level !== 0 || value === object) {
      object = Object.getPrototypeOf(object);
      if (object === null) break;
      const own = Object.getOwnPropertyDescriptor(object, 'constructor');
      if (typeof own?.value === 'function' && BUILT_IN.has(own.value.name)) break;
    }
    ctx.seen.push(value);
    for (const key of Reflect.ownKeys(object)) {
      if (key === 'constructor' || Object.hasOwn(value, key) || seen.has(key)) continue;
      seen.add(key);
      const own = Object.getOwnPropertyDescriptor(object, key);
      if (typeof own.value === 'function') continue;
      const text = formatProperty(ctx, object, depth, key, OBJECT, own, value);
      shown.push(ctx.colors ? `\u001b[2m${text}\u001b[22m` : text);
    }
    ctx.seen.pop();
  }
  return shown;
}

function formatObject(ctx, value, depth, inTypedArray) {
  let inherited = [];
  const constructor = constructorName(
    value,
    (first) => (tooDeep(ctx, depth) ? 'Complex prototype' : inspect(first, { ...ctx, stylize: ctx.stylize, customInspect: false, depth: -1 })),
    ctx.showHidden && !tooDeep(ctx, depth)
      ? (first, found, name) => { inherited = prototypeProperties(ctx, value, first, found, name, depth); }
      : undefined,
  );
  let tag = value[Symbol.toStringTag];
  // A tag that is shown as a property is not shown twice.
  const shows = ctx.showHidden ? Object.prototype.hasOwnProperty : Object.prototype.propertyIsEnumerable;
  if (typeof tag !== 'string' || (tag !== '' && shows.call(value, Symbol.toStringTag))) tag = '';

  const described = describe(ctx, value, depth, constructor, tag, inTypedArray, inherited.length === 0);
  if (described.done !== undefined) return described.done;
  let { base = '' } = described;
  const { keys, braces, entries, kind = OBJECT } = described;

  if (tooDeep(ctx, depth)) {
    const name = plainPrefix(value, constructor, tag).slice(0, -1);
    return ctx.stylize(constructor === null ? name : `[${name}]`, 'special');
  }
  depth += 1;
  ctx.seen.push(value);
  ctx.currentDepth = depth;
  const shown = entries(ctx, value, depth);
  for (const key of keys) shown.push(formatProperty(ctx, value, depth, key, kind));
  shown.push(...inherited);
  ctx.seen.pop();

  const reference = ctx.circular?.get(value);
  if (reference !== undefined) {
    const mark = ctx.stylize(`<ref *${reference}>`, 'special');
    if (ctx.compact === true) braces[0] = `${mark} ${braces[0]}`;
    else base = base === '' ? mark : `${mark} ${base}`;
  }
  if (ctx.sorted) {
    const order = ctx.sorted === true ? undefined : ctx.sorted;
    if (kind === OBJECT) shown.sort(order);
    else if (keys.length > 1) shown.push(...shown.splice(shown.length - keys.length).sort(order));
  }
  const text = join(ctx, shown, base, braces, kind, depth, value);
  const total = (ctx.budget[ctx.indentationLvl] ?? 0) + text.length;
  ctx.budget[ctx.indentationLvl] = total;
  if (total > MOST_CHARACTERS) ctx.depth = -1;
  return text;
}

function formatProperty(ctx, object, depth, key, kind, own, original = object) {
  own ??= Object.getOwnPropertyDescriptor(object, key) ?? { value: object[key], enumerable: true };
  let shown;
  let gap = ' ';
  if (own.value !== undefined) {
    const indent = ctx.compact !== true || kind !== OBJECT ? 2 : 3;
    ctx.indentationLvl += indent;
    shown = formatValue(ctx, own.value, depth);
    if (indent === 3 && ctx.breakLength < style.width(shown)) gap = `\n${' '.repeat(ctx.indentationLvl)}`;
    ctx.indentationLvl -= indent;
  } else if (own.get !== undefined) {
    shown = formatGetter(ctx, own, original, depth);
  } else if (own.set !== undefined) {
    shown = ctx.stylize('[Setter]', 'special');
  } else {
    shown = ctx.stylize('undefined', 'undefined');
  }
  return kind === ARRAY_ITEM ? shown : `${formatKey(ctx, key, own)}:${gap}${shown}`;
}

function formatKey(ctx, key, own) {
  if (typeof key === 'symbol') return `[${ctx.stylize(style.escapeName(Symbol.prototype.toString.call(key)), 'symbol')}]`;
  if (key === '__proto__') return "['__proto__']";
  if (own.enumerable === false) return `[${style.escapeName(key)}]`;
  return /^[a-zA-Z_][a-zA-Z_0-9]*$/.test(key) ? ctx.stylize(key, 'name') : ctx.stylize(style.quote(key), 'string');
}

function formatGetter(ctx, own, object, depth) {
  const label = own.set === undefined ? 'Getter' : 'Getter/Setter';
  const special = (text) => ctx.stylize(text, 'special');
  const wanted = ctx.getters === true || (ctx.getters === 'get' && own.set === undefined)
    || (ctx.getters === 'set' && own.set !== undefined);
  if (!wanted) return special(`[${label}]`);
  try {
    const value = own.get.call(object);
    ctx.indentationLvl += 2;
    const shown = formatValue(ctx, value, depth);
    ctx.indentationLvl -= 2;
    if (value !== null && typeof value === 'object') return `${special(`[${label}]`)} ${shown}`;
    return `${special(`[${label}:`)} ${shown}${special(']')}`;
  } catch (error) {
    return `${special(`[${label}:`)} <Inspection threw (${error.message})>${special(']')}`;
  }
}

inspect.custom = CUSTOM;
inspect.colors = style.colors;
inspect.styles = style.styles;
Object.defineProperty(inspect, 'defaultOptions', {
  get: () => defaults,
  set: (options) => Object.assign(defaults, options),
});

module.exports = { inspect, defaults };
