//! What the process is told by its flags.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use mote_process::Listen;

use crate::crowd::Most;
use crate::listen::Limits;
use crate::proxy::{Retries, Settings};

/// Passes requests on to sandboxes, by their X-Sandbox-* headers.
#[derive(Clone, Debug, Parser)]
#[command(name = "mote-router", version)]
pub struct Options {
    /// Where requests are taken.
    #[arg(long, default_value = ":8080", value_parser = address)]
    pub http_bind_address: Listen,
    /// Where /metrics is served; 0 for nowhere.
    #[arg(long, default_value = ":9090", value_parser = address)]
    pub metrics_bind_address: Listen,
    /// Where /healthz and /readyz are answered; 0 for nowhere.
    #[arg(long, default_value = ":8081", value_parser = address)]
    pub health_probe_bind_address: Listen,
    /// The end of every name in the cluster's DNS.
    #[arg(long, env = "CLUSTER_DOMAIN", default_value = "cluster.local", value_parser = domain)]
    pub cluster_domain: String,
    /// Time for which nothing of a request may move until it is answered; a
    /// number without a unit is seconds.
    #[arg(long, env = "PROXY_TIMEOUT_SECONDS", default_value = "180s", value_parser = time)]
    pub proxy_timeout: Duration,
    /// Time until a sandbox begins to answer.
    #[arg(long, default_value = "30s", value_parser = time)]
    pub response_header_timeout: Duration,
    /// Time for which nothing of a response may come once it has begun.
    #[arg(long, default_value = "4h", value_parser = time)]
    pub stream_idle_timeout: Duration,
    /// Time in which requests have to end after SIGTERM.
    #[arg(long, default_value = "30s", value_parser = time)]
    pub shutdown_timeout: Duration,
    /// How often a connection to a sandbox is tried again.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(0..=16))]
    pub upstream_max_retries: u32,
    /// How long before the first of these; twice as long before the next.
    #[arg(long, default_value = "200ms", value_parser = time)]
    pub upstream_retry_initial_delay: Duration,
    /// How long at most.
    #[arg(long, default_value = "800ms", value_parser = time)]
    pub upstream_retry_max_delay: Duration,
    /// Requests at once; more are refused with 503.
    #[arg(long, default_value_t = 4_096, value_parser = at_once())]
    pub max_in_flight: u32,
    /// Requests at once for the sandboxes of one namespace.
    #[arg(long, default_value_t = 3_072, value_parser = at_once())]
    pub max_in_flight_per_namespace: u32,
    /// Connections of clients at once; more wait.
    #[arg(long, default_value_t = 8_192, value_parser = at_once())]
    pub max_connections: u32,
    /// Who may ask.
    #[arg(long, alias = "authz-mode", value_enum, default_value_t = Authorization::AllowAll)]
    pub authorization: Authorization,
    /// A file with the tokens that are let through, one a line. Read again when
    /// it changes.
    #[arg(long, required_if_eq("authorization", "token"))]
    pub authorization_token_file: Option<PathBuf>,
    /// For whom the tokens of --authorization=tokenreview must have been made,
    /// with commas between; for the API server itself, if not given.
    #[arg(long, value_delimiter = ',')]
    pub authorization_audiences: Vec<String>,
    /// Find sandboxes by a watch on their objects. Without it there is only DNS,
    /// nothing is woken, and every Service of the cluster can be reached.
    #[arg(long, default_value_t = true, default_missing_value = "true")]
    #[arg(num_args = 0..=1, require_equals = true, action = clap::ArgAction::Set)]
    pub cache_enabled: bool,
    /// Let a sandbox be at an address of this machine's own: for one that is in
    /// the router's pod.
    #[arg(long, default_value_t = false, default_missing_value = "true")]
    #[arg(num_args = 0..=1, require_equals = true, action = clap::ArgAction::Set)]
    pub allow_loopback_pod_ip: bool,
    /// How the API server is reached, unless by what the environment offers.
    #[arg(long)]
    pub kubeconfig: Option<PathBuf>,
    /// Log in JSON.
    #[arg(long)]
    pub log_json: bool,
}

/// Who may ask.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Authorization {
    /// Whoever reaches the port.
    AllowAll,
    /// Whoever brings a token.
    Token,
    /// Whoever brings a token of Kubernetes and may create sandboxes/proxy.
    #[value(name = "tokenreview")]
    TokenReview,
}

