//! What an ended program used: its processor time and its peak memory.

use std::mem::MaybeUninit;
use std::time::Duration;

use rustix::process::Pid;

/// Bytes in the unit in which Linux counts the peak of a program's memory.
const PEAK_UNIT_BYTES: u64 = 1024;

/// What a program used, and the children that it waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Used {
    pub(crate) cpu: Duration,
    /// Of the largest process among them; at least what this daemon held when
    /// it started the program, which begins as a copy of it.
    pub(crate) peak_memory_bytes: u64,
}

/// What a program used that has ended and was not waited for yet; nothing if
/// nobody knows.
pub(crate) fn used(pid: Pid) -> Used {
    ended(pid).map_or_else(Used::default, |usage| Used {
        cpu: duration(usage.ru_utime).saturating_add(duration(usage.ru_stime)),
        peak_memory_bytes: u64::try_from(usage.ru_maxrss)
            .unwrap_or_default()
            .saturating_mul(PEAK_UNIT_BYTES),
    })
}

/// As `wait4`, but it leaves the program to be waited for. Only the system call
/// itself does both: libraries leave its last argument out.
#[allow(
    unsafe_code,
    reason = "no safe library passes on what waitid tells of a program's resources"
)]
fn ended(pid: Pid) -> Option<libc::rusage> {
    let options = libc::WEXITED | libc::WNOWAIT | libc::WNOHANG;
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the call writes through its last argument alone, which points at
    // a `rusage` of ours; it takes no pointer for the status.
    let waited = unsafe {
        libc::syscall(
            libc::SYS_waitid,
            libc::P_PID,
            pid.as_raw_pid(),
            std::ptr::null::<libc::siginfo_t>(),
            options,
            usage.as_mut_ptr(),
        )
    };
    // SAFETY: a `rusage` is made of integers, for which zero, as it was set
    // before the call, is a value.
    (waited == 0).then(|| unsafe { usage.assume_init() })
}

fn duration(time: libc::timeval) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let micros = u64::try_from(time.tv_usec).unwrap_or_default();
    Duration::from_secs(seconds).saturating_add(Duration::from_micros(micros))
}
