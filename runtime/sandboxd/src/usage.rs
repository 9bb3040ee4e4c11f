//! What an ended program used, as far as Linux tells without `wait4`: its
//! processor time, in ticks of 10 ms. Its peak memory is gone with it.

use std::time::Duration;

use rustix::process::Pid;

/// Where `/proc/PID/stat` has user and system time, of the process and of the
/// children it waited for: after the name in parentheses, counted from 0.
const TIMES: std::ops::Range<usize> = 11..15;

/// Processor time of a program that has ended and was not waited for yet.
pub(crate) fn cpu(pid: Pid) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_pid()));
    let ticks = stat.ok().as_deref().and_then(ticks).unwrap_or_default();
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    Duration::from_secs_f64(ticks as f64 / per_second as f64)
}

fn ticks(stat: &str) -> Option<u64> {
    // The name may hold spaces and parentheses itself.
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    fields
        .get(TIMES)?
        .iter()
        .map(|ticks| ticks.parse::<u64>().ok())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let stat = "7 (a) b (c) Z 1 7 7 0 -1 4194304 1 0 0 0 12 3 40 500 20 0 1 0";
        assert_eq!(ticks(stat), Some(555));
    }

    #[test]
    fn what_is_no_stat_has_no_times() {
        for stat in [
            "",
            "7 (a",
            "7 (a) Z 1",
            "7 (a) Z 1 7 7 0 -1 4 1 0 0 0 x 3 4 5",
        ] {
            assert_eq!(ticks(stat), None, "{stat}");
        }
    }
}
