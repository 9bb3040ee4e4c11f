//! What is not granted by name is not there.

use mote_api::{Capability, Clock, Grant, GrantError, Grants, Invocation, Random, Rejection};
use mote_host::Input;

use crate::harness::{Sandbox, argv, rejection};

/// It was declined for want of this capability; the text says how to grant it.
#[track_caller]
fn assert_lacks(rejection: &Rejection, wanted: Capability) {
    match rejection {
        Rejection::Denied {
            capability, how, ..
        } => {
            assert_eq!((*capability, *how), (wanted, wanted.describe().1));
        }
        other => panic!("it was declined otherwise: {other:?}"),
    }
    assert_eq!(rejection.exit_code(), 126);
}

/// Sockets cannot be granted, so there is one side only.
macro_rules! no_socket {
    ($probe:ident, $constant:ident, $why:literal) => {
        pub mod $probe {
            use super::*;
            use mote_artifacts::probes::$constant;

            #[test]
            fn ungranted_is_denied_and_counted() {
                let sandbox = Sandbox::none().clock(Clock::Real).random(Random::Real);
                let ran = sandbox.run($constant, &[]);
                assert!(ran.denied().contains($why), "{ran:?}");
                assert!(ran.denials(Capability::Sockets) >= 1, "{ran:?}");
            }
        }
    };
}

no_socket!(opens_a_tcp_socket, OPENS_A_TCP_SOCKET, "access-denied");
no_socket!(opens_a_udp_socket, OPENS_A_UDP_SOCKET, "access-denied");
no_socket!(looks_up_a_name, LOOKS_UP_A_NAME, "access-denied");
no_socket!(
    listens_by_the_c_library,
    LISTENS_BY_THE_C_LIBRARY,
    "ermission denied"
);

pub mod sends_an_http_request {
    use super::*;
    use mote_artifacts::probes::SENDS_AN_HTTP_REQUEST;

    #[test]
    fn ungranted_is_denied() {
        assert_lacks(
            &Sandbox::none().rejects(SENDS_AN_HTTP_REQUEST, &[]),
            Capability::Http,
        );
    }

    #[test]
    fn the_grant_is_refused_and_not_ignored() {
        let grant = Grant::Http {
            hosts: vec!["example.com".to_owned()],
        };
        assert_eq!(Grants::of([grant]), Err(GrantError::Http));
    }
}

pub mod imports_the_unknown {
    use super::*;
    use mote_artifacts::probes::IMPORTS_THE_UNKNOWN;

    #[test]
    fn it_is_declined_by_name() {
        let rejection = Sandbox::none().rejects(IMPORTS_THE_UNKNOWN, &[]);
        assert_lacks(&rejection, Capability::Unknown);
        assert!(
            rejection.to_string().contains("acme:gpu/device@1.0.0"),
            "{rejection}"
        );
    }
}

pub mod reads_the_environment {
    use super::*;
    use mote_artifacts::probes::READS_THE_ENVIRONMENT;

    #[test]
    fn granted_works() {
        let sandbox = Sandbox::none().env("A", "1").env("B", "two words");
        assert_eq!(
            sandbox.run(READS_THE_ENVIRONMENT, &[]).did(),
            "A=1 B=two words"
        );
    }

    #[test]
    fn ungranted_is_empty() {
        assert!(
            std::env::vars().count() > 0,
            "this test's own environment is to be kept from it"
        );
        let ran = Sandbox::none().run(READS_THE_ENVIRONMENT, &[]);
        assert_eq!(ran.stdout, "did: \n");
    }
}

pub mod reads_the_wall_clock {
    use super::*;
    use mote_artifacts::probes::READS_THE_WALL_CLOCK;
    use std::time::UNIX_EPOCH;

    fn now() -> u64 {
        UNIX_EPOCH.elapsed().unwrap().as_secs()
    }

    #[test]
    fn granted_works() {
        let before = now();
        let ran = Sandbox::none()
            .clock(Clock::Real)
            .run(READS_THE_WALL_CLOCK, &[]);
        let seen: u64 = ran.did().parse().unwrap();
        assert!((before..=now()).contains(&seen), "{seen}");
    }

    #[test]
    fn a_fixed_clock_stands() {
        let ran = Sandbox::none()
            .clock(Clock::Fixed(86_400))
            .run(READS_THE_WALL_CLOCK, &[]);
        assert_eq!(ran.did(), "86400");
    }

