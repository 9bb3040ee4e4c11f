use std::time::Duration;

use proptest::prelude::*;

use super::*;
use mote_process::Listen;

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

fn options(line: &str) -> Options {
    match read(words(line)) {
        Ok(Command::Run(options)) => *options,
        other => panic!("{line}: {other:?}"),
    }
}

fn errors(line: &str) -> Vec<FlagError> {
    read(words(line)).unwrap_err()
}

#[test]
fn without_flags_all_is_as_the_reference_has_it() {
    assert_eq!(options(""), Options::default());
    let Options {
        settings,
        leader_elect,
        metrics,
        health,
        qps,
        burst,
        ..
    } = options("");
    assert!(leader_elect && !settings.extensions && settings.pool_eviction);
    assert_eq!(
        (metrics.to_string(), health.to_string()),
        (":8080".to_owned(), ":8081".to_owned())
    );
    assert_eq!((qps, burst), (-1.0, 10));
    assert_eq!(
        (settings.sandbox_workers, settings.claim_workers),
        (100, 50)
    );
    assert_eq!((settings.pool_workers, settings.template_workers), (1, 1));
    assert_eq!(settings.pool_batch, 300);
    assert_eq!(settings.cluster_domain, "cluster.local");
}

#[test]
fn a_nodes_addresses_need_the_node_and_a_file() {
    let told = read(words(
        "node-address --node=a --out=/run/x --addresses=10.0.0.0/24",
    ))
    .unwrap();
    let wanted = NodeAddress {
        node: "a".to_owned(),
        out: "/run/x".into(),
        addresses: Some("10.0.0.0/24".to_owned()),
    };
    assert_eq!(told, Command::NodeAddress(wanted));
    assert_eq!(errors("node-address --node=a").len(), 1);
    assert_eq!(errors("node-address --what=b now").len(), 4);
}

#[test]
fn a_value_is_understood_in_every_spelling() {
    for line in [
        "--sandbox-concurrent-workers=7",
        "-sandbox-concurrent-workers=7",
        "--sandbox-concurrent-workers 7",
        "-sandbox-concurrent-workers 7",
    ] {
        assert_eq!(options(line).settings.sandbox_workers, 7, "{line}");
    }
}

#[test]
fn a_switch_needs_no_value_and_takes_those_of_go() {
    for line in [
        "--extensions",
        "-extensions",
        "--extensions=true",
        "--extensions=1",
        "--extensions=T",
    ] {
        assert!(options(line).settings.extensions, "{line}");
    }
    for line in [
        "--extensions=false",
        "--extensions=0",
        "--extensions=F",
        "--extensions --extensions=false",
    ] {
        assert!(!options(line).settings.extensions, "{line}");
    }
    // As in Go, the next word is not its value.
    assert_eq!(
        errors("--extensions false"),
        [FlagError::NoFlag("false".to_owned())]
    );
}

#[test]
fn what_tests_and_tools_write_is_understood() {
    let given = options(
        "--leader-elect=true --extensions --sandbox-concurrent-workers=10 \
         --sandbox-claim-concurrent-workers=10 --sandbox-warm-pool-concurrent-workers=10 \
         --kube-api-qps=-1.000000 --kube-api-burst=10 --zap-log-level=debug --enable-webhook=false",
    );
    assert!(given.leader_elect && given.settings.extensions);
    assert_eq!(
        (
            given.settings.sandbox_workers,
            given.settings.claim_workers,
            given.settings.pool_workers
        ),
        (10, 10, 10)
    );
    assert_eq!((given.qps, given.burst), (-1.0, 10));
    assert_eq!(given.log_level, "debug");
    assert_eq!(given.ignored, ["--enable-webhook"]);
}

#[test]
fn times_rates_and_addresses_are_those_of_go() {
    let given = options(
        "--sandbox-warm-pool-readiness-grace-period=5m0s --sandbox-warm-pool-replenish-delay 250ms \
         --sandbox-warm-pool-max-refill-rate=2.5 --metrics-bind-address=127.0.0.1:0 \
         --health-probe-bind-address=0 --disable-claim-events --enable-warm-pool-eviction=false",
    );
    assert_eq!(
        given.settings.pool_readiness_grace,
        Duration::from_secs(300)
    );
    assert_eq!(
        given.settings.pool_replenish_delay,
        Duration::from_millis(250)
    );
    assert_eq!(given.settings.pool_refill_rate, 2.5);
    assert_eq!(given.metrics, Listen::At("127.0.0.1:0".to_owned()));
    assert_eq!(given.health, Listen::Off);
    assert!(!given.settings.claim_events && !given.settings.pool_eviction);
    assert!(given.settings.claim_observability_annotations);
}

