//! The flags there are. What they mean is in `flags.rs`.

use std::path::PathBuf;
use std::time::Duration;

use super::duration;
use mote_process::Listen;

use super::options::Options;

/// One flag.
pub(super) struct Flag {
    /// Its name, without dashes.
    pub(super) name: &'static str,
    /// One sentence for people.
    pub(super) help: &'static str,
    /// What it changes.
    pub(super) field: Field,
}

/// A field of [`Options`], by the kind of value that it takes.
pub(super) enum Field {
    /// True where the flag is.
    Switch(fn(&mut Options) -> &mut bool),
    /// False where the flag is.
    Off(fn(&mut Options) -> &mut bool),
    /// A number from 1 to 65535.
    Workers(fn(&mut Options) -> &mut u16),
    /// A number from 1.
    Count(fn(&mut Options) -> &mut usize),
    /// A number that may have a point and a sign.
    Number(fn(&mut Options) -> &mut f64),
    /// A number from 0 that may have a point.
    Rate(fn(&mut Options) -> &mut f64),
    /// A time such as 5m0s.
    Time(fn(&mut Options) -> &mut Duration),
    /// Any text.
    Text(fn(&mut Options) -> &mut String),
    /// One of these words.
    Word(&'static [&'static str], fn(&mut Options) -> &mut String),
    /// The name of a file.
    File(fn(&mut Options) -> &mut PathBuf),
    /// An address to listen on.
    Listen(fn(&mut Options) -> &mut Listen),
}

impl Field {
    /// Whether the flag can stand without a value.
    pub(super) fn is_switch(&self) -> bool {
        matches!(self, Self::Switch(_) | Self::Off(_))
    }

    /// Changes the field; `None` if the value is none for it.
    pub(super) fn set(&self, options: &mut Options, value: &str) -> Option<()> {
        match self {
            Self::Switch(field) => *field(options) = boolean(value)?,
            Self::Off(field) => *field(options) = !boolean(value)?,
            Self::Workers(field) => *field(options) = value.parse().ok().filter(|it| *it > 0)?,
            Self::Count(field) => *field(options) = value.parse().ok().filter(|it| *it > 0)?,
            Self::Number(field) => *field(options) = number(value)?,
            Self::Rate(field) => *field(options) = number(value).filter(|it| *it >= 0.0)?,
            Self::Time(field) => *field(options) = duration::parse(value)?,
            Self::Text(field) => *field(options) = value.to_owned(),
            Self::Word(words, field) => {
                *field(options) = words.contains(&value).then(|| value.to_owned())?;
            }
            Self::File(field) => *field(options) = PathBuf::from(value),
            Self::Listen(field) => *field(options) = Listen::parse(value)?,
        }
        Some(())
    }

    /// What values there are, for people.
    pub(super) fn wanted(&self) -> String {
        match self {
            Self::Switch(_) | Self::Off(_) => "true or false".to_owned(),
            Self::Workers(_) => "a number from 1 to 65535".to_owned(),
            Self::Count(_) => "a number from 1".to_owned(),
            Self::Number(_) => "a number such as -1 or 20.5".to_owned(),
            Self::Rate(_) => "a number from 0".to_owned(),
            Self::Time(_) => "a time such as 5m0s, 1h or 250ms".to_owned(),
            Self::Text(_) => "text".to_owned(),
            Self::Word(words, _) => format!("one of {}", words.join(", ")),
            Self::File(_) => "the name of a file".to_owned(),
            Self::Listen(_) => {
                "an address such as :8080 or 127.0.0.1:8080, or 0 for none".to_owned()
            }
        }
    }

    /// The value that the field has.
    pub(super) fn value(&self, options: &mut Options) -> String {
        match self {
            Self::Switch(field) => field(options).to_string(),
            Self::Off(field) => (!*field(options)).to_string(),
            Self::Workers(field) => field(options).to_string(),
            Self::Count(field) => field(options).to_string(),
            Self::Number(field) | Self::Rate(field) => field(options).to_string(),
            Self::Time(field) => duration::show(*field(options)),
            Self::Text(field) | Self::Word(_, field) => field(options).clone(),
            Self::File(field) => field(options).display().to_string(),
            Self::Listen(field) => field(options).to_string(),
        }
    }
}

/// What Go takes for a truth value.
fn boolean(value: &str) -> Option<bool> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

fn number(value: &str) -> Option<f64> {
    value.parse().ok().filter(|it: &f64| it.is_finite())
}

const fn flag(name: &'static str, field: Field, help: &'static str) -> Flag {
    Flag { name, help, field }
}

