//! Ceilings of the shell itself.
//!
//! The host bounds memory, output and time of the whole call and names what was
//! reached; a lower ceiling here would only cut results short. What remains
//! guards the shell's own stack.

use std::time::Duration;

use bashkit::{ExecutionLimits, MemoryLimits, SessionLimits};

/// Calls of functions, `source` and child shells within each other.
pub const CALL_DEPTH: usize = 2000;

/// Command substitutions, and subshells, within each other.
const SUBSHELL_DEPTH: usize = 1000;

/// Bytes of a script on standard input: what is longer is data that was sent
/// to the wrong place.
pub const SCRIPT_BYTES: usize = 16 << 20;

/// What bashkit may do in one run.
pub fn execution() -> ExecutionLimits {
    ExecutionLimits::new()
        .max_work_units(u64::MAX)
        .max_aggregate_input_bytes(u64::MAX)
        .max_live_intermediate_bytes(u64::MAX)
        .max_commands(usize::MAX)
        .max_loop_iterations(usize::MAX)
        .max_total_loop_iterations(usize::MAX)
        .max_function_depth(CALL_DEPTH)
        .max_subst_depth(SUBSHELL_DEPTH)
        .max_subshell_depth(SUBSHELL_DEPTH)
        .timeout(Duration::MAX)
        .parser_timeout(Duration::MAX)
        .max_input_bytes(usize::MAX)
        .max_parser_operations(usize::MAX)
        .max_stdout_bytes(usize::MAX)
        .max_stderr_bytes(usize::MAX)
        .max_file_descriptors(usize::MAX)
        .max_word_split_fields(usize::MAX)
        .max_word_split_bytes(usize::MAX)
        .max_background_jobs(usize::MAX)
}

/// What bashkit may do in all its runs.
pub fn session() -> SessionLimits {
    SessionLimits::unlimited()
}

/// What the variables of a script may hold.
pub fn memory() -> MemoryLimits {
    MemoryLimits::unlimited()
}