#[test]
fn flags_that_mean_nothing_here_are_taken_with_their_values() {
    let given = options(
        "--webhook-port 9443 --pprof-bind-address=:6060 --zap-devel --zap-time-encoding rfc3339 \
         --enable-pprof --manage-webhook-certs=false --api-connections 4 --cache-label-selectors \
         --separate-watch-connection --sandbox-write-behind-window=0s --extensions",
    );
    assert!(given.settings.extensions);
    assert_eq!(given.ignored.len(), 10);
}

#[test]
fn every_error_is_told_at_once_and_names_flag_and_value() {
    let told: Vec<_> = errors(
        "--sandbox-concurrent-workers=0 --extension --kube-api-qps=NaN --kube-api-burst=x word \
         --sandbox-warm-pool-max-refill-rate=-1 --sandbox-warm-pool-replenish-delay=5 --zap-encoder=xml --cluster-domain",
    )
    .iter()
    .map(ToString::to_string)
    .collect();
    assert_eq!(
        told,
        [
            r#"--sandbox-concurrent-workers cannot be "0": it takes a number from 1 to 65535"#,
            "there is no flag --extension",
            r#"--kube-api-qps cannot be "NaN": it takes a number such as -1 or 20.5"#,
            r#"--kube-api-burst cannot be "x": it takes a number from 1 to 65535"#,
            r#""word" is no flag; a switch takes its value as --switch=false"#,
            r#"--sandbox-warm-pool-max-refill-rate cannot be "-1": it takes a number from 0"#,
            r#"--sandbox-warm-pool-replenish-delay cannot be "5": it takes a time such as 5m0s, 1h or 250ms"#,
            r#"--zap-encoder cannot be "xml": it takes one of json, console"#,
            "--cluster-domain needs a value: text",
        ]
    );
}

#[test]
fn help_version_and_crds_are_asked_for() {
    for line in ["--help", "-h", "-help", "--extensions -h"] {
        assert_eq!(read(words(line)), Ok(Command::Help), "{line}");
    }
    assert_eq!(read(words("--version")), Ok(Command::Version));
    assert_eq!(options("--version=false"), Options::default());
    assert_eq!(
        read(words("crds")),
        Ok(Command::Crds(PathBuf::from("deploy/crds")))
    );
    assert_eq!(read(words("crds x")), Ok(Command::Crds(PathBuf::from("x"))));
}

#[test]
fn the_help_has_every_flag_and_its_default() {
    let help = help();
    for flag in FLAGS {
        assert!(
            help.contains(&format!("--{}\n", flag.name)),
            "{}",
            flag.name
        );
    }
    assert!(
        help.contains("Default: 5m0s")
            && help.contains("Default: :8080")
            && help.contains("Default: -1")
    );
}

proptest! {
    #[test]
    fn any_words_are_a_command_or_errors(words in proptest::collection::vec(".{0,30}", 0..6)) {
        let _ = read(words);
    }

    #[test]
    fn any_value_of_a_flag_is_taken_or_named(flag in 0..FLAGS.len(), value in ".{0,12}") {
        let name = FLAGS[flag].name;
        match read([format!("--{name}={value}")]) {
            Ok(Command::Run(_)) => {}
            Err(errors) => prop_assert!(errors[0].to_string().contains(name)),
            other => prop_assert!(false, "{other:?}"),
        }
    }

    #[test]
    fn numbers_come_through(workers in 1_u16.., qps in -1e6_f64..1e6, batch in 1_usize..) {
        let given = read([
            format!("--sandbox-concurrent-workers={workers}"),
            format!("-kube-api-qps={qps:.6}"),
            "--sandbox-warm-pool-max-batch-size".to_owned(),
            batch.to_string(),
        ]);
        let Ok(Command::Run(options)) = given else { return Err(TestCaseError::fail("refused")) };
        prop_assert_eq!(options.settings.sandbox_workers, workers);
        prop_assert_eq!(options.settings.pool_batch, batch);
        prop_assert!((options.qps - qps).abs() < 1e-5);
    }
}
