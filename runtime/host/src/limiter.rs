//! The ceiling on memory, over all memories and tables of an invocation.

use std::sync::Arc;

use wasmtime::ResourceLimiter;

use crate::budget::Budget;

/// What one element of a table costs the host: a pointer.
const TABLE_ELEMENT_BYTES: u64 = 8;

/// Charges one Store's growth to the budget its invocation shares, and gives
/// it back when the Store goes.
pub(crate) struct Limiter {
    budget: Arc<Budget>,
    taken: u64,
    /// What was granted last; given back if the growth fails all the same.
    last: u64,
}

impl Limiter {
    pub(crate) fn new(budget: Arc<Budget>) -> Self {
        Self {
            budget,
            taken: 0,
            last: 0,
        }
    }

    fn grow(&mut self, current: usize, desired: usize, unit: u64) -> bool {
        let bytes = (desired.saturating_sub(current) as u64).saturating_mul(unit);
        let granted = self.budget.take_memory(bytes);
        self.last = if granted { bytes } else { 0 };
        self.taken += self.last;
        granted
    }

    fn give_back(&mut self) {
        self.budget.give_memory(self.last);
        self.taken -= self.last;
        self.last = 0;
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(self.grow(current, desired, 1))
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.give_back();
        Ok(())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(self.grow(current, desired, TABLE_ELEMENT_BYTES))
    }

    fn table_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.give_back();
        Ok(())
    }
}

impl Drop for Limiter {
    fn drop(&mut self) {
        self.budget.give_memory(self.taken);
    }
}
