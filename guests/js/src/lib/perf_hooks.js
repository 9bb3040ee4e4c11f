// perf_hooks: the clock and marks; no observers of the engine.

const { inspect } = require('internal/inspect');
const { withCode } = require('internal/errors');

const origin = native.now();
const timeOrigin = Date.now();
let entries = [];

class PerformanceEntry {
  constructor(name, entryType, startTime, duration, detail) {
    Object.assign(this, { name, entryType, startTime, duration, detail });
  }

  toJSON() { return { ...this }; }
}
class PerformanceMark extends PerformanceEntry {}
class PerformanceMeasure extends PerformanceEntry {}

class Performance {
  get timeOrigin() { return timeOrigin; }

  now() { return native.now() - origin; }

  mark(name, { startTime = this.now(), detail = null } = {}) {
    const mark = new PerformanceMark(`${name}`, 'mark', startTime, 0, detail);
    entries.push(mark);
    return mark;
  }

  measure(name, startOrOptions, endMark) {
    const { start, end = endMark, duration, detail = null } = typeof startOrOptions === 'object' && startOrOptions ? startOrOptions : { start: startOrOptions };
    const to = end !== undefined ? this.#time(end) : (duration !== undefined && start !== undefined ? this.#time(start) + duration : this.now());
    const from = start !== undefined ? this.#time(start) : (duration !== undefined ? to - duration : 0);
    const measure = new PerformanceMeasure(`${name}`, 'measure', from, to - from, detail);
    entries.push(measure);
    return measure;
  }

  #time(mark) {
    if (typeof mark === 'number') return mark;
    const found = entries.findLast((entry) => entry.entryType === 'mark' && entry.name === `${mark}`);
    if (!found) throw new DOMException(`The "${mark}" performance mark has not been set`, 'SyntaxError');
    return found.startTime;
  }

  clearMarks(name) { this.#clear('mark', name); }

  clearMeasures(name) { this.#clear('measure', name); }

  #clear(type, name) { entries = entries.filter((entry) => entry.entryType !== type || (name !== undefined && entry.name !== name)); }

  getEntries() { return [...entries].sort((a, b) => a.startTime - b.startTime); }

  getEntriesByName(name, type) { return this.getEntries().filter((entry) => entry.name === name && (type === undefined || entry.entryType === type)); }

  getEntriesByType(type) { return this.getEntries().filter((entry) => entry.entryType === type); }

  eventLoopUtilization() { return { idle: 0, active: this.now(), utilization: 1 }; }

  timerify(call) { return call; }

  toJSON() { return { timeOrigin, nodeTiming: {}, eventLoopUtilization: this.eventLoopUtilization() }; }

  [inspect.custom](depth, options) { return `Performance ${inspect(this.toJSON(), options)}`; }
}

class PerformanceObserver {
  constructor() { throw withCode(Error, 'ERR_NOT_AVAILABLE', 'PerformanceObserver is not available in this sandbox: the engine reports no events'); }
}

module.exports = {
  Performance, PerformanceEntry, PerformanceMark, PerformanceMeasure, PerformanceObserver,
  performance: new Performance(),
  constants: {},
};
