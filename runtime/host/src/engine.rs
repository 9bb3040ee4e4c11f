//! The one wasmtime engine of a process: what wasm may use, how it is
//! interrupted, and how large the pool of instances is.

use std::time::Duration;

use wasmtime::{
    Config, Enabled, Engine, EngineWeak, InstanceAllocationStrategy, PoolingAllocationConfig,
};

use crate::error::HostError;

/// How often running guests are interrupted to look at their deadline and to
/// let others run. A guest ends at most this late; the check costs about 1 µs.
const EPOCH_TICK: Duration = Duration::from_millis(10);
/// Stack of wasm code. CPython recurses deeply in C: its own recursion limit
/// has to come before this one.
const MAX_WASM_STACK_BYTES: usize = 8 << 20;
/// Stack of a call as a whole: wasm and the host functions it calls.
const ASYNC_STACK_BYTES: usize = MAX_WASM_STACK_BYTES + (1 << 20);
/// Largest pre-initialised memory that is mapped rather than copied at each
/// start; above CPython's image.
const MAX_IMAGE_BYTES: u64 = 256 << 20;
/// Core instances of one component. Components made from several modules, as
/// componentize-py's are, have a few dozen.
const CORE_INSTANCES_PER_COMPONENT: u32 = 64;
/// Memories of one component: its own and those of adapters.
const MEMORIES_PER_COMPONENT: u32 = 4;
/// Tables of one component.
const TABLES_PER_COMPONENT: u32 = 16;
/// Elements of one table; CPython's function table has about 12,000.
const TABLE_ELEMENTS: usize = 50_000;
/// Bookkeeping of one core instance; wide components have large ones.
const INSTANCE_BYTES: usize = 4 << 20;
/// Memory of a finished instance kept for the next, zeroed by hand: cheaper
/// than giving it back to the kernel and faulting it in again.
const KEEP_RESIDENT_BYTES: usize = 512 << 10;
/// Table memory kept in the same way.
const TABLE_KEEP_RESIDENT_BYTES: usize = 8 << 10;

/// What decides the native code: shared by the side that compiles and the
/// side that runs, or the code would not load.
fn shared_config() -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .max_wasm_stack(MAX_WASM_STACK_BYTES)
        .async_stack_size(ASYNC_STACK_BYTES)
        .memory_guaranteed_dense_image_size(MAX_IMAGE_BYTES)
        .wasm_component_model(true)
        .concurrency_support(false)
        .wasm_gc(false)
        .wasm_function_references(false)
        .wasm_exceptions(false)
        .wasm_threads(false)
        .wasm_memory64(false)
        .wasm_multi_memory(true)
        .wasm_backtrace_max_frames(std::num::NonZeroUsize::new(16))
        .generate_address_map(false);
    config
}

/// An engine that compiles and never runs.
///
/// # Errors
/// The processor is not one that wasmtime compiles for.
pub(crate) fn compiling_engine() -> Result<Engine, HostError> {
    Engine::new(&shared_config()).map_err(HostError::Engine)
}

/// An engine that runs and never compiles, with room for `slots` instances at
/// once.
///
/// # Errors
/// The address space for the pool cannot be had.
pub(crate) fn running_engine(slots: u32) -> Result<Engine, HostError> {
    let mut config = shared_config();
    config.enable_compiler(false);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(slots)));
    let engine = Engine::new(&config).map_err(HostError::Engine)?;
    start_ticker(engine.weak())?;
    Ok(engine)
}

fn pool(slots: u32) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    // Most components use a fraction of what one may use: half as many of
    // each as all slots at their maximum would need, but always enough for
    // one component.
    let shared = |each: u32| slots.saturating_mul(each.div_ceil(2)).max(each);
    pool.total_component_instances(slots)
        .total_core_instances(shared(CORE_INSTANCES_PER_COMPONENT))
        .total_memories(shared(MEMORIES_PER_COMPONENT))
        .total_tables(shared(TABLES_PER_COMPONENT))
        .total_stacks(slots)
        .max_core_instances_per_component(CORE_INSTANCES_PER_COMPONENT)
        .max_memories_per_component(MEMORIES_PER_COMPONENT)
        .max_tables_per_component(TABLES_PER_COMPONENT)
        .max_component_instance_size(INSTANCE_BYTES)
        .max_core_instance_size(INSTANCE_BYTES)
        .max_memories_per_module(MEMORIES_PER_COMPONENT)
        .max_tables_per_module(TABLES_PER_COMPONENT)
        .pagemap_scan(Enabled::Auto)
        .table_elements(TABLE_ELEMENTS)
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .table_keep_resident(TABLE_KEEP_RESIDENT_BYTES);
    pool
}

/// Advances the engine's epoch until the engine is gone.
fn start_ticker(engine: EngineWeak) -> Result<(), HostError> {
    let tick = move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            std::thread::park_timeout(EPOCH_TICK);
        }
    };
    let thread = std::thread::Builder::new()
        .name("mote-epoch".to_owned())
        .spawn(tick);
    thread.map(drop).map_err(HostError::Thread)
}
