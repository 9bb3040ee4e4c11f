//! Processor time of a guest, although many guests share a thread: who has had
//! how much, and whose turn it is.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::budget::Budget;
use crate::turns::Stint;

/// Runs `future` and adds the processor time of each of its polls to the
/// budget and to the stint. A guest runs only while its future is polled.
pub(crate) struct CpuTimed<F> {
    future: Pin<Box<F>>,
    budget: Arc<Budget>,
    stint: Arc<Stint>,
}

impl<F> CpuTimed<F> {
    pub(crate) fn new(future: F, budget: Arc<Budget>, stint: Arc<Stint>) -> Self {
        Self {
            future: Box::pin(future),
            budget,
            stint,
        }
    }
}

impl<F: Future> Future for CpuTimed<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let before = thread_time();
        let result = self.future.as_mut().poll(cx);
        let ran = thread_time().saturating_sub(before);
        self.budget.add_cpu(ran);
        self.stint.stops(ran);
        result
    }
}

fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}
