//! How programs end, and which are no programs of ours.

use mote_api::{End, Rejection};

use crate::harness::{Folder, Sandbox};

#[track_caller]
fn assert_not_executable(rejection: &Rejection, why: &str) {
    assert!(
        matches!(rejection, Rejection::NotExecutable { .. }),
        "{rejection:?}"
    );
    assert!(rejection.to_string().contains(why), "{rejection}");
    assert_eq!(rejection.exit_code(), 126);
}

pub mod exits_with_a_code {
    use super::*;
    use mote_artifacts::probes::EXITS_WITH_A_CODE;

    #[test]
    fn every_code_arrives() {
        let opened = Sandbox::none().open();
        for code in 0..=u8::MAX {
            opened
                .run(EXITS_WITH_A_CODE, &[&code.to_string()])
                .exited(code);
        }
    }
}

pub mod exits_through_plain_exit {
    use super::*;
    use mote_artifacts::probes::EXITS_THROUGH_PLAIN_EXIT;

    #[test]
    fn only_success_and_failure_arrive() {
        for (code, arrives) in [("0", 0), ("1", 1), ("3", 1)] {
            Sandbox::none()
                .run(EXITS_THROUGH_PLAIN_EXIT, &[code])
                .exited(arrives);
        }
    }
}

pub mod module_exits_with_a_code {
    use super::*;
    use mote_artifacts::probes::MODULE_EXITS_WITH_A_CODE;

    #[test]
    fn every_code_arrives() {
        let opened = Sandbox::none().open();
        for code in 0..=u8::MAX {
            opened
                .run(MODULE_EXITS_WITH_A_CODE, &[&code.to_string()])
                .exited(code);
        }
    }
}

pub mod module_reads_a_file {
    use super::*;
    use mote_artifacts::probes::MODULE_READS_A_FILE;

    #[test]
    fn granted_works_and_ungranted_is_denied() {
        let folder = Folder::with(&[("file", "content")]);
        let granted = Sandbox::none().ro("/data", folder.path());
        assert_eq!(
            granted.run(MODULE_READS_A_FILE, &["/data/file"]).did(),
            "content"
        );
        for path in ["/etc/passwd", "/data/../etc/passwd", "/data/file"] {
            Sandbox::none().run(MODULE_READS_A_FILE, &[path]).denied();
        }
    }
}

pub mod hits_unreachable {
    use super::*;
    use mote_artifacts::probes::HITS_UNREACHABLE;

    #[test]
    fn it_is_reported_as_a_crash() {
        Sandbox::none()
            .run(HITS_UNREACHABLE, &[])
            .trapped("unreachable");
    }
}

pub mod overflows_its_stack {
    use super::*;
    use mote_artifacts::probes::OVERFLOWS_ITS_STACK;

    #[test]
    fn some_depth_works_and_too_much_is_reported_as_a_crash() {
        assert_eq!(
            Sandbox::none().run(OVERFLOWS_ITS_STACK, &["1000"]).did(),
            "came back from 1000"
        );
        Sandbox::none()
            .run(OVERFLOWS_ITS_STACK, &["1000000000"])
            .trapped("");
    }
}

pub mod reads_out_of_bounds {
    use super::*;
    use mote_artifacts::probes::READS_OUT_OF_BOUNDS;

    #[test]
    fn the_last_byte_works_and_the_next_is_reported_as_a_crash() {
        let sandbox = Sandbox::none();
        assert!(
            sandbox
                .run(READS_OUT_OF_BOUNDS, &["-1"])
                .did()
                .starts_with("read ")
        );
        for offset in ["0", "1000000000"] {
            sandbox
                .run(READS_OUT_OF_BOUNDS, &[offset])
                .trapped("out of bounds");
        }
    }
}

pub mod traps_in_start {
    use super::*;
    use mote_artifacts::probes::TRAPS_IN_START;

    #[test]
    fn it_is_reported_as_a_crash() {
        Sandbox::none()
            .run(TRAPS_IN_START, &[])
            .trapped("unreachable");
    }
}

/// A component that wants what the engine does not do.
macro_rules! not_executable {
    ($probe:ident, $constant:ident, $why:literal) => {
        pub mod $probe {
            use super::*;
            use mote_artifacts::probes::$constant;

            #[test]
            fn it_is_declined() {
                assert_not_executable(&Sandbox::none().rejects($constant, &[]), $why);
            }
        }
    };
}

not_executable!(shares_a_memory, SHARES_A_MEMORY, "threads");
not_executable!(has_a_64_bit_memory, HAS_A_64_BIT_MEMORY, "memory64");
not_executable!(throws_an_exception, THROWS_AN_EXCEPTION, "exceptions");
not_executable!(exports_no_command, EXPORTS_NO_COMMAND, "wasi:cli/run");
not_executable!(declares_a_large_table, DECLARES_A_LARGE_TABLE, "table");
not_executable!(
    declares_many_instances,
    DECLARES_MANY_INSTANCES,
    "instances"
);

/// After whatever a guest did the host runs the next.
#[test]
fn a_crash_leaves_nothing_behind() {
    use mote_artifacts::probes::{EXITS_WITH_A_CODE, HITS_UNREACHABLE};
    let opened = Sandbox::none().open();
    for _ in 0..50 {
        opened.run(HITS_UNREACHABLE, &[]).trapped("unreachable");
    }
    opened
        .run(EXITS_WITH_A_CODE, &["9"])
        .ended(&End::Exited { code: 9 });
}
