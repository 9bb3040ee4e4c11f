// Checks of arguments, each throwing the error Node throws.

const { invalidArgType, invalidArgValue, outOfRange } = require('internal/errors');

function validateString(value, name) {
  if (typeof value !== 'string') throw invalidArgType(name, 'string', value);
}

function validateNumber(value, name, min, max) {
  if (typeof value !== 'number') throw invalidArgType(name, 'number', value);
  if ((min !== undefined && value < min) || (max !== undefined && value > max) || Number.isNaN(value)) {
    throw outOfRange(name, range(min, max), value);
  }
}

function validateInteger(value, name, min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER) {
  if (typeof value !== 'number') throw invalidArgType(name, 'number', value);
  if (!Number.isInteger(value)) throw outOfRange(name, 'an integer', value);
  if (value < min || value > max) throw outOfRange(name, range(min, max), value);
}

function range(min, max) {
  if (min === undefined) return `<= ${max}`;
  if (max === undefined) return `>= ${min}`;
  return `>= ${min} && <= ${max}`;
}

function validateBoolean(value, name) {
  if (typeof value !== 'boolean') throw invalidArgType(name, 'boolean', value);
}

function validateFunction(value, name) {
  if (typeof value !== 'function') throw invalidArgType(name, 'function', value);
}

function validateObject(value, name) {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) throw invalidArgType(name, 'Object', value);
}

function validateArray(value, name) {
  if (!Array.isArray(value)) throw invalidArgType(name, 'Array', value);
}

function validateOneOf(value, name, allowed) {
  if (allowed.includes(value)) return;
  const shown = allowed.map((item) => (typeof item === 'string' ? `'${item}'` : String(item))).join(', ');
  throw invalidArgValue(name, value, `must be one of: ${shown}`);
}

function validateAbortSignal(value, name) {
  if (value !== undefined && (value === null || typeof value !== 'object' || !('aborted' in value))) {
    throw invalidArgType(name, 'AbortSignal', value);
  }
}

module.exports = {
  validateString, validateNumber, validateInteger, validateBoolean, validateFunction,
  validateObject, validateArray, validateOneOf, validateAbortSignal,
};
