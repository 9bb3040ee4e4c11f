//! What `mote` prints of its own.

use std::io::{self, Write};

use anyhow::Context;
use mote_api::{End, Limits, Outcome};
use mote_client::text::{size, time};
use serde_json::Value;

use crate::failure::Failure;

/// Bytes on stdout. That nobody reads them is an end, not an error.
pub(crate) fn print(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::BrokenPipe),
        Err(error) => Err(Failure::Host(
            anyhow::Error::new(error).context("failed to write to stdout"),
        )),
    }
}

/// A JSON value and a line end on stdout.
pub(crate) fn print_json(value: &Value) -> Result<(), Failure> {
    let mut text = serde_json::to_vec(value).context("failed to write JSON")?;
    text.push(b'\n');
    print(&text)
}

/// Why a guest did not end by itself, and what to do.
pub(crate) fn hint(outcome: &Outcome, limits: &Limits) -> Option<String> {
    let hint = outcome.hint.clone().or_else(|| outcome.end.hint())?;
    Some(format!("{hint}{}", option(&outcome.end, limits)))
}

/// Which option sets the limit that was hit, and to what it is set.
fn option(end: &End, limits: &Limits) -> String {
    let (flag, value) = match end {
        End::Deadline => ("--timeout", time(limits.deadline)),
        End::Memory => ("--memory", limits.memory.to_string()),
        End::Output => ("--output", limits.output.to_string()),
        End::Handles => ("--handles", limits.handles.to_string()),
        End::Quota { .. } => {
            return format!(
                " (--disk is {}, --entries {})",
                limits.disk, limits.disk_entries
            );
        }
        End::Exited { .. } | End::Trapped { .. } | End::Cancelled | End::Evicted => {
            return String::new();
        }
    };
    format!(" ({flag} is {value})")
}

/// What `--usage` says.
pub(crate) fn usage(outcome: &Outcome) -> String {
    let usage = &outcome.usage;
    let ended = match outcome.end {
        End::Exited { code } => format!("exit {code}"),
        ref end => format!("exit {} ({})", outcome.exit_code, end.reason()),
    };
    let mut parts = vec![
        ended,
        format!("wall {}", time(usage.wall)),
        format!("cpu {}", time(usage.cpu)),
        format!("memory {}", size(usage.peak_memory_bytes)),
        format!("read {}", size(usage.read_bytes)),
        format!("written {}", size(usage.written_bytes)),
    ];
    for denial in &outcome.denied {
        parts.push(format!("refused {} {}×", denial.capability, denial.count));
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use mote_api::{Capability, Denial, StreamUsage, Usage};

    fn ended(end: End) -> Outcome {
        Outcome {
            exit_code: end.exit_code(),
            end,
            usage: Usage {
                wall: Duration::from_micros(12_340),
                cpu: Duration::from_micros(980),
                peak_memory_bytes: 24_000_000,
                read_bytes: 1_536,
                ..Usage::default()
            },
            stdout: StreamUsage::default(),
            stderr: StreamUsage::default(),
            limits_hit: Vec::new(),
            transaction: None,
            denied: Vec::new(),
            hint: None,
        }
    }

    #[test]
    fn usage_is_one_line_in_units_of_people() {
        assert_eq!(
            usage(&ended(End::Exited { code: 0 })),
            "exit 0, wall 12.3 ms, cpu 980 µs, memory 22.9 MiB, read 1.50 KiB, written 0 B"
        );
    }

    #[test]
    fn usage_says_what_was_hit_and_what_was_refused() {
        let mut outcome = ended(End::Deadline);
        outcome.denied.push(Denial {
            capability: Capability::Sockets,
            count: 2,
        });
        let line = usage(&outcome);
        assert!(line.starts_with("exit 124 (deadline), "), "{line}");
        assert!(line.ends_with(", refused sockets 2×"), "{line}");
    }

    #[test]
    fn a_limit_is_named_by_the_option_that_sets_it() {
        let limits = Limits::default();
        assert_eq!(option(&End::Deadline, &limits), " (--timeout is 30.0 s)");
        assert_eq!(option(&End::Memory, &limits), " (--memory is 512Mi)");
        assert_eq!(option(&End::Cancelled, &limits), "");
    }
}
