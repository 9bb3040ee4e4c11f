//! What one call may cost the host, and how many things a guest may hold.

use mote_api::{Clock, End};

use crate::harness::{Folder, Sandbox};

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
