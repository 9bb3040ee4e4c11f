// The event loop: ticks, microtasks, timers, completions, immediates, in
// Node's order, until nothing is left that could happen.

const fatal = require('internal/fatal');

const ticks = [];
const completions = [];
let immediates = [];
let refs = 0; // what keeps the loop alive besides the queues
let onPoll = () => {}; // asks the children for news
let stdin; // called when standard input can be read
let now = 0; // of this turn, in whole milliseconds, as libuv keeps it
let turn = 0;

const guard = (call, ...args) => {
  try {
    call(...args);
  } catch (error) {
    fatal.uncaught(error);
  }
};

// Runs every tick and every microtask there is.
function drain() {
  do {
    for (let tick = ticks.shift(); tick !== undefined; tick = ticks.shift()) guard(tick);
    native.runMicrotasks();
  } while (ticks.length !== 0 || fatal.reportRejections());
}

function run(call, ...args) {
  guard(call, ...args);
  drain();
}

// A binary heap of timers by (due, order).
const heap = [];
const before = (a, b) => a.due < b.due || (a.due === b.due && a.order < b.order);

function push(timer) {
  let at = heap.length;
  for (; at > 0; ) {
    const parent = (at - 1) >> 1;
    if (!before(timer, heap[parent])) break;
    heap[at] = heap[parent];
    at = parent;
  }
  heap[at] = timer;
}

function pop() {
  const [top] = heap;
  const last = heap.pop();
  if (heap.length === 0) return top;
  let at = 0;
  for (;;) {
    let child = at * 2 + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && before(heap[child + 1], heap[child])) child++;
    if (!before(heap[child], last)) break;
    heap[at] = heap[child];
    at = child;
  }
  heap[at] = last;
  return top;
}

// The next timer that was not cancelled or set anew since.
function nextTimer() {
  while (heap.length && heap[0].timer.entry !== heap[0]) pop();
  return heap[0];
}

let order = 0;
function schedule(timer, delay) {
  timer.entry = { due: now + delay, order: order++, timer };
  push(timer.entry);
}

function runTimers() {
  for (let entry = nextTimer(); entry !== undefined && entry.due <= now; entry = nextTimer()) {
    pop();
    entry.timer.entry = undefined;
    run(entry.timer.fire);
  }
}

// What was begun in this turn is not finished in it: immediates come first.
function runCompletions() {
  const ready = completions.filter((entry) => entry.turn < turn);
  completions.splice(0, ready.length);
  for (const entry of ready) run(entry.call);
}

function runImmediates() {
  const current = immediates;
  immediates = [];
  for (const entry of current) if (!entry.cancelled) run(entry.call);
}

function alive() {
  return refs > 0 || completions.length > 0 || immediates.some((entry) => entry.ref && !entry.cancelled);
}

// Waits for what comes first: a timer, standard input, a child.
function poll() {
  const busy = completions.length > 0 || immediates.length > 0;
  if (busy && stdin === undefined) {
    run(onPoll);
    return;
  }
  const timer = nextTimer();
  let millis = -1;
  if (busy) millis = 0;
  else if (timer !== undefined) millis = Math.max(0, timer.due - native.now());
  if (native.wait(millis, stdin !== undefined)) {
    const call = stdin;
    stdin = undefined;
    run(call);
  }
  run(onPoll);
}

// Runs until nothing is left.
function runToEnd() {
  drain();
  do {
    while (alive()) {
      now = Math.max(now, Math.floor(native.now()));
      turn++;
      runTimers();
      runCompletions();
      if (alive()) poll();
      runImmediates();
    }
    run(() => process.emit('beforeExit', process.exitCode ?? 0));
  } while (alive());
}

// A timer of a program's first millisecond is due in the first turn, as it is
// in Node, which takes longer to get there.
now = Math.floor(native.now()) - 1;

module.exports = {
  runToEnd,
  schedule,
  ref: () => { refs++; },
  unref: () => { refs--; },
  nextTick: (call) => { ticks.push(call); },
  // Calls back in the next turn: how a finished operation is reported.
  complete: (call) => { completions.push({ call, turn }); },
  immediate(entry) { immediates.push(entry); },
  onStdin(call) { stdin = call; },
  onPoll(call) { onPoll = call; },
};
