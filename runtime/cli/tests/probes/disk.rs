//! What a sandbox may write is bounded, in bytes and in entries, however it is
//! written.

use mote_api::{ByteSize, End};

use crate::harness::{Folder, Opened, Ran, Sandbox};

/// Ceilings on the disk.
fn disk(bytes: u64, entries: u64) -> Sandbox {
    Sandbox::none().limit(|limits| {
        limits.disk = ByteSize::bytes(bytes);
        limits.disk_entries = entries;
    })
}

const DISK_BYTES: u64 = 1 << 20;
const DISK_ENTRIES: u64 = 100;

/// It was told so in these words, and the outcome names the limit.
#[track_caller]
fn assert_quota(ran: &Ran, words: &str) {
    assert!(ran.denied().contains(words), "{ran:?}");
    ran.ended(&End::Quota { code: 1 });
}

/// What `/data` may hold where it has a size of its own.
const SIZE: u64 = DISK_BYTES / 4;

/// A sandbox in which `/data`, at `folder`, has one.
fn sized(folder: &Folder) -> Sandbox {
    let sandbox = disk(DISK_BYTES, DISK_ENTRIES).rw("/data", folder.path());
    sandbox.sized("/data", SIZE)
}

/// It was told so in these words, and the outcome names the folder.
#[track_caller]
fn assert_full(ran: &Ran, words: &str) {
    assert!(ran.denied().contains(words), "{ran:?}");
    assert_eq!(ran.outcome.end, End::Quota { code: 1 });
    assert_eq!(ran.outcome.limits_hit, ["folder"]);
    let hint = ran.outcome.hint.as_deref().unwrap();
    assert!(
        hint.contains("the size limit of /data is reached"),
        "{hint}"
    );
}

/// How the host says that there is no space.
const RAW: &str = "insufficient-space";
/// How the C library says it.
const NO_SPACE: &str = "No space left on device";
/// How the C library of WASI 0.2 says that a write failed, for whatever reason.
const WRITE_FAILED: &str = "I/O error";

pub mod fills_the_disk_by_bytes {
    use super::*;
    use mote_artifacts::probes::FILLS_THE_DISK_BY_BYTES;

    const WAYS: [(&str, &str); 3] = [("stream", RAW), ("call", RAW), ("library", WRITE_FAILED)];

    fn fill(opened: &Opened, how: &str, place: (&str, &str), bytes: u64) -> Ran {
        opened.run(
            FILLS_THE_DISK_BY_BYTES,
            &[how, place.0, place.1, &bytes.to_string()],
        )
    }

    #[test]
    fn at_the_limit_it_succeeds() {
        for (how, _) in WAYS {
            let opened = disk(DISK_BYTES, DISK_ENTRIES).open();
            let ran = fill(&opened, how, ("/workspace", "file"), DISK_BYTES);
            assert_eq!(ran.did(), "wrote 1048576 bytes");
            assert_eq!(ran.outcome.usage.written_bytes, DISK_BYTES);
        }
    }

    #[test]
    fn over_the_limit_it_is_reported() {
        for (how, words) in WAYS {
            for folder in ["/workspace", "/tmp"] {
                let opened = disk(DISK_BYTES, DISK_ENTRIES).open();
                assert_quota(&fill(&opened, how, (folder, "file"), DISK_BYTES + 1), words);
            }
        }
    }

    #[test]
    fn a_granted_folder_grows_no_further_than_the_limit() {
        for (how, words) in WAYS {
            let folder = Folder::with(&[]);
            let opened = disk(DISK_BYTES, DISK_ENTRIES)
                .rw("/data", folder.path())
                .open();
            assert_quota(
                &fill(&opened, how, ("/data", "file"), 4 * DISK_BYTES),
                words,
            );
            assert!(std::fs::metadata(folder.at("file")).unwrap().len() <= DISK_BYTES);
        }
    }

    #[test]
    fn a_folder_with_a_size_of_its_own_grows_no_further_and_others_do() {
        for (how, words) in WAYS {
            let folder = Folder::with(&[]);
            let opened = sized(&folder).open();
            let (a, b) = (("/data", "a"), ("/data", "b"));
            fill(&opened, how, a, SIZE).did();
            assert_full(&fill(&opened, how, b, 1), words);
            fill(&opened, how, ("/workspace", "a"), SIZE * 2).did();
            assert_full(&fill(&opened, how, a, SIZE + 1), words);
            assert!(std::fs::metadata(folder.at("a")).unwrap().len() <= SIZE);
        }
    }

    #[test]
    fn a_size_of_its_own_that_is_larger_than_the_limit_changes_nothing() {
        let folder = Folder::with(&[]);
        let sandbox = disk(DISK_BYTES, DISK_ENTRIES).rw("/data", folder.path());
        let opened = sandbox.sized("/data", 2 * DISK_BYTES).open();
        let at = ("/data", "a");
        fill(&opened, "stream", at, DISK_BYTES).did();
        assert_quota(&fill(&opened, "stream", at, DISK_BYTES + 1), RAW);
    }

    #[test]
    fn what_one_call_wrote_counts_for_the_next_until_it_is_overwritten() {
        let opened = disk(DISK_BYTES, DISK_ENTRIES).open();
        let (a, b) = (("/workspace", "a"), ("/workspace", "b"));
        fill(&opened, "stream", a, DISK_BYTES).did();
        assert_quota(&fill(&opened, "stream", b, 1), RAW);
        fill(&opened, "stream", a, 0).did();
        fill(&opened, "stream", b, DISK_BYTES).did();
    }
}

