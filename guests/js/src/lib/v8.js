// The v8 module, of an engine that is another.

const { notAvailable } = require('internal/errors');

const statistics = () => {
  const total = native.linearMemory();
  return {
    total_heap_size: total, total_heap_size_executable: 0, total_physical_size: total, total_available_size: 2 ** 32 - total,
    used_heap_size: total, heap_size_limit: 2 ** 32, malloced_memory: 0, peak_malloced_memory: 0, does_zap_garbage: 0,
    number_of_native_contexts: 1, number_of_detached_contexts: 0, total_global_handles_size: 0, used_global_handles_size: 0, external_memory: 0,
  };
};

module.exports = {
  getHeapStatistics: statistics,
  getHeapSpaceStatistics: () => [],
  setFlagsFromString() {},
  cachedDataVersionTag: () => 0,
};
for (const name of ['serialize', 'deserialize', 'getHeapSnapshot', 'writeHeapSnapshot', 'Serializer', 'Deserializer']) {
  module.exports[name] = () => { throw notAvailable(`v8.${name}`, 'the engine is QuickJS'); };
}
