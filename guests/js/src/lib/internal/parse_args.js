// util.parseArgs.

const { withCode, invalidArgType, invalidArgValue } = require('internal/errors');
const { validateObject, validateBoolean, validateArray, validateOneOf } = require('internal/validators');

function checkOptions(options) {
  validateObject(options, 'options');
  for (const [name, option] of Object.entries(options)) {
    validateObject(option, `options.${name}`);
    validateOneOf(option.type, `options.${name}.type`, ['string', 'boolean']);
    if (option.short !== undefined && (typeof option.short !== 'string' || option.short.length !== 1)) {
      if (typeof option.short !== 'string') throw invalidArgType(`options.${name}.short`, 'string', option.short);
      throw invalidArgValue(`options.${name}.short`, option.short, 'must be a single character');
    }
    if (option.multiple !== undefined) validateBoolean(option.multiple, `options.${name}.multiple`);
    const { default: value } = option;
    if (value === undefined) continue;
    for (const item of option.multiple ? value : [value]) {
      if (typeof item !== option.type) throw invalidArgType(`options.${name}.default`, option.multiple ? `${option.type}[]` : option.type, value);
    }
  }
}

// Each argument as a token: an option, a positional, or the end of options.
function tokensOf(args, options) {
  const tokens = [];
  const longOf = (short) => Object.keys(options).find((name) => options[name].short === short) ?? short;
  const takesValue = (name) => options[name]?.type === 'string';
  const rest = args.map((argument, index) => ({ argument, index }));
  const addOption = (name, rawName, index, inline) => {
    const token = { kind: 'option', name, rawName, index, value: inline, inlineValue: inline === undefined ? undefined : true };
    if (inline === undefined && takesValue(name) && rest.length && rest[0].argument !== undefined) {
      token.value = rest.shift().argument;
      token.inlineValue = false;
    }
    tokens.push(token);
  };
  while (rest.length) {
    const { argument, index } = rest.shift();
    if (argument === '--') {
      tokens.push({ kind: 'option-terminator', index });
      for (const { argument: value, index: at } of rest.splice(0)) tokens.push({ kind: 'positional', index: at, value });
    } else if (/^--[^=]+=/.test(argument)) {
      const at = argument.indexOf('=');
      addOption(argument.slice(2, at), argument.slice(0, at), index, argument.slice(at + 1));
    } else if (argument.startsWith('--') && argument.length > 2) {
      addOption(argument.slice(2), argument, index);
    } else if (/^-[^-]/.test(argument)) {
      // -abc is -a -b -c, until one that takes the rest as its value.
      for (let i = 1; i < argument.length; i++) {
        const name = longOf(argument[i]);
        const tail = argument.slice(i + 1);
        if (takesValue(name) && tail) {
          addOption(name, `-${argument[i]}`, index, tail);
          break;
        }
        addOption(name, `-${argument[i]}`, index);
      }
    } else {
      tokens.push({ kind: 'positional', index, value: argument });
    }
  }
  return tokens;
}

function checkToken(token, options, allowPositionals) {
  const known = Object.hasOwn(options, token.name);
  if (!known) {
    const hint = allowPositionals ? `. To specify a positional argument starting with a '-', place it at the end of the command after '--', as in '-- ${JSON.stringify(token.rawName)}` : '';
    throw withCode(TypeError, 'ERR_PARSE_ARGS_UNKNOWN_OPTION', `Unknown option '${token.rawName}'${hint}`);
  }
  const { short, type } = options[token.name];
  const shown = `${short ? `-${short}, ` : ''}--${token.name}`;
  if (type === 'string' && typeof token.value !== 'string') {
    throw withCode(TypeError, 'ERR_PARSE_ARGS_INVALID_OPTION_VALUE', `Option '${shown} <value>' argument missing`);
  }
  if (type === 'string' && token.inlineValue === false && /^-./.test(token.value)) {
    const example = token.rawName.startsWith('--') ? `'${token.rawName}=-XYZ'` : `'--${token.name}=-XYZ' or '${token.rawName}-XYZ'`;
    throw withCode(TypeError, 'ERR_PARSE_ARGS_INVALID_OPTION_VALUE', `Option '${token.rawName}' argument is ambiguous.\nDid you forget to specify the option argument for '${token.rawName}'?\nTo specify an option argument starting with a dash use ${example}.`);
  }
  if (type === 'boolean' && token.value !== undefined) {
    throw withCode(TypeError, 'ERR_PARSE_ARGS_INVALID_OPTION_VALUE', `Option '${shown}' does not take an argument`);
  }
}

function parseArgs(config = {}) {
  validateObject(config, 'config');
  const { args = process.argv.slice(2), options = {}, strict = true, tokens: wantTokens = false, allowNegative = false } = config;
  const { allowPositionals = !strict } = config;
  validateArray(args, 'args');
  checkOptions(options);
  const values = { __proto__: null };
  const positionals = [];
  const tokens = tokensOf(args, options);
  for (const token of tokens) {
    if (token.kind === 'positional') {
      if (!allowPositionals) throw withCode(TypeError, 'ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL', `Unexpected argument '${token.value}'. This command does not take positional arguments`);
      positionals.push(token.value);
    } else if (token.kind === 'option') {
      let value = token.value ?? true;
      const negated = allowNegative && token.name.startsWith('no-') && options[token.name.slice(3)]?.type === 'boolean';
      const name = negated ? token.name.slice(3) : token.name;
      if (negated) value = false;
      if (strict) checkToken({ ...token, name }, options, allowPositionals);
      if (name === '__proto__') continue;
      if (options[name]?.multiple) (values[name] ??= []).push(value);
      else values[name] = value;
    }
  }
  for (const [name, { default: value }] of Object.entries(options)) {
    if (value !== undefined && !(name in values)) values[name] = value;
  }
  return wantTokens ? { values, positionals, tokens } : { values, positionals };
}

module.exports = { parseArgs };
