//! At a limit it succeeds; over it the guest is told or ended, and the outcome
//! names the limit.

use std::time::Duration;

use mote_api::{ByteSize, Clock, End, Limits};
use mote_host::{Input, pipe};

use crate::harness::{Folder, Ran, Sandbox, runtime};

/// Time for a guest that never ends by itself.
const SHORT_MS: u64 = 300;
/// How much later than its deadline a guest may end on a busy machine.
const GRACE: Duration = Duration::from_secs(10);

#[track_caller]
fn assert_deadline(ran: &Ran) {
    ran.ended(&End::Deadline);
    let wall = ran.outcome.usage.wall;
    assert!(
        wall >= Duration::from_millis(SHORT_MS) && wall < GRACE,
        "{wall:?}"
    );
}

pub mod spins_forever {
    use super::*;
    use mote_artifacts::probes::SPINS_FOREVER;

    #[test]
    fn over_the_deadline_it_is_ended() {
        let ran = Sandbox::none().deadline(SHORT_MS).run(SPINS_FOREVER, &[]);
        assert_deadline(&ran);
        assert!(ran.outcome.usage.cpu > Duration::ZERO, "{ran:?}");
    }

    #[test]
    fn others_run_meanwhile() {
        let busy = Sandbox::none().deadline(2_000).open();
        let probe = crate::harness::argv(SPINS_FOREVER, &[]);
        let invocation = mote_api::Invocation::new(probe);
        // One thread for all: the guest has to give way by itself.
        let one = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let spinning = async {
            busy.0
                .run(&invocation, Default::default())
                .await
                .unwrap()
                .end
        };
        let other = async {
            let exits = crate::harness::argv(mote_artifacts::probes::EXITS_WITH_A_CODE, &["7"]);
            let session = Sandbox::none().open();
            session
                .0
                .run(&mote_api::Invocation::new(exits), Default::default())
                .await
                .unwrap()
                .end
        };
        let first = one.block_on(async {
            tokio::select! { end = spinning => end, end = other => end }
        });
        assert_eq!(first, End::Exited { code: 7 });
    }

    #[test]
    fn its_caller_can_cancel_it() {
        let session = Sandbox::none().open();
        let invocation = mote_api::Invocation::new(crate::harness::argv(SPINS_FOREVER, &[]));
        let cancelled =
            session
                .0
                .run_until(&invocation, Default::default(), std::future::ready(()));
        let outcome = runtime().block_on(cancelled).unwrap();
        assert_eq!((outcome.end, outcome.exit_code), (End::Cancelled, 143));
    }
}

pub mod spins_in_start {
    use super::*;
    use mote_artifacts::probes::SPINS_IN_START;

    #[test]
    fn over_the_deadline_it_is_ended() {
        assert_deadline(&Sandbox::none().deadline(SHORT_MS).run(SPINS_IN_START, &[]));
    }
}

pub mod sleeps {
    use super::*;
    use mote_artifacts::probes::SLEEPS;

    #[test]
    fn within_the_deadline_it_succeeds() {
        assert_eq!(
            Sandbox::none()
                .clock(Clock::Real)
                .run(SLEEPS, &["20"])
                .did(),
            "slept 20 ms"
        );
    }

    #[test]
    fn over_the_deadline_it_is_ended() {
        let sandbox = Sandbox::none().clock(Clock::Real).deadline(SHORT_MS);
        assert_deadline(&sandbox.run(SLEEPS, &["86400000"]));
    }
}

pub mod waits_for_stdin {
    use super::*;
    use mote_artifacts::probes::WAITS_FOR_STDIN;

    #[test]
    fn input_arrives() {
        let (writer, reader) = pipe();
        runtime().block_on(writer.write_all(b"hello")).unwrap();
        drop(writer);
        let ran = Sandbox::none()
            .open()
            .try_run(WAITS_FOR_STDIN, &[], Input::Pipe(reader))
            .unwrap();
        assert_eq!(ran.did(), "read \"hello\"");
    }

