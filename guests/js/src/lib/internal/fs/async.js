// fs with callbacks and with promises: the synchronous calls, told later.

const loop = require('internal/loop');
const { validateFunction } = require('internal/validators');

// Calls back after this turn, as if the system had taken its time. A wrong
// argument throws at once, as in Node; a refusal of the system is told.
function withCallback(sync) {
  return (...args) => {
    const callback = args.pop();
    validateFunction(callback, 'cb');
    let result;
    let failure = null;
    try {
      result = sync(...args);
    } catch (error) {
      if (error.syscall === undefined && !/^(ERR_FS|ERR_DIR)/.test(error.code)) throw error;
      failure = error;
    }
    loop.complete(() => {
      if (failure !== null) callback(failure);
      else if (result === undefined) callback(null);
      else callback(null, result);
    });
  };
}

const withPromise = (sync) => async (...args) => {
  let settle;
  const later = new Promise((resolve) => { settle = resolve; });
  loop.complete(settle);
  let result;
  try {
    result = sync(...args);
  } catch (error) {
    await later;
    throw error;
  }
  await later;
  return result;
};

module.exports = { withCallback, withPromise };
