// Intl.DateTimeFormat, for English and UTC.

const { resolve, supportedLocalesOf, option, integer } = require('internal/intl/locale');

const MONTHS = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December'];
const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const SHORT = 3; // letters of a short name
const ZONES = { short: 'UTC', long: 'Coordinated Universal Time', shortOffset: 'GMT', longOffset: 'GMT', shortGeneric: 'GMT', longGeneric: 'GMT' };
const NUMERIC = ['numeric', '2-digit'];
const NAMED = ['long', 'short', 'narrow'];

const DATE_STYLES = {
  full: { weekday: 'long', year: 'numeric', month: 'long', day: 'numeric' },
  long: { year: 'numeric', month: 'long', day: 'numeric' },
  medium: { year: 'numeric', month: 'short', day: 'numeric' },
  short: { year: '2-digit', month: 'numeric', day: 'numeric' },
};
const TIME_STYLES = {
  full: { hour: 'numeric', minute: '2-digit', second: '2-digit', timeZoneName: 'long' },
  long: { hour: 'numeric', minute: '2-digit', second: '2-digit', timeZoneName: 'short' },
  medium: { hour: 'numeric', minute: '2-digit', second: '2-digit' },
  short: { hour: 'numeric', minute: '2-digit' },
};

// The offset in minutes of a zone by its name: UTC and fixed offsets.
function zoneOffset(zone) {
  if (zone === undefined || /^(?:UTC|GMT|Etc\/(?:UTC|GMT|UCT|Zulu))$/i.test(zone)) return { name: 'UTC', minutes: 0 };
  const offset = /^([+-])(\d{2})(?::?(\d{2}))?$/.exec(zone);
  if (offset && offset[2] < 24) {
    const [, sign, hours, minutes = '00'] = offset;
    const total = Number(hours) * 60 + Number(minutes);
    return { name: `${sign}${hours}:${minutes}`, minutes: sign === '-' ? -total : total };
  }
  throw new RangeError(`Invalid time zone specified: ${zone} (this sandbox knows UTC and fixed offsets such as +02:00)`);
}

const two = (number) => String(number).padStart(2, '0');
const named = (name, width) => (width === 'narrow' ? name[0] : width === 'short' ? name.slice(0, SHORT) : name);
const numbered = (number, width) => (width === '2-digit' ? two(number) : String(number));
const literal = (value) => ({ type: 'literal', value });

function dayPeriod(hour) {
  if (hour === 12) return 'noon';
  if (hour < 6 || hour >= 21) return 'at night';
  if (hour < 12) return 'in the morning';
  return hour < 18 ? 'in the afternoon' : 'in the evening';
}

class DateTimeFormat {
  #o;
  #locale;
  #zone;

  // `defaults` says what is shown where nothing is asked for.
  constructor(locales, options = {}, defaults = 'any') {
    options = Object(options);
    this.#locale = resolve(locales);
    this.#zone = zoneOffset(options.timeZone);
    const o = {
      weekday: option(options, 'weekday', NAMED), era: option(options, 'era', NAMED), year: option(options, 'year', NUMERIC),
      month: option(options, 'month', [...NUMERIC, ...NAMED]), day: option(options, 'day', NUMERIC), dayPeriod: option(options, 'dayPeriod', NAMED),
      hour: option(options, 'hour', NUMERIC), minute: option(options, 'minute', NUMERIC), second: option(options, 'second', NUMERIC),
      fractionalSecondDigits: integer(options, 'fractionalSecondDigits', 1, 3), timeZoneName: option(options, 'timeZoneName', Object.keys(ZONES)),
    };
    const dateStyle = option(options, 'dateStyle', Object.keys(DATE_STYLES));
    const timeStyle = option(options, 'timeStyle', Object.keys(TIME_STYLES));
    if (dateStyle !== undefined || timeStyle !== undefined) {
      const explicit = Object.keys(o).find((name) => o[name] !== undefined);
      if (explicit) throw new TypeError(`Can't set option ${explicit} when ${dateStyle !== undefined ? 'dateStyle' : 'timeStyle'} is used`);
      Object.assign(o, DATE_STYLES[dateStyle], TIME_STYLES[timeStyle]);
    } else {
      const has = (...names) => names.some((name) => o[name] !== undefined);
      const dated = has('weekday', 'year', 'month', 'day');
      const timed = has('dayPeriod', 'hour', 'minute', 'second', 'fractionalSecondDigits');
      const [needsDate, needsTime] = {
        any: [!dated && !timed, false], both: [!dated && !timed, !dated && !timed], date: [!dated, false], time: [false, !timed],
      }[defaults];
      if (needsDate) Object.assign(o, { year: 'numeric', month: 'numeric', day: 'numeric' });
      if (needsTime) Object.assign(o, { hour: 'numeric', minute: '2-digit', second: '2-digit' });
    }
    const cycle = option(options, 'hourCycle', ['h11', 'h12', 'h23', 'h24']);
    const british = this.#locale === 'en-GB';
    o.hour12 = options.hour12 ?? (cycle ? cycle === 'h11' || cycle === 'h12' : !british);
    if (british && o.month && o.day && NUMERIC.includes(o.month)) [o.month, o.day] = ['2-digit', '2-digit'];
    if (british && dateStyle === 'short') o.year = 'numeric';
    this.#o = { ...o, dateStyle, timeStyle, cycle };
    Object.defineProperty(this, 'format', { value: (date) => this.formatToParts(date).map(({ value }) => value).join(''), configurable: true });
  }

