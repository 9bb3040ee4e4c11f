// The entries inspect shows of containers: arrays, maps, buffers, promises.

const { ARRAY, ARRAY_ITEM, OBJECT, join } = require('internal/inspect/layout');
const style = require('internal/inspect/style');

const more = (count) => `... ${count} more item${count > 1 ? 's' : ''}`;
const shownOf = (ctx, length) => Math.min(Math.max(0, ctx.maxArrayLength), length);

// `show` formats a value, `property` one property of an object.
module.exports = function items(show, property) {
  function array(ctx, value, depth) {
    const count = shownOf(ctx, value.length);
    const entries = [];
    for (let i = 0; i < count; i++) {
      if (!Object.hasOwn(value, i)) return sparseArray(ctx, value, depth, count, entries, i);
      entries.push(property(ctx, value, depth, i, ARRAY_ITEM));
    }
    if (value.length > count) entries.push(more(value.length - count));
    return entries;
  }

  function sparseArray(ctx, value, depth, count, entries, start) {
    const holes = (number) => ctx.stylize(`<${number} empty item${number > 1 ? 's' : ''}>`, 'undefined');
    const keys = Object.keys(value);
    let next = start;
    for (let i = start; i < keys.length && entries.length < count; i++) {
      const key = keys[i];
      if (!/^(0|[1-9]\d*)$/.test(key) || key > 2 ** 32 - 2) break;
      if (`${next}` !== key) {
        entries.push(holes(key - next));
        next = Number(key);
        if (entries.length === count) break;
      }
      entries.push(property(ctx, value, depth, key, ARRAY_ITEM));
      next++;
    }
    const remaining = value.length - next;
    if (entries.length !== count) {
      if (remaining > 0) entries.push(holes(remaining));
    } else if (remaining > 0) {
      entries.push(more(remaining));
    }
    return entries;
  }

  function typedArray(ctx, value, depth) {
    const count = shownOf(ctx, value.length);
    const one = typeof value[0] === 'bigint' ? style.bigint : style.number;
    const entries = [];
    for (let i = 0; i < count; i++) entries.push(one(ctx.stylize, value[i], ctx.numericSeparator));
    if (value.length > count) entries.push(more(value.length - count));
    if (ctx.showHidden) {
      ctx.indentationLvl += 2;
      for (const key of ['BYTES_PER_ELEMENT', 'length', 'byteLength', 'byteOffset', 'buffer']) {
        entries.push(`[${key}]: ${show(ctx, value[key], depth, true)}`);
      }
      ctx.indentationLvl -= 2;
    }
    return entries;
  }

  function arrayBuffer(ctx, value) {
    let bytes;
    try {
      bytes = new Uint8Array(value);
    } catch {
      return [ctx.stylize('(detached)', 'special')];
    }
    const count = shownOf(ctx, bytes.length);
    let hex = '';
    for (let i = 0; i < count; i++) hex += `${i ? ' ' : ''}${bytes[i].toString(16).padStart(2, '0')}`;
    const remaining = bytes.length - count;
    if (remaining > 0) hex += ` ... ${remaining} more byte${remaining > 1 ? 's' : ''}`;
    return [`${ctx.stylize('[Uint8Contents]', 'special')}: <${hex}>`];
  }

  // The entries of a set or map, each as `one` shows it.
  const collection = (iterate, one) => (ctx, value, depth) => {
    const count = shownOf(ctx, value.size);
    const entries = [];
    ctx.indentationLvl += 2;
    for (const item of iterate.call(value)) {
      if (entries.length >= count) break;
      entries.push(one(ctx, item, depth));
    }
    if (value.size > count) entries.push(more(value.size - count));
    ctx.indentationLvl -= 2;
    return entries;
  };

  // What an iterator has left: `copy` of it is used up.
  const rest = (kind, copy = []) => (ctx, _, depth) => {
    const all = [...copy];
    const count = shownOf(ctx, all.length);
    ctx.indentationLvl += 2;
    const entries = all.slice(0, count).map((item) => (kind === 2
      ? join(ctx, item.map((part) => show(ctx, part, depth)), '', ['[', ']'], ARRAY, depth) : show(ctx, item, depth)));
    ctx.indentationLvl -= 2;
    if (all.length > count) entries.push(more(all.length - count));
    return entries;
  };

  function promise(ctx, value, depth) {
    const [state, result] = native.promiseDetails(value);
    if (state === 0) return [ctx.stylize('<pending>', 'special')];
    ctx.indentationLvl += 2;
    const shown = show(ctx, result, depth);
    ctx.indentationLvl -= 2;
    return [state < 0 ? `${ctx.stylize('<rejected>', 'special')} ${shown}` : shown];
  }

  const namespace = (keys) => (ctx, value, depth) => keys.splice(0).map((key) => {
    try {
      return property(ctx, value, depth, key, OBJECT);
    } catch {
      const shown = property(ctx, { [key]: '' }, depth, key, OBJECT);
      return shown.slice(0, shown.lastIndexOf(' ') + 1) + ctx.stylize('<uninitialized>', 'special');
    }
  });

  return {
    none: () => [],
    array,
    typedArray,
    arrayBuffer,
    set: collection(Set.prototype.values, show),
    map: collection(Map.prototype.entries, (ctx, [key, value], depth) => `${show(ctx, key, depth)} => ${show(ctx, value, depth)}`),
    rest,
    promise,
    namespace,
    unknown: (ctx) => [ctx.stylize('<items unknown>', 'special')],
  };
};
