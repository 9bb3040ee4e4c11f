//! At a limit it succeeds; over it the guest is told or ended, and the outcome
//! names the limit.

use std::time::Duration;

use mote_api::{ByteSize, Clock, End, Limits};
use mote_host::{Input, pipe};

use crate::harness::{Ran, Sandbox, runtime};

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
        assert_eq!(
            ran.stdout,
            format!("denied: memory refused after {rest} bytes\n")
        );
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
        assert!(ran.stderr.starts_with("xxx") && ran.stdout.is_empty());
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

pub mod ends_at_once {
    use super::*;
    use mote_artifacts::probes::ENDS_AT_ONCE;

    #[test]
    fn costs_one_program_and_leaves_nothing() {
        let ran = Sandbox::none().run(ENDS_AT_ONCE, &[]);
        assert_eq!(ran.outcome.end, End::Exited { code: 0 });
        assert_eq!(ran.outcome.usage.spawned, 0);
        assert!(ran.outcome.denied.is_empty() && ran.outcome.usage.peak_memory_bytes > 0);
    }
}