    #[test]
    fn without_input_it_reads_the_end() {
        assert_eq!(Sandbox::none().run(WAITS_FOR_STDIN, &[]).did(), "read \"\"");
    }

    #[test]
    fn over_the_deadline_it_is_ended() {
        let (writer, reader) = pipe();
        let opened = Sandbox::none().deadline(SHORT_MS).open();
        let ran = opened
            .try_run(WAITS_FOR_STDIN, &[], Input::Pipe(reader))
            .unwrap();
        assert_deadline(&ran);
        drop(writer);
    }
}

pub mod writes_nothing_in_a_loop {
    use super::*;
    use mote_artifacts::probes::WRITES_NOTHING_IN_A_LOOP;

    #[test]
    fn over_the_deadline_it_is_ended() {
        let sandbox = Sandbox::none().deadline(SHORT_MS);
        for place in ["stdout", "/workspace"] {
            assert_deadline(&sandbox.run(WRITES_NOTHING_IN_A_LOOP, &[place]));
        }
    }
}

/// A ceiling on memory.
fn memory(limit: ByteSize) -> Sandbox {
    Sandbox::none().limit(|limits| limits.memory = limit)
}

/// It was refused memory and failed for it; it never held more than `limit`.
#[track_caller]
fn assert_memory(ran: &Ran, limit: ByteSize) {
    ran.ended(&End::Memory);
    assert!(
        ran.outcome.usage.peak_memory_bytes <= limit.as_u64(),
        "{ran:?}"
    );
}

pub mod grows_one_memory {
    use super::*;
    use mote_artifacts::probes::GROWS_ONE_MEMORY;

    const LIMIT: ByteSize = ByteSize::mib(16);

    #[test]
    fn to_the_limit_it_succeeds_and_over_it_is_reported() {
        let sandbox = memory(LIMIT);
        // What it begins with is known only once it has run.
        let begins = sandbox
            .run(GROWS_ONE_MEMORY, &["0"])
            .outcome
            .usage
            .peak_memory_bytes;
        let rest = (LIMIT.as_u64() - begins) & !0xffff;
        let ran = sandbox.run(GROWS_ONE_MEMORY, &[&rest.to_string()]);
        assert_eq!(ran.did(), format!("took {rest} bytes"));
        let ran = sandbox.run(GROWS_ONE_MEMORY, &[&(rest + 0x10000).to_string()]);
        assert_eq!(ran.denied(), format!("memory refused after {rest} bytes"));
        assert_memory(&ran, LIMIT);
    }
}

pub mod allocates_memory {
    use super::*;
    use mote_artifacts::probes::ALLOCATES_MEMORY;

    #[test]
    fn below_the_limit_it_succeeds() {
        let ran = memory(ByteSize::mib(16)).run(ALLOCATES_MEMORY, &[&(8 << 20).to_string()]);
        assert_eq!(ran.did(), "holds 8 blocks");
    }

    #[test]
    fn over_the_limit_it_is_reported() {
        let limit = ByteSize::mib(16);
        assert_memory(
            &memory(limit).run(ALLOCATES_MEMORY, &[&(32 << 20).to_string()]),
            limit,
        );
    }
}

pub mod grows_many_memories {
    use super::*;
    use mote_artifacts::probes::GROWS_MANY_MEMORIES;

    #[test]
    fn at_the_limit_they_succeed() {
        let ran = memory(ByteSize::mib(16)).run(GROWS_MANY_MEMORIES, &[]);
        ran.exited(0);
        assert_eq!(ran.outcome.usage.peak_memory_bytes, 16 << 20);
    }

    #[test]
    fn over_the_limit_they_are_reported() {
        let limit = ByteSize::bytes((16 << 20) - 1);
        assert_memory(&memory(limit).run(GROWS_MANY_MEMORIES, &[]), limit);
    }
}