  formatToParts(date) {
    const time = date === undefined ? Date.now() : Number(date);
    if (Number.isNaN(time) || Math.abs(time) > 8.64e15) throw new RangeError('Invalid time value');
    const local = new Date(time + this.#zone.minutes * 60000);
    const o = this.#o;
    const day = this.#date(local);
    const clock = this.#time(local);
    if (day.length && clock.length) {
      const words = o.month === 'long' || o.dateStyle === 'full' || o.dateStyle === 'long';
      const onlyWeekday = day.length === 1 && day[0].type === 'weekday';
      if (onlyWeekday && (o.minute || this.#locale === 'en-US')) day.push(literal(' '));
      else day.push(literal(words && o.hour !== undefined ? ' at ' : ', '));
    }
    return [...day, ...clock];
  }

  // Date parts in the order and with the separators of the locale.
  #date(local) {
    const o = this.#o;
    const value = {
      weekday: o.weekday && named(DAYS[local.getUTCDay()], o.weekday),
      day: o.day && numbered(local.getUTCDate(), o.day),
      month: o.month && (NUMERIC.includes(o.month) ? numbered(local.getUTCMonth() + 1, o.month) : named(MONTHS[local.getUTCMonth()], o.month)),
      year: o.year && this.#year(local, o.year),
    };
    const words = o.month !== undefined && !NUMERIC.includes(o.month);
    const british = this.#locale === 'en-GB';
    const parts = [];
    const add = (type, separator) => {
      if (value[type] === undefined) return;
      if (parts.length) parts.push(literal(separator));
      parts.push({ type, value: value[type] });
    };
    add('weekday', '');
    const afterWeekday = british && o.weekday === 'short' && words && !o.year ? ' ' : ', ';
    const first = () => (parts.length === 1 && value.weekday !== undefined ? afterWeekday : undefined);
    if (british) {
      add('day', first());
      add('month', first() ?? (words ? ' ' : '/'));
      add('year', first() ?? (words || !o.month ? ' ' : '/'));
    } else {
      add('month', first());
      add('day', first() ?? (words ? ' ' : '/'));
      add('year', first() ?? (words ? (o.day ? ', ' : ' ') : '/'));
    }
    if (o.era) parts.push(literal(' '), { type: 'era', value: { long: 'Anno Domini', short: 'AD', narrow: 'A' }[o.era] });
    return parts;
  }

  #year(local, width) {
    const year = local.getUTCFullYear();
    return width === '2-digit' ? two(Math.abs(year) % 100) : String(year);
  }

  #time(local) {
    const o = this.#o;
    const parts = [];
    const add = (type, value, separator) => {
      if (parts.length) parts.push(literal(separator));
      parts.push({ type, value });
    };
    const hour = local.getUTCHours();
    if (o.hour) {
      const shown = o.hour12 ? hour % 12 || (o.cycle === 'h11' ? 0 : 12) : (o.cycle === 'h24' && hour === 0 ? 24 : hour);
      add('hour', o.hour12 ? numbered(shown, o.hour) : two(shown));
    }
    const company = o.hour || o.second;
    if (o.minute) add('minute', company ? two(local.getUTCMinutes()) : String(local.getUTCMinutes()), ':');
    if (o.second) add('second', o.minute || o.hour ? two(local.getUTCSeconds()) : numbered(local.getUTCSeconds(), 'numeric'), ':');
    if (o.fractionalSecondDigits) {
      add('fractionalSecond', String(local.getUTCMilliseconds()).padStart(3, '0').slice(0, o.fractionalSecondDigits), '.');
    }
    if (o.hour && o.hour12) add('dayPeriod', o.dayPeriod ? dayPeriod(hour) : hour < 12 ? 'AM' : 'PM', ' ');
    if (o.timeZoneName) {
      const zone = this.#zone.name === 'UTC' ? ZONES[o.timeZoneName] : `GMT${this.#zone.name.replace(/^([+-])0?(\d+):00$/, '$1$2')}`;
      add('timeZoneName', zone, ' ');
    }
    return parts;
  }

  formatRange(start, end) {
    const [from, to] = [this.format(start), this.format(end)];
    return from === to ? from : `${from}\u2009–\u2009${to}`;
  }

  formatRangeToParts(start, end) {
    const mark = (source) => (part) => ({ ...part, source });
    return [...this.formatToParts(start).map(mark('startRange')), { ...literal('\u2009–\u2009'), source: 'shared' }, ...this.formatToParts(end).map(mark('endRange'))];
  }

  resolvedOptions() {
    const { hour12, dateStyle, timeStyle, cycle, ...fields } = this.#o;
    const shown = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
    return {
      locale: this.#locale, calendar: 'gregory', numberingSystem: 'latn', timeZone: this.#zone.name,
      ...(fields.hour && { hourCycle: cycle ?? (hour12 ? 'h12' : 'h23'), hour12 }),
      ...(dateStyle === undefined && timeStyle === undefined ? shown : {}),
      ...(dateStyle && { dateStyle }), ...(timeStyle && { timeStyle }),
    };
  }

  static supportedLocalesOf(locales) { return supportedLocalesOf(locales); }
}
Object.defineProperty(DateTimeFormat.prototype, Symbol.toStringTag, { value: 'Intl.DateTimeFormat', configurable: true });

module.exports = { DateTimeFormat };