    #[test]
    fn ungranted_is_denied() {
        assert_lacks(
            &Sandbox::none().rejects(READS_THE_WALL_CLOCK, &[]),
            Capability::Clock,
        );
    }
}

pub mod reads_the_monotonic_clock {
    use super::*;
    use mote_artifacts::probes::READS_THE_MONOTONIC_CLOCK;

    #[test]
    fn granted_works() {
        for clock in [Clock::Real, Clock::Fixed(0)] {
            let ran = Sandbox::none()
                .clock(clock)
                .run(READS_THE_MONOTONIC_CLOCK, &[]);
            assert_eq!(ran.did(), "time passed", "{clock:?}");
        }
    }

    #[test]
    fn ungranted_is_denied() {
        assert_lacks(
            &Sandbox::none().rejects(READS_THE_MONOTONIC_CLOCK, &[]),
            Capability::Clock,
        );
    }
}

pub mod reads_random_bytes {
    use super::*;
    use mote_artifacts::probes::READS_RANDOM_BYTES;

    #[test]
    fn granted_works_and_differs_each_time() {
        let sandbox = Sandbox::none().random(Random::Real);
        let (first, second) = (
            sandbox.run(READS_RANDOM_BYTES, &[]),
            sandbox.run(READS_RANDOM_BYTES, &[]),
        );
        let pairs = first.did().split(' ').zip(second.did().split(' '));
        assert!(
            pairs.clone().count() == 3 && pairs.clone().all(|(a, b)| a != b),
            "{first:?} {second:?}"
        );
    }

    #[test]
    fn a_seed_gives_the_same_each_time() {
        let run = |seed| {
            Sandbox::none()
                .random(Random::Fixed(seed))
                .run(READS_RANDOM_BYTES, &[])
                .stdout
        };
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
    }

    #[test]
    fn ungranted_is_denied() {
        assert_lacks(
            &Sandbox::none().rejects(READS_RANDOM_BYTES, &[]),
            Capability::Random,
        );
    }
}

pub mod asks_for_random_bytes {
    use super::*;
    use mote_artifacts::probes::ASKS_FOR_RANDOM_BYTES;

    /// Most that one call may ask for, as the host has it.
    const LIMIT: u64 = 1 << 20;

    #[test]
    fn at_the_limit_it_succeeds() {
        let ran = Sandbox::none()
            .random(Random::Real)
            .run(ASKS_FOR_RANDOM_BYTES, &[&LIMIT.to_string()]);
        assert_eq!(ran.did(), "got 1048576 bytes");
    }

    #[test]
    fn over_the_limit_it_is_ended() {
        let sandbox = Sandbox::none().random(Random::Real);
        for bytes in [LIMIT + 1, 1 << 40, u64::MAX] {
            sandbox
                .run(ASKS_FOR_RANDOM_BYTES, &[&bytes.to_string()])
                .trapped("exceeds limit");
        }
    }
}

pub mod counts_its_arguments {
    use super::*;
    use mote_artifacts::probes::COUNTS_ITS_ARGUMENTS;

    #[test]
    fn many_arrive_whole() {
        let words = vec!["0123456789"; 10_000];
        let ran = Sandbox::none()
            .env("A", &"x".repeat(100_000))
            .run(COUNTS_ITS_ARGUMENTS, &words);
        assert_eq!(
            ran.did(),
            "10000 arguments of 100000 bytes, 1 variables of 100001 bytes"
        );
    }

    #[test]
    fn too_many_are_declined_by_name() {
        let huge = "x".repeat(64 << 20);
        let rejection = Sandbox::none().rejects(COUNTS_ITS_ARGUMENTS, &[&huge]);
        assert!(rejection.to_string().contains("argument"), "{rejection}");
    }

    #[test]
    fn a_large_environment_arrives_and_too_large_a_one_is_declined() {
        let opened = Sandbox::none().open();
        let run = |bytes: usize| {
            let mut invocation = Invocation::new(argv(COUNTS_ITS_ARGUMENTS, &[]));
            invocation.env = vec![("A".to_owned(), "x".repeat(bytes))];
            opened.invoke(&invocation, Input::Empty)
        };
        let ran = run(1_000_000).unwrap();
        assert_eq!(
            ran.did(),
            "0 arguments of 0 bytes, 1 variables of 1000001 bytes"
        );
        let rejection = rejection(run(2_000_000));
        assert!(rejection.to_string().contains("environment"), "{rejection}");
    }
}