pub mod grows_tables {
    use super::*;
    use mote_artifacts::probes::GROWS_TABLES;

    #[test]
    fn at_the_limit_they_succeed() {
        let ran = memory(ByteSize::mib(1)).run(GROWS_TABLES, &[]);
        ran.exited(0);
        assert_eq!(ran.outcome.usage.peak_memory_bytes, 1 << 20);
    }

    #[test]
    fn over_the_limit_they_are_reported() {
        let limit = ByteSize::bytes((1 << 20) - 1);
        assert_memory(&memory(limit).run(GROWS_TABLES, &[]), limit);
    }
}

pub mod declares_a_large_memory {
    use super::*;
    use mote_artifacts::probes::DECLARES_A_LARGE_MEMORY;

    #[test]
    fn at_the_limit_it_starts() {
        memory(ByteSize::mib(16))
            .run(DECLARES_A_LARGE_MEMORY, &[])
            .exited(0);
    }

    #[test]
    fn over_the_limit_it_is_reported() {
        let limit = ByteSize::bytes((16 << 20) - 1);
        assert_memory(&memory(limit).run(DECLARES_A_LARGE_MEMORY, &[]), limit);
    }
}

/// A ceiling on output.
fn output(bytes: u64) -> Sandbox {
    Sandbox::none().limit(|limits| limits.output = ByteSize::bytes(bytes))
}

/// Output below which no buffer of a guest is cut in two.
const OUTPUT_BYTES: u64 = 1 << 20;

pub mod floods_stdout {
    use super::*;
    use mote_artifacts::probes::FLOODS_STDOUT;

    #[test]
    fn at_the_limit_it_succeeds() {
        let ran = output(OUTPUT_BYTES).run(FLOODS_STDOUT, &[&OUTPUT_BYTES.to_string()]);
        ran.exited(0);
        assert_eq!(ran.outcome.stdout.bytes, OUTPUT_BYTES);
    }

    #[test]
    fn over_the_limit_it_is_ended() {
        for bytes in [OUTPUT_BYTES + 1, 1 << 31] {
            let ran = output(OUTPUT_BYTES).run(FLOODS_STDOUT, &[&bytes.to_string()]);
            ran.ended(&End::Output);
            assert!(ran.outcome.stdout.bytes <= OUTPUT_BYTES, "{ran:?}");
        }
    }
}

pub mod floods_stderr {
    use super::*;
    use mote_artifacts::probes::FLOODS_STDERR;

    #[test]
    fn at_the_limit_it_succeeds() {
        let ran = output(OUTPUT_BYTES).run(FLOODS_STDERR, &[&OUTPUT_BYTES.to_string()]);
        ran.exited(0);
        assert_eq!(ran.outcome.stderr.bytes, OUTPUT_BYTES);
    }

    #[test]
    fn over_the_limit_it_is_ended() {
        let ran = output(OUTPUT_BYTES).run(FLOODS_STDERR, &[&(OUTPUT_BYTES + 1).to_string()]);
        ran.ended(&End::Output);
        assert!(ran.outcome.stderr.bytes <= OUTPUT_BYTES, "{ran:?}");
    }
}

pub mod writes_zeroes {
    use super::*;
    use mote_artifacts::probes::WRITES_ZEROES;

    #[test]
    fn a_few_arrive() {
        let ran = Sandbox::none().run(WRITES_ZEROES, &["4096"]);
        assert_eq!(ran.stdout, "\0".repeat(4096));
    }

    #[test]
    fn too_many_take_no_memory_of_the_host() {
        for bytes in [1_u64 << 40, u64::MAX] {
            let ran = output(OUTPUT_BYTES).run(WRITES_ZEROES, &[&bytes.to_string()]);
            assert!(
                !matches!(ran.outcome.end, End::Exited { code: 0 }),
                "{ran:?}"
            );
            assert!(ran.outcome.stdout.bytes <= OUTPUT_BYTES, "{ran:?}");
        }
    }
}

