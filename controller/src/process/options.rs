//! What the process is told by its flags.

use std::path::PathBuf;

use mote_process::Listen;

use crate::settings::Settings;

/// Everything the flags say.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// How the controllers behave.
    pub settings: Settings,
    /// Whether one process at a time reconciles.
    pub leader_elect: bool,
    /// Where the lease is; empty for the namespace this runs in.
    pub lease_namespace: String,
    /// Where metrics are served.
    pub metrics: Listen,
    /// Where probes are answered.
    pub health: Listen,
    /// Requests to the API server in a second; no limit unless positive.
    pub qps: f64,
    /// Requests to the API server at once, where there is a limit.
    pub burst: u16,
    /// A file that says how the API server is reached; empty for what the
    /// environment offers.
    pub kubeconfig: PathBuf,
    /// How much is logged, in the words of the flag.
    pub log_level: String,
    /// `json`, or `console` for people.
    pub log_encoder: String,
    /// Flags that were given and mean nothing here.
    pub ignored: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            settings: Settings::default(),
            leader_elect: true,
            lease_namespace: String::new(),
            metrics: Listen::Everywhere(8080),
            health: Listen::Everywhere(8081),
            qps: -1.0,
            burst: 10,
            kubeconfig: PathBuf::new(),
            log_level: "info".to_owned(),
            log_encoder: "console".to_owned(),
            ignored: Vec::new(),
        }
    }
}
