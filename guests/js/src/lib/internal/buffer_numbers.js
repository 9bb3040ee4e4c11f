// Buffer's reading and writing of numbers.

const { invalidArgType, outOfRange, withCode } = require('internal/errors');

const viewOf = (buffer) => new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);

function checkOffset(buffer, offset, size) {
  if (typeof offset !== 'number') throw invalidArgType('offset', 'number', offset);
  if (!Number.isInteger(offset)) throw outOfRange('offset', 'an integer', offset);
  if (buffer.length - size < 0) throw withCode(RangeError, 'ERR_BUFFER_OUT_OF_BOUNDS', 'Attempt to access memory outside buffer bounds');
  if (offset < 0 || offset + size > buffer.length) throw outOfRange('offset', `>= 0 and <= ${buffer.length - size}`, offset);
}

// The least and greatest integer of so many bits.
const bounds = (bits, signed) => (signed ? [-(2n ** BigInt(bits - 1)), 2n ** BigInt(bits - 1) - 1n] : [0n, 2n ** BigInt(bits) - 1n]);

function checkValue(value, bits, signed, big) {
  const [least, most] = bounds(bits, signed);
  if (value >= least && value <= most) return;
  if (typeof value === 'number' && Number.isNaN(value)) return;
  const n = big ? 'n' : '';
  const range = bits > 32
    ? (signed ? `>= -(2${n} ** ${bits - 1}${n}) and < 2${n} ** ${bits - 1}${n}` : `>= 0${n} and < 2${n} ** ${bits}${n}`)
    : `>= ${least} and <= ${most}`;
  throw outOfRange('value', range, value);
}

const methods = {};

function define(name, read, write) {
  methods[`read${name}`] = read;
  methods[`write${name}`] = write;
  if (name.includes('UInt')) {
    const alias = name.replace('UInt', 'Uint');
    methods[`read${alias}`] = read;
    methods[`write${alias}`] = write;
  }
}

// A type that DataView has: `bits` of it bound an integer, none a float.
function plain(name, kind, size, little, bits, signed) {
  const get = DataView.prototype[`get${kind}`];
  const set = DataView.prototype[`set${kind}`];
  const big = kind.startsWith('Big');
  define(
    name,
    function (offset = 0) {
      checkOffset(this, offset, size);
      return get.call(viewOf(this), offset, little);
    },
    function (value, offset = 0) {
      if (!big) value = Number(value);
      if (bits) checkValue(value, bits, signed, big);
      checkOffset(this, offset, size);
      set.call(viewOf(this), offset, value, little);
      return offset + size;
    },
  );
}

plain('UInt8', 'Uint8', 1, true, 8, false);
plain('Int8', 'Int8', 1, true, 8, true);
for (const [suffix, little] of [['LE', true], ['BE', false]]) {
  for (const bits of [16, 32]) {
    plain(`UInt${bits}${suffix}`, `Uint${bits}`, bits / 8, little, bits, false);
    plain(`Int${bits}${suffix}`, `Int${bits}`, bits / 8, little, bits, true);
  }
  plain(`BigUInt64${suffix}`, 'BigUint64', 8, little, 64, false);
  plain(`BigInt64${suffix}`, 'BigInt64', 8, little, 64, true);
  plain(`Float${suffix}`, 'Float32', 4, little);
  plain(`Double${suffix}`, 'Float64', 8, little);

  // Integers of one to six bytes.
  const places = (size) => Array.from({ length: size }, (_, i) => (little ? size - 1 - i : i));
  const checkSize = (size) => {
    if (typeof size !== 'number') throw invalidArgType('byteLength', 'number', size);
    if (!(size >= 1 && size <= 6)) throw outOfRange('byteLength', '>= 1 and <= 6', size);
  };
  for (const signed of [false, true]) {
    define(
      `${signed ? 'Int' : 'UInt'}${suffix}`,
      function (offset, size) {
        checkSize(size);
        checkOffset(this, offset, size);
        const value = places(size).reduce((sum, place) => sum * 256 + this[offset + place], 0);
        return signed && value >= 2 ** (size * 8 - 1) ? value - 2 ** (size * 8) : value;
      },
      function (value, offset, size) {
        checkSize(size);
        value = Number(value);
        checkValue(value, size * 8, signed, false);
        checkOffset(this, offset, size);
        for (const place of places(size).reverse()) {
          this[offset + place] = value;
          value = Math.floor(value / 256);
        }
        return offset + size;
      },
    );
  }
}

module.exports = methods;