/// Ceilings on the disk.
fn disk(bytes: u64, entries: u64) -> Sandbox {
    Sandbox::none().limit(|limits| {
        limits.disk = ByteSize::bytes(bytes);
        limits.disk_entries = entries;
    })
}

const DISK_BYTES: u64 = 1 << 20;
const DISK_ENTRIES: u64 = 100;

/// It was told that there is no space, and the outcome says so.
#[track_caller]
fn assert_quota(ran: &Ran) {
    assert!(ran.denied().contains("No space left on device"), "{ran:?}");
    ran.ended(&End::Quota { code: 1 });
}

pub mod fills_the_disk_by_bytes {
    use super::*;
    use mote_artifacts::probes::FILLS_THE_DISK_BY_BYTES;

    fn fill(sandbox: &Sandbox, path: &str, bytes: u64) -> Ran {
        sandbox.run(FILLS_THE_DISK_BY_BYTES, &[path, &bytes.to_string()])
    }

    #[test]
    fn at_the_limit_it_succeeds() {
        let ran = fill(
            &disk(DISK_BYTES, DISK_ENTRIES),
            "/workspace/file",
            DISK_BYTES,
        );
        assert_eq!(ran.did(), "wrote 1048576 bytes");
        assert_eq!(ran.outcome.usage.written_bytes, DISK_BYTES);
    }

    #[test]
    fn over_the_limit_it_is_reported() {
        for path in ["/workspace/file", "/tmp/file"] {
            assert_quota(&fill(&disk(DISK_BYTES, DISK_ENTRIES), path, DISK_BYTES + 1));
        }
    }

    #[test]
    fn a_granted_folder_grows_no_further_than_the_limit() {
        let folder = Folder::with(&[]);
        let sandbox = disk(DISK_BYTES, DISK_ENTRIES).rw("/data", folder.path());
        assert_quota(&fill(&sandbox, "/data/file", 4 * DISK_BYTES));
        assert!(std::fs::metadata(folder.at("file")).unwrap().len() <= DISK_BYTES);
    }

