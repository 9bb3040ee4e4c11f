//! How much memory this process may take.

use std::fs;
use std::path::{Path, PathBuf};

use mote_api::ByteSize;

/// Of a hundred, what sessions are given: the rest is for the node host
/// itself and for the system.
const SHARE: u64 = 80;

/// What there is to give, by the machine and the groups this process is in.
///
/// # Errors
/// The system does not tell, as a sentence.
pub(super) fn to_give() -> Result<ByteSize, String> {
    let has = |path| fs::read_to_string(path).unwrap_or_default();
    let machine = machine(&has("/proc/meminfo"));
    let groups = groups(&has("/proc/self/cgroup"), Path::new("/sys/fs/cgroup"));
    let least = machine.into_iter().chain(groups).min();
    let least = least.ok_or_else(|| {
        "the system does not tell how much memory there is; say it with --memory".to_owned()
    })?;
    Ok(ByteSize::bytes(least / 100 * SHARE))
}

/// The memory of the machine in bytes.
fn machine(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// The ceilings in bytes of the groups that `own` names, and of those above
/// them.
fn groups(own: &str, root: &Path) -> Vec<u64> {
    let ceiling = |file: PathBuf| fs::read_to_string(file).ok()?.trim().parse::<u64>().ok();
    let mut found = Vec::new();
    for line in own.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(kind), Some(path)) = (parts.next(), parts.next()) else {
            continue;
        };
        let (folder, file) = match kind {
            "" => (root.to_owned(), "memory.max"),
            "memory" => (root.join(kind), "memory.limit_in_bytes"),
            _ => continue,
        };
        let own = folder.join(path.trim_start_matches('/'));
        let above = own.ancestors().take_while(|at| at.starts_with(&folder));
        found.extend(above.filter_map(|at| ceiling(at.join(file))));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_tells_its_memory_in_kibibytes() {
        let meminfo = "MemTotal:       16384 kB\nMemFree:  1 kB\n";
        assert_eq!(machine(meminfo), Some(16 << 20));
        for bad in ["", "MemTotal:", "MemTotal: x kB", "MemTotal: 5"] {
            assert_eq!(machine(bad), None, "{bad}");
        }
    }

    #[test]
    fn each_group_above_has_its_ceiling() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("pods/memory.max", "1000\n");
        write("pods/one/memory.max", "max\n");
        write("pods/other/memory.max", "1\n");
        write("memory/memory.limit_in_bytes", "2000\n");
        let found = |own| groups(own, root.path());
        assert_eq!(found("0::/pods/one\n"), [1000]);
        assert_eq!(found("5:cpu:/x\n4:memory:/\n0::/\n"), [2000]);
        assert_eq!(found("0::/../..\n"), Vec::<u64>::new());
        assert_eq!(found("nonsense"), Vec::<u64>::new());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_machine_has_some_to_give() {
        assert!(to_give().unwrap() > ByteSize::mib(64));
    }
}
