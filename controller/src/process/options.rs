//! What the process is told by its flags.

use std::path::PathBuf;

use tokio::net::TcpListener;

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

/// An address to listen on, as Go's flags name it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Listen {
    /// `0`: not at all.
    Off,
    /// `:8080`: every address of the machine.
    Everywhere(u16),
    /// `127.0.0.1:8080`, `localhost:8080`, `[::1]:8080`.
    At(String),
}

impl Listen {
    /// Reads an address.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "0" {
            return Some(Self::Off);
        }
        let (host, port) = text.rsplit_once(':')?;
        let port = port.parse().ok()?;
        let bracketed = host.starts_with('[') && host.ends_with(']');
        match host {
            "" => Some(Self::Everywhere(port)),
            _ if host.contains(':') && !bracketed => None,
            _ => Some(Self::At(text.to_owned())),
        }
    }

    /// Opens the port, unless it is off.
    ///
    /// # Errors
    /// The port is taken or the address is not this machine's.
    pub async fn open(&self) -> std::io::Result<Option<TcpListener>> {
        match self {
            Self::Off => Ok(None),
            Self::At(address) => TcpListener::bind(address).await.map(Some),
            // The IPv6 address takes IPv4 too, where the machine has IPv6.
            Self::Everywhere(port) => match TcpListener::bind(("::", *port)).await {
                Ok(listener) => Ok(Some(listener)),
                Err(_) => TcpListener::bind(("0.0.0.0", *port)).await.map(Some),
            },
        }
    }
}

impl std::fmt::Display for Listen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Off => f.write_str("0"),
            Self::Everywhere(port) => write!(f, ":{port}"),
            Self::At(address) => f.write_str(address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_of_go() {
        for text in ["0", ":8080", "127.0.0.1:0", "localhost:1", "[::1]:8080"] {
            assert_eq!(Listen::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "8080", ":", ":x", ":65536", "::1", "::1:80x"] {
            assert_eq!(Listen::parse(text), None, "{text}");
        }
    }

    #[tokio::test]
    async fn an_address_that_is_off_opens_nothing() {
        assert!(Listen::Off.open().await.unwrap().is_none());
        let everywhere = Listen::Everywhere(0).open().await.unwrap().unwrap();
        assert!(everywhere.local_addr().unwrap().ip().is_unspecified());
    }
}