    #[test]
    fn what_one_call_wrote_counts_for_the_next_until_it_is_overwritten() {
        let opened = disk(DISK_BYTES, DISK_ENTRIES).open();
        let fill = |path: &str, bytes: u64| {
            opened.run(FILLS_THE_DISK_BY_BYTES, &[path, &bytes.to_string()])
        };
        fill("/workspace/a", DISK_BYTES).did();
        assert_quota(&fill("/workspace/b", 1));
        fill("/workspace/a", 0).did();
        fill("/workspace/b", DISK_BYTES).did();
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
            assert_quota(&fill(kind, DISK_ENTRIES + 1));
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
    fn over_the_limit_it_is_reported() {
        for how in ["set-size", "write"] {
            for bytes in [DISK_BYTES + 1, 1 << 40] {
                assert_quota(&stretch(how, bytes));
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
        assert_quota(&hide(5));
    }
}

/// A ceiling on handles.
fn handles(limit: u32) -> Sandbox {
    Sandbox::none()
        .clock(Clock::Real)
        .limit(|limits| limits.handles = limit)
}

pub mod opens_handles {
    use super::*;
    use mote_artifacts::probes::OPENS_HANDLES;

    #[test]
    fn below_the_limit_they_succeed_and_over_it_are_reported() {
        let folder = Folder::with(&[("file", "")]);
        let sandbox = handles(100).ro("/data", folder.path());
        assert_eq!(
            sandbox.run(OPENS_HANDLES, &["/data/file", "80"]).did(),
            "holds 80 handles"
        );
        for count in ["101", "1000000"] {
            sandbox
                .run(OPENS_HANDLES, &["/data/file", count])
                .ended(&End::Handles);
        }
    }
}

pub mod makes_pollables {
    use super::*;
    use mote_artifacts::probes::MAKES_POLLABLES;

    #[test]
    fn below_the_limit_they_succeed_and_over_it_are_reported() {
        assert_eq!(
            handles(100).run(MAKES_POLLABLES, &["40"]).did(),
            "holds 40 pollables"
        );
        for count in ["101", "1000000"] {
            handles(100)
                .run(MAKES_POLLABLES, &[count])
                .ended(&End::Handles);
        }
    }
}

/// Most bytes that a guest may hand to the host in one call, as the host has
/// it; what is twice as large is refused.
const HOSTCALL_BYTES: usize = 16 << 20;

pub mod polls_a_long_list {
    use super::*;
    use mote_artifacts::probes::POLLS_A_LONG_LIST;

    #[test]
    fn a_short_one_succeeds_and_a_long_one_is_ended() {
        let sandbox = Sandbox::none().clock(Clock::Real);
        assert_eq!(
            sandbox.run(POLLS_A_LONG_LIST, &["100"]).did(),
            "100 of 100 are ready"
        );
        sandbox
            .run(POLLS_A_LONG_LIST, &[&(HOSTCALL_BYTES / 2).to_string()])
            .trapped("");
    }
}

pub mod writes_a_huge_buffer {
    use super::*;
    use mote_artifacts::probes::WRITES_A_HUGE_BUFFER;

    #[test]
    fn a_large_one_succeeds_and_a_huge_one_is_ended() {
        let sandbox = Sandbox::none();
        let write =
            |bytes: usize| sandbox.run(WRITES_A_HUGE_BUFFER, &["/workspace", &bytes.to_string()]);
        assert_eq!(write(HOSTCALL_BYTES / 2).did(), "wrote some");
        write(HOSTCALL_BYTES * 2).trapped("");
    }
}

pub mod names_a_huge_path {
    use super::*;
    use mote_artifacts::probes::NAMES_A_HUGE_PATH;

    #[test]
    fn a_long_one_is_denied_and_a_huge_one_is_ended() {
        let sandbox = Sandbox::none();
        let name =
            |bytes: usize| sandbox.run(NAMES_A_HUGE_PATH, &["/workspace", &bytes.to_string()]);
        assert_eq!(name(255).denied(), "no-entry");
        assert_eq!(name(256).denied(), "name-too-long");
        name(HOSTCALL_BYTES * 2).trapped("");
    }
}

pub mod reads_at_a_huge_length {
    use super::*;
    use mote_artifacts::probes::READS_AT_A_HUGE_LENGTH;

    #[test]
    fn it_gets_what_there_is() {
        let folder = Folder::with(&[("file", "content")]);
        let sandbox = Sandbox::none().ro("/data", folder.path());
        for bytes in [7, 1 << 40, u64::MAX] {
            let ran = sandbox.run(
                READS_AT_A_HUGE_LENGTH,
                &["/data", "file", &bytes.to_string()],
            );
            assert_eq!(ran.did(), "read 7 bytes and 7 bytes");
        }
    }
}

#[test]
fn a_call_may_lower_its_limits_and_not_raise_them() {
    let probe = crate::harness::argv(mote_artifacts::probes::SPINS_FOREVER, &[]);
    let session = Sandbox::none().deadline(SHORT_MS).open();
    for (asked, most) in [
        (Duration::from_millis(SHORT_MS / 3), SHORT_MS),
        (Duration::from_secs(3600), 10_000),
    ] {
        let mut invocation = mote_api::Invocation::new(probe.clone());
        invocation.limits = Some(Limits {
            deadline: asked,
            ..Limits::default()
        });
        let outcome = runtime()
            .block_on(session.0.run(&invocation, Default::default()))
            .unwrap();
        assert_eq!(outcome.end, End::Deadline);
        assert!(
            outcome.usage.wall < GRACE.max(Duration::from_millis(most)),
            "{outcome:?}"
        );
    }
}
