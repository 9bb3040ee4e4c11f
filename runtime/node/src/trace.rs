//! Spans of calls, in the trace of whoever made them.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use mote_surface::{Caller, TraceParent};
use tracing::Span;
use tracing::field::Empty;

use crate::audit::clip;
use crate::metrics::Surface;

/// A call's place in its trace, and its span in the host's log.
#[derive(Clone, Debug)]
pub(crate) struct CallTrace {
    span: Span,
    here: TraceParent,
}

impl CallTrace {
    /// Begins a span below the caller's, or a trace of its own.
    pub(crate) fn begin(caller: &Caller, sandbox: &str, surface: Surface, program: &str) -> Self {
        let here = below(caller.trace);
        let span = tracing::info_span!(
            "call",
            trace_id = format_args!("{:032x}", here.trace),
            span_id = format_args!("{:016x}", here.span),
            parent_id = Empty,
            sandbox,
            surface = surface.label(),
            program = &*clip(program),
            outcome = Empty,
            wall_us = Empty,
        );
        if let Some(parent) = caller.trace {
            span.record("parent_id", format_args!("{:016x}", parent.span));
        }
        Self { span, here }
    }

    /// What is logged within it belongs to the call.
    pub(crate) fn span(&self) -> &Span {
        &self.span
    }

    /// What the call would tell those whom it calls.
    pub(crate) fn here(&self) -> TraceParent {
        self.here
    }

    /// The call ended like this.
    pub(crate) fn end(&self, outcome: &'static str, wall: Duration) {
        let wall = u64::try_from(wall.as_micros()).unwrap_or(u64::MAX);
        self.span.record("outcome", outcome);
        self.span.record("wall_us", wall);
        self.span.in_scope(|| tracing::debug!("the call ended"));
    }
}

/// A new span below `parent`, or the first of a new trace, which nobody else
/// records.
fn below(parent: Option<TraceParent>) -> TraceParent {
    let own = || TraceParent {
        trace: u128::from(id()) << 64 | u128::from(id()),
        span: 0,
        sampled: false,
    };
    TraceParent {
        span: id(),
        ..parent.unwrap_or_else(own)
    }
}

/// A number that was not there before, and is not 0. Not secret: the keys of
/// the standard library's hash tables are random, and new each time.
fn id() -> u64 {
    RandomState::new().build_hasher().finish().max(1)
}

#[cfg(test)]
mod tests;
