// util.types: what a value is to the engine, whatever its prototype says.

// The engine's number of each class, learnt from an example of it.
const CLASS = {};
const learn = (name, example) => { CLASS[name] = native.classOf(example); };

learn('Arguments', (function () { return arguments; }()));
learn('SloppyArguments', Function('return arguments')());
learn('Boolean', Object(true));
learn('Number', Object(0));
learn('String', Object(''));
learn('Symbol', Object(Symbol.iterator));
learn('BigInt', Object(0n));
learn('Date', new Date(0));
learn('RegExp', /x/);
learn('Error', new Error());
learn('Map', new Map());
learn('Set', new Set());
learn('WeakMap', new WeakMap());
learn('WeakSet', new WeakSet());
learn('WeakRef', new WeakRef({}));
learn('MapIterator', new Map().entries());
learn('SetIterator', new Set().values());
learn('Promise', Promise.resolve());
learn('ArrayBuffer', new ArrayBuffer(0));
learn('SharedArrayBuffer', new SharedArrayBuffer(0));
learn('DataView', new DataView(new ArrayBuffer(0)));
learn('Generator', (function* () {}()));
learn('AsyncGenerator', (async function* () {}()));
learn('GeneratorFunction', function* () {});
learn('AsyncFunction', async () => {});
learn('AsyncGeneratorFunction', async function* () {});

const is = (...names) => {
  const ids = names.map((name) => CLASS[name]);
  return (value) => value !== null && (typeof value === 'object' || typeof value === 'function')
    && ids.includes(native.classOf(value));
};

const typedArrayName = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag).get;
const isTyped = (name) => (value) => typedArrayName.call(value) === name;

const isNumberObject = is('Number');
const isStringObject = is('String');
const isBooleanObject = is('Boolean');
const isBigIntObject = is('BigInt');
const isSymbolObject = is('Symbol');

// A module's namespace has no prototype, a tag of its own and no extension.
function isModuleNamespaceObject(value) {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === null
    && !Object.isExtensible(value)
    && Object.getOwnPropertyDescriptor(value, Symbol.toStringTag)?.value === 'Module';
}

module.exports = {
  isExternal: () => false,
  isDate: is('Date'),
  isArgumentsObject: is('Arguments', 'SloppyArguments'),
  isBigIntObject,
  isBooleanObject,
  isNumberObject,
  isStringObject,
  isSymbolObject,
  isBoxedPrimitive: is('Number', 'String', 'Boolean', 'BigInt', 'Symbol'),
  isNativeError: is('Error'),
  isRegExp: is('RegExp'),
  isAsyncFunction: is('AsyncFunction', 'AsyncGeneratorFunction'),
  isGeneratorFunction: is('GeneratorFunction', 'AsyncGeneratorFunction'),
  isGeneratorObject: is('Generator', 'AsyncGenerator'),
  isPromise: is('Promise'),
  isMap: is('Map'),
  isSet: is('Set'),
  isMapIterator: is('MapIterator'),
  isSetIterator: is('SetIterator'),
  isWeakMap: is('WeakMap'),
  isWeakSet: is('WeakSet'),
  isArrayBuffer: is('ArrayBuffer'),
  isDataView: is('DataView'),
  isSharedArrayBuffer: is('SharedArrayBuffer'),
  isProxy: (value) => native.proxyDetails(value) !== undefined,
  isModuleNamespaceObject,
  isCryptoKey: () => false,
  isKeyObject: () => false,
  isAnyArrayBuffer: is('ArrayBuffer', 'SharedArrayBuffer'),
  isArrayBufferView: ArrayBuffer.isView,
  isTypedArray: (value) => typedArrayName.call(value) !== undefined,
  isUint8Array: isTyped('Uint8Array'),
  isUint8ClampedArray: isTyped('Uint8ClampedArray'),
  isUint16Array: isTyped('Uint16Array'),
  isUint32Array: isTyped('Uint32Array'),
  isInt8Array: isTyped('Int8Array'),
  isInt16Array: isTyped('Int16Array'),
  isInt32Array: isTyped('Int32Array'),
  isFloat32Array: isTyped('Float32Array'),
  isFloat64Array: isTyped('Float64Array'),
  isBigInt64Array: isTyped('BigInt64Array'),
  isBigUint64Array: isTyped('BigUint64Array'),
};