/// Every flag that means something, in the order of the help.
pub(super) static FLAGS: &[Flag] = &[
    flag(
        "extensions",
        Field::Switch(|it| &mut it.settings.extensions),
        "Serve templates, claims and pools beside sandboxes.",
    ),
    flag(
        "cluster-domain",
        Field::Text(|it| &mut it.settings.cluster_domain),
        "Last part of the names of services.",
    ),
    flag(
        "sandbox-concurrent-workers",
        Field::Workers(|it| &mut it.settings.sandbox_workers),
        "Sandboxes reconciled at once.",
    ),
    flag(
        "sandbox-claim-concurrent-workers",
        Field::Workers(|it| &mut it.settings.claim_workers),
        "Claims reconciled at once.",
    ),
    flag(
        "sandbox-warm-pool-concurrent-workers",
        Field::Workers(|it| &mut it.settings.pool_workers),
        "Pools reconciled at once.",
    ),
    flag(
        "sandbox-template-concurrent-workers",
        Field::Workers(|it| &mut it.settings.template_workers),
        "Templates reconciled at once.",
    ),
    flag(
        "sandbox-warm-pool-max-batch-size",
        Field::Count(|it| &mut it.settings.pool_batch),
        "Sandboxes that a pool creates in one pass, at most.",
    ),
    flag(
        "sandbox-warm-pool-replenish-delay",
        Field::Time(|it| &mut it.settings.pool_replenish_delay),
        "How long a pool waits before it replaces what was claimed.",
    ),
    flag(
        "sandbox-warm-pool-max-refill-rate",
        Field::Rate(|it| &mut it.settings.pool_refill_rate),
        "Sandboxes that a pool creates in a second; 0 for as many as it can.",
    ),
    flag(
        "sandbox-warm-pool-readiness-grace-period",
        Field::Time(|it| &mut it.settings.pool_readiness_grace),
        "How long a pool leaves a sandbox that is not ready.",
    ),
    flag(
        "sandbox-warm-pool-unschedulable-recheck-interval",
        Field::Time(|it| &mut it.settings.pool_unschedulable_recheck),
        "How often a pool looks again at sandboxes that no node can take.",
    ),
    flag(
        "enable-warm-pool-eviction",
        Field::Switch(|it| &mut it.settings.pool_eviction),
        "Let cluster autoscalers evict the pods of pools.",
    ),
    flag(
        "disable-claim-events",
        Field::Off(|it| &mut it.settings.claim_events),
        "Write no events about claims.",
    ),
    flag(
        "disable-claim-observability-annotations",
        Field::Off(|it| &mut it.settings.claim_observability_annotations),
        "Do not annotate claims with when they were seen and ready.",
    ),
    flag(
        "enable-tracing",
        Field::Switch(|it| &mut it.settings.tracing),
        "Annotate objects with the trace they belong to.",
    ),
    flag(
        "wasm",
        Field::Switch(|it| &mut it.settings.wasm),
        "Serve sandboxes whose runtime class says so by wasm sessions on node hosts.",
    ),
    flag(
        "node-grace-period",
        Field::Time(|it| &mut it.settings.node_grace),
        "How long a node host may be silent before sandboxes without files go to other nodes.",
    ),
    flag(
        "leader-elect",
        Field::Switch(|it| &mut it.leader_elect),
        "Reconcile only while holding the lease, so that one of several processes does.",
    ),
    flag(
        "leader-election-namespace",
        Field::Text(|it| &mut it.lease_namespace),
        "Namespace of the lease; by default the one this runs in.",
    ),
    flag(
        "metrics-bind-address",
        Field::Listen(|it| &mut it.metrics),
        "Where /metrics is served; 0 for nowhere.",
    ),
    flag(
        "health-probe-bind-address",
        Field::Listen(|it| &mut it.health),
        "Where /healthz and /readyz are served; 0 for nowhere.",
    ),
    flag(
        "kube-api-qps",
        Field::Number(|it| &mut it.qps),
        "Requests to the API server in a second; no limit unless positive.",
    ),
    flag(
        "kube-api-burst",
        Field::Workers(|it| &mut it.burst),
        "Requests to the API server at once, where there is a limit.",
    ),
    flag(
        "kubeconfig",
        Field::File(|it| &mut it.kubeconfig),
        "How the API server is reached; by default $KUBECONFIG, ~/.kube/config or the pod's account.",
    ),
    flag(
        "zap-log-level",
        Field::Word(
            &[
                "debug", "info", "warn", "error", "panic", "1", "2", "3", "4", "5",
            ],
            |it| &mut it.log_level,
        ),
        "How much is logged; $RUST_LOG says it in more detail. A number is debug.",
    ),
    flag(
        "zap-encoder",
        Field::Word(&["json", "console"], |it| &mut it.log_encoder),
        "How it is logged: for programs or for people.",
    ),
];

/// Flags of other controllers of these objects that mean nothing here, and
/// whether they can stand without a value.
pub(super) static IGNORED: &[(&str, bool)] = &[
    ("api-connections", false),
    ("cache-label-selectors", true),
    ("enable-pprof", true),
    ("enable-pprof-debug", true),
    ("enable-webhook", true),
    ("manage-webhook-certs", true),
    ("sandbox-write-behind-window", false),
    ("separate-watch-connection", true),
    ("zap-devel", true),
];
/// Whatever else begins so means nothing here either, and has a value.
pub(super) static IGNORED_PREFIXES: &[&str] = &["pprof-", "webhook-", "zap-"];
