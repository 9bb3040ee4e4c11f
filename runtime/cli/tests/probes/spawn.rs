//! Children share their parent's limits, hold no more than it, and go with it.

use std::time::Duration;

use mote_api::{End, Limits};

use crate::harness::{Folder, Sandbox};

fn limit(change: impl FnOnce(&mut Limits)) -> Sandbox {
    Sandbox::none().limit(change)
}

pub mod spawns_recursively {
    use super::*;
    use mote_artifacts::probes::SPAWNS_RECURSIVELY;

    #[test]
    fn at_the_limit_it_succeeds() {
        let ran = limit(|limits| limits.depth = 3).run(SPAWNS_RECURSIVELY, &["3"]);
        assert_eq!(ran.did(), "reached the depth");
        assert_eq!(ran.outcome.usage.spawned, 3);
    }

    #[test]
    fn over_the_limit_it_is_reported() {
        let ran = limit(|limits| limits.depth = 3).run(SPAWNS_RECURSIVELY, &["4"]);
        assert!(
            ran.denied().starts_with("with 1 to go: limit: ") && ran.denied().contains("(depth)"),
            "{ran:?}"
        );
    }
}

pub mod spawns_at_once {
    use super::*;
    use mote_artifacts::probes::SPAWNS_AT_ONCE;

    #[test]
    fn at_the_limit_it_succeeds() {
        let ran = limit(|limits| limits.processes = 4).run(SPAWNS_AT_ONCE, &["3"]);
        assert_eq!(ran.did(), "holds 3 children");
    }

    #[test]
    fn over_the_limit_it_is_reported() {
        let ran = limit(|limits| limits.processes = 4).run(SPAWNS_AT_ONCE, &["4"]);
        assert!(
            ran.denied().starts_with("limit: ") && ran.denied().contains("(processes)"),
            "{ran:?}"
        );
    }

    #[test]
    fn one_process_means_no_children() {
        let ran = limit(|limits| limits.processes = 1).run(SPAWNS_AT_ONCE, &["1"]);
        assert!(ran.denied().contains("(processes)"), "{ran:?}");
    }
}

pub mod spawns_in_a_row {
    use super::*;
    use mote_artifacts::probes::SPAWNS_IN_A_ROW;

    #[test]
    fn at_the_limit_it_succeeds() {
        let ran = limit(|limits| limits.spawns = 21).run(SPAWNS_IN_A_ROW, &["20"]);
        assert_eq!(ran.did(), "ran 20 children");
    }

    #[test]
    fn over_the_limit_it_is_reported() {
        let ran = limit(|limits| limits.spawns = 21).run(SPAWNS_IN_A_ROW, &["21"]);
        assert!(
            ran.denied().starts_with("child 20: limit: ") && ran.denied().contains("(spawns)"),
            "{ran:?}"
        );
    }
}

pub mod spawns_without_end {
    use super::*;
    use mote_artifacts::probes::{EXITS_WITH_A_CODE, SPAWNS_WITHOUT_END};

    /// How much later than its deadline a whole tree may end, on a busy
    /// machine.
    const GRACE: Duration = Duration::from_secs(3);

    #[test]
    fn over_the_deadline_it_is_ended_with_all_its_children() {
        let deadline = Duration::from_millis(500);
        let opened = limit(|limits| limits.deadline = deadline).open();
        let ran = opened.run(SPAWNS_WITHOUT_END, &[]);
        ran.ended(&End::Deadline);
        assert!(ran.outcome.usage.wall < deadline + GRACE, "{ran:?}");
        // All live on, so refused attempts are all that came after these.
        let children = Limits::default().processes - 1;
        assert_eq!(ran.outcome.usage.spawned, children, "{ran:?}");
        // Its places are free again.
        for _ in 0..3 {
            opened.run(EXITS_WITH_A_CODE, &["6"]).exited(6);
        }
    }
}

pub mod spawns_with_huge_arguments {
    use super::*;
    use mote_artifacts::probes::SPAWNS_WITH_HUGE_ARGUMENTS;

    #[test]
    fn large_ones_arrive() {
        let ran = Sandbox::none().run(SPAWNS_WITH_HUGE_ARGUMENTS, &["100000"]);
        assert_eq!(ran.did(), "the child exited with 0");
    }

    #[test]
    fn too_large_ones_are_refused() {
        let ran = Sandbox::none().run(SPAWNS_WITH_HUGE_ARGUMENTS, &["2000000"]);
        assert!(ran.denied().starts_with("invalid: "), "{ran:?}");
    }
}

pub mod spawns_with_more_than_it_holds {
    use super::*;
    use mote_artifacts::probes::SPAWNS_WITH_MORE_THAN_IT_HOLDS;

    // The child has to find itself, so it always gets the probes' folder.
    #[test]
    fn what_the_parent_holds_the_child_may_hold() {
        let ran = Sandbox::none().run(SPAWNS_WITH_MORE_THAN_IT_HOLDS, &["/probes"]);
        assert!(ran.did().starts_with("the child sees "), "{ran:?}");
    }

    #[test]
    fn what_the_parent_lacks_is_refused() {
        let ran = Sandbox::none().run(SPAWNS_WITH_MORE_THAN_IT_HOLDS, &["/etc"]);
        assert!(
            ran.denied().starts_with("invalid: ") && ran.denied().contains("/etc"),
            "{ran:?}"
        );
    }

    #[test]
    fn what_the_call_left_out_is_refused() {
        let folder = Folder::with(&[]);
        let opened = Sandbox::none().ro("/data", folder.path()).open();
        let argv = crate::harness::argv(SPAWNS_WITH_MORE_THAN_IT_HOLDS, &["/data"]);
        let mut invocation = mote_api::Invocation::new(argv);
        invocation.preopens = Some(vec!["/probes".parse().unwrap()]);
        let outcome =
            crate::harness::runtime().block_on(opened.0.run(&invocation, Default::default()));
        assert_eq!(outcome.unwrap().end, End::Exited { code: 1 });
    }
}

pub mod outlives_its_parent {
    use super::*;
    use mote_artifacts::probes::{EXITS_WITH_A_CODE, OUTLIVES_ITS_PARENT};

    #[test]
    fn no_child_is_left_when_the_call_returns() {
        let folder = Folder::with(&[]);
        let opened = Sandbox::none().rw("/data", folder.path()).open();
        assert_eq!(
            opened.run(OUTLIVES_ITS_PARENT, &["/data/file"]).did(),
            "ready"
        );
        let size = || std::fs::metadata(folder.at("file")).unwrap().len();
        let before = size();
        // Time for a child that lived on to write some more.
        for _ in 0..20 {
            opened.run(EXITS_WITH_A_CODE, &["0"]).exited(0);
        }
        assert_eq!(size(), before);
    }
}
