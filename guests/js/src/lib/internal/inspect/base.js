// What inspect calls a value: its class, its prefix, the text of a function.

const types = require('internal/types');

const FALLBACKS = [
  ['isMap', 'Map'], ['isSet', 'Set'], ['isPromise', 'Promise'], ['isNativeError', 'Error'], ['isRegExp', 'RegExp'],
  ['isDate', 'Date'], ['isWeakMap', 'WeakMap'], ['isWeakSet', 'WeakSet'], ['isArrayBuffer', 'ArrayBuffer'],
  ['isDataView', 'DataView'], ['isModuleNamespaceObject', 'Module'],
];

// The class of a value, whatever its prototype says.
function engineName(value) {
  if (typeof value === 'function') return 'Function';
  if (Array.isArray(value)) return 'Array';
  for (const [test, name] of FALLBACKS) {
    if (types[test](value)) return name;
  }
  return types.isTypedArray(value) ? value[Symbol.toStringTag] : 'Object';
}

function isInstance(value, constructor) {
  try {
    return value instanceof constructor;
  } catch {
    return false;
  }
}

// The name of the nearest constructor on the prototype chain; none without one.
// `onFound` is told where it was found.
function constructorName(value, describe, onFound) {
  let first;
  for (let object = value; object; ) {
    const own = Object.getOwnPropertyDescriptor(object, 'constructor');
    const found = own?.value;
    if (typeof found === 'function' && found.name !== '' && isInstance(value, found)) {
      onFound?.(first, object, found.name);
      return String(found.name);
    }
    object = Object.getPrototypeOf(object);
    if (first === undefined) first = object;
  }
  if (first === null) return null;
  return `${engineName(value)} <${describe(first)}>`;
}

function prefixOf(constructor, tag, fallback, size = '') {
  if (constructor === null) {
    return tag !== '' && fallback !== tag
      ? `[${fallback}${size}: null prototype] [${tag}] `
      : `[${fallback}${size}: null prototype] `;
  }
  return tag !== '' && constructor !== tag ? `${constructor}${size} [${tag}] ` : `${constructor}${size} `;
}

// The prefix of an object that is of no class inspect knows.
function plainPrefix(value, constructor, tag) {
  let fallback = '';
  if (constructor === null) {
    fallback = engineName(value);
    if (fallback === tag) fallback = 'Object';
  }
  return prefixOf(constructor, tag, fallback);
}

function classBase(value, constructor, tag) {
  const name = (Object.hasOwn(value, 'name') && value.name) || '(anonymous)';
  let base = `class ${name}`;
  if (constructor !== 'Function' && constructor !== null) base += ` [${constructor}]`;
  if (tag !== '' && constructor !== tag) base += ` [${tag}]`;
  if (constructor === null) {
    base += ' extends [null prototype]';
  } else {
    const parent = Object.getPrototypeOf(value).name;
    if (parent) base += ` extends ${parent}`;
  }
  return `[${base}]`;
}

const COMMENTS = /(\/\/.*?\n)|(\/\*(.|\n)*?\*\/)/g;

function isClass(text) {
  if (!text.startsWith('class') || !text.endsWith('}')) return false;
  const rest = text.slice(5, -1);
  const brace = rest.indexOf('{');
  return brace !== -1
    && (!rest.slice(0, brace).includes('(') || /^(\s+[^(]*?)\s*{/.test(rest.replace(COMMENTS, '')));
}

function functionBase(value, constructor, tag) {
  if (isClass(Function.prototype.toString.call(value))) return classBase(value, constructor, tag);
  let type = 'Function';
  if (types.isGeneratorFunction(value)) type = `Generator${type}`;
  if (types.isAsyncFunction(value)) type = `Async${type}`;
  let base = `[${type}`;
  if (constructor === null) base += ' (null prototype)';
  base += value.name === '' ? ' (anonymous)]' : `: ${value.name}]`;
  if (constructor !== type && constructor !== null) base += ` ${constructor}`;
  if (tag !== '' && constructor !== tag) base += ` [${tag}]`;
  return base;
}

const BOXES = [
  ['Number', types.isNumberObject], ['String', types.isStringObject], ['Boolean', types.isBooleanObject],
  ['BigInt', types.isBigIntObject], ['Symbol', types.isSymbolObject],
];

// A primitive in an object, as `[Number: 3]`; `show` formats the primitive.
function boxedBase(value, keys, constructor, tag, show) {
  const type = BOXES.find(([, test]) => test(value))[0];
  if (type === 'String') keys.splice(0, value.length);
  let base = `[${type}`;
  if (type !== constructor) base += constructor === null ? ' (null prototype)' : ` (${constructor})`;
  base += `: ${show(globalThis[type].prototype.valueOf.call(value))}]`;
  if (tag !== '' && tag !== constructor) base += ` [${tag}]`;
  return { base, style: type.toLowerCase() };
}

module.exports = { constructorName, prefixOf, plainPrefix, functionBase, boxedBase };
