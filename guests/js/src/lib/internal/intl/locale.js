// The locales there are: American and British English. Any other is answered
// in American English, as a locale without data is.

const NAMES = ['en-US', 'en-GB'];
const REGIONS_AS_BRITISH = ['GB', 'AU', 'NZ', 'IE', 'IN', 'ZA'];

function canonical(tag) {
  const text = String(tag);
  if (!/^[a-z]{2,8}(?:[-_][a-z0-9]{1,8})*$/i.test(text)) throw new RangeError(`Incorrect locale information provided`);
  return text.split(/[-_]/).map((part, i) => {
    if (i === 0) return part.toLowerCase();
    if (part.length === 4 && /^[a-z]/i.test(part)) return part[0].toUpperCase() + part.slice(1).toLowerCase();
    return part.length === 2 ? part.toUpperCase() : part.toLowerCase();
  }).join('-');
}

const list = (locales) => (locales === undefined ? [] : [].concat(locales).map((locale) => canonical(locale?.baseName ?? locale)));

function resolve(locales) {
  for (const tag of list(locales)) {
    const [language, ...rest] = tag.split('-');
    if (language === 'en') return rest.some((part) => REGIONS_AS_BRITISH.includes(part)) ? 'en-GB' : 'en-US';
  }
  return NAMES[0];
}

const supportedLocalesOf = (locales) => list(locales).filter((tag) => tag.startsWith('en'));

// A value of an option, which must be one of some.
function option(options, name, allowed, otherwise) {
  const value = options?.[name];
  if (value === undefined) return otherwise;
  if (!allowed.includes(value)) throw new RangeError(`Value ${value} out of range for Intl options property ${name}`);
  return value;
}

function integer(options, name, least, most, otherwise) {
  const value = options?.[name];
  if (value === undefined) return otherwise;
  const number = Math.floor(Number(value));
  if (!(number >= least && number <= most)) throw new RangeError(`${name} value is out of range.`);
  return number;
}

module.exports = { canonical, list, resolve, supportedLocalesOf, option, integer };