/// Numbers of what may be there at once: as many as a machine has files.
fn at_once() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=1_048_576)
}

fn address(text: &str) -> Result<Listen, String> {
    let wrong = "it is no address; write such as :8080 or 127.0.0.1:8080";
    Listen::parse(text).ok_or_else(|| wrong.to_owned())
}

fn time(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok();
    let time = match seconds {
        Some(seconds) => Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())?,
        None => humantime::parse_duration(text).map_err(|error| error.to_string())?,
    };
    if time.is_zero() {
        return Err("it must be more than nothing".to_owned());
    }
    Ok(time)
}

fn domain(text: &str) -> Result<String, String> {
    if text.split('.').all(crate::target::is_label) {
        Ok(text.to_owned())
    } else {
        Err(
            "it must be labels of lower-case letters, digits and hyphens, with points between"
                .to_owned(),
        )
    }
}

impl Options {
    /// How requests are passed on.
    pub fn settings(&self) -> Settings {
        Settings {
            cluster_domain: self.cluster_domain.clone(),
            proxy_timeout: self.proxy_timeout,
            response_header_timeout: self.response_header_timeout,
            stream_idle_timeout: self.stream_idle_timeout,
            retries: Retries {
                count: self.upstream_max_retries,
                first: self.upstream_retry_initial_delay,
                longest: self.upstream_retry_max_delay,
            },
            most: Most {
                all: self.max_in_flight as usize,
                one: self.max_in_flight_per_namespace as usize,
            },
            loopback: self.allow_loopback_pod_ip,
        }
    }

    /// What clients may cost.
    pub fn limits(&self) -> Limits {
        Limits {
            connections: self.max_connections as usize,
            drain_time: self.shutdown_timeout,
            ..Limits::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(flags: &[&str]) -> Result<Options, String> {
        let flags = ["mote-router"].iter().chain(flags);
        Options::try_parse_from(flags).map_err(|error| error.to_string())
    }

    #[test]
    fn without_flags_the_router_is_as_it_has_always_been() {
        let options = read(&[]).unwrap();
        let (settings, known) = (options.settings(), Settings::default());
        assert_eq!(settings.proxy_timeout, known.proxy_timeout);
        assert_eq!(
            settings.response_header_timeout,
            known.response_header_timeout
        );
        assert_eq!(settings.stream_idle_timeout, known.stream_idle_timeout);
        assert_eq!(settings.most.all, known.most.all);
        assert_eq!(settings.most.one, known.most.one);
        assert_eq!(options.limits().connections, Limits::default().connections);
        assert_eq!(options.http_bind_address, Listen::Everywhere(8080));
        assert!(options.cache_enabled && !settings.loopback);
        assert_eq!(options.authorization, Authorization::AllowAll);
    }

    #[test]
    fn switches_are_read_as_go_reads_them() {
        assert!(!read(&["--cache-enabled=false"]).unwrap().cache_enabled);
        assert!(read(&["--cache-enabled"]).unwrap().cache_enabled);
        let loopback = |flag| read(&[flag]).unwrap().allow_loopback_pod_ip;
        assert!(loopback("--allow-loopback-pod-ip") && loopback("--allow-loopback-pod-ip=true"));
        assert!(!loopback("--allow-loopback-pod-ip=false"));
    }

    #[test]
    fn times_have_a_unit_or_are_seconds() {
        for (text, millis) in [
            ("180", 180_000),
            ("2.5", 2_500),
            ("250ms", 250),
            ("3m0s", 180_000),
        ] {
            assert_eq!(time(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "x", "-1", "0", "0s", "inf", "NaN"] {
            assert!(time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn tokens_need_their_file_and_a_domain_its_form() {
        assert!(read(&["--authorization=token"]).is_err());
        let file = "--authorization-token-file=/etc/token";
        assert!(read(&["--authorization=token", file]).is_ok());
        assert!(read(&["--authz-mode=allow-all"]).is_ok());
        assert!(read(&["--authorization=tokenreview"]).is_ok());
        assert!(read(&["--authorization=password"]).is_err());
        assert!(read(&["--cluster-domain=a..b"]).is_err());
        assert!(read(&["--max-in-flight=0"]).is_err());
        assert!(read(&["--http-bind-address=8080"]).is_err());
    }
}