pub mod fills_the_disk_by_entries {
    use super::*;
    use mote_artifacts::probes::FILLS_THE_DISK_BY_ENTRIES;

    const KINDS: [&str; 4] = ["file", "folder", "link", "symlink"];

    fn fill(kind: &str, count: u64) -> Ran {
        disk(DISK_BYTES, DISK_ENTRIES).run(
            FILLS_THE_DISK_BY_ENTRIES,
            &[kind, "/workspace", &count.to_string()],
        )
    }

    #[test]
    fn at_the_limit_they_succeed() {
        for kind in KINDS {
            assert_eq!(fill(kind, DISK_ENTRIES).did(), "made 100", "{kind}");
        }
    }

    #[test]
    fn over_the_limit_they_are_reported() {
        for kind in KINDS {
            assert_quota(&fill(kind, DISK_ENTRIES + 1), NO_SPACE);
        }
    }
}

pub mod fills_the_disk_by_a_sparse_file {
    use super::*;
    use mote_artifacts::probes::FILLS_THE_DISK_BY_A_SPARSE_FILE;

    fn stretch(how: &str, bytes: u64) -> Ran {
        let args = [how, "/workspace/file", &bytes.to_string()];
        disk(DISK_BYTES, DISK_ENTRIES).run(FILLS_THE_DISK_BY_A_SPARSE_FILE, &args)
    }

    #[test]
    fn at_the_limit_it_succeeds() {
        for how in ["set-size", "write"] {
            assert_eq!(
                stretch(how, DISK_BYTES).did(),
                "the file has 1048576 bytes",
                "{how}"
            );
        }
    }

    #[test]
    fn it_is_no_larger_than_a_folder_with_a_size_of_its_own() {
        for (how, words) in [("set-size", NO_SPACE), ("write", WRITE_FAILED)] {
            let folder = Folder::with(&[]);
            let opened = sized(&folder).open();
            let stretch = |bytes: u64| {
                let args = [how, "/data/file", &bytes.to_string()];
                opened.run(FILLS_THE_DISK_BY_A_SPARSE_FILE, &args)
            };
            assert_full(&stretch(SIZE + 1), words);
            stretch(SIZE).did();
        }
    }

    #[test]
    fn over_the_limit_it_is_reported() {
        for (how, words) in [("set-size", NO_SPACE), ("write", WRITE_FAILED)] {
            for bytes in [DISK_BYTES + 1, 1 << 40] {
                assert_quota(&stretch(how, bytes), words);
            }
        }
    }
}

pub mod fills_the_disk_by_deleted_files {
    use super::*;
    use mote_artifacts::probes::FILLS_THE_DISK_BY_DELETED_FILES;

    fn hide(count: u64) -> Ran {
        let args = [
            "/workspace",
            &count.to_string(),
            &(DISK_BYTES / 4).to_string(),
        ];
        disk(DISK_BYTES, DISK_ENTRIES).run(FILLS_THE_DISK_BY_DELETED_FILES, &args)
    }

    #[test]
    fn at_the_limit_they_succeed() {
        assert_eq!(hide(4).did(), "holds 4 files without names");
    }

    #[test]
    fn over_the_limit_they_are_reported() {
        assert_quota(&hide(5), WRITE_FAILED);
    }

    #[test]
    fn they_fill_a_folder_with_a_size_of_its_own_as_long_as_they_are_open() {
        let folder = Folder::with(&[]);
        let opened = sized(&folder).open();
        let hide = |count: &str| {
            let args = ["/data", count, &(SIZE / 4).to_string()];
            opened.run(FILLS_THE_DISK_BY_DELETED_FILES, &args)
        };
        assert_full(&hide("5"), WRITE_FAILED);
        hide("4").did();
    }
}

pub mod churns_files {
    use super::*;
    use mote_artifacts::probes::{
        CHURNS_FILES, FILLS_THE_DISK_BY_BYTES, FILLS_THE_DISK_BY_ENTRIES,
    };

    #[test]
    fn afterwards_there_is_as_much_room_as_before_and_no_more() {
        let opened = disk(DISK_BYTES, DISK_ENTRIES).open();
        let churned = opened.run(CHURNS_FILES, &["/workspace", "100"]);
        assert_eq!(churned.did(), "churned 100 times");
        let fill = |bytes: u64| {
            let args = ["call", "/tmp", "file", &bytes.to_string()];
            opened.run(FILLS_THE_DISK_BY_BYTES, &args)
        };
        assert_quota(&fill(DISK_BYTES + 1), RAW);
        fill(DISK_BYTES).did();
        // That file is one of the entries.
        let make = |count: u64| {
            let args = ["folder", "/workspace", &count.to_string()];
            opened.run(FILLS_THE_DISK_BY_ENTRIES, &args)
        };
        let over = make(DISK_ENTRIES);
        assert_quota(&over, NO_SPACE);
        assert_eq!(over.outcome.usage.file_calls, DISK_ENTRIES);
    }

    #[test]
    fn a_folder_with_a_size_of_its_own_has_as_much_room_as_before_and_no_more() {
        let folder = Folder::with(&[]);
        let opened = sized(&folder).open();
        let churned = opened.run(CHURNS_FILES, &["/data", "100"]);
        assert_eq!(churned.did(), "churned 100 times");
        let fill = |bytes: u64| {
            let args = ["call", "/data", "file", &bytes.to_string()];
            opened.run(FILLS_THE_DISK_BY_BYTES, &args)
        };
        assert_full(&fill(SIZE + 1), RAW);
        fill(SIZE).did();
    }
}
