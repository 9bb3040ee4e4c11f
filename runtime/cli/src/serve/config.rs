//! From the options of `mote serve` to a node that makes sense.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;
use mote_host::HostConfig;
use mote_node::{NodeConfig, SandboxLimits, most_limits};

use super::token;
use crate::args::{LimitArgs, PlacesArgs};
use crate::config;
use crate::failure::Failure;
use crate::log::LogFormat;
use crate::{paths, run};

/// Most instances that may be alive at once, if it is not said: each reserves
/// address space, and this many fit what Linux gives a process.
const INSTANCES: u32 = 1_000;

const SERVE_HELP: &str = "\
Sandboxes and their files are kept in the state folder and are there again
after a restart. A sandbox is called by the header X-Sandbox-ID: ID, by the
host name ID.localhost, or below /v1/sandboxes/ID/rest and …/runtime; with
--addresses also by an address of its own, at the ports 8080 (REST), 9090
(gRPC) and 8888 (python-runtime).

Whoever reaches the port may create sandboxes and read all files in them. On a
loopback address that is every program of this machine; on any other, and
wherever there is --token-file, whoever sends the token in the header
Authorization: Bearer TOKEN.

GET /openapi.json lists all there is, GET /metrics is for Prometheus, and
audit.jsonl in the state folder tells who did what.

Examples:
  mote serve
  mote serve --listen 127.0.0.1:8000 --state /var/lib/mote --allow-folder ~/src
  mote serve --listen 0.0.0.0:7070 --token-file /etc/mote/token";

/// The options of `mote serve` as they were typed.
#[derive(Debug, clap::Args)]
#[command(after_help = SERVE_HELP)]
pub(crate) struct ServeArgs {
    /// Address and port to listen on
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:7070")]
    listen: SocketAddr,
    /// Folder in which sandboxes are kept [env: MOTE_STATE] [default: ~/.local/share/mote]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// File with the token that callers have to send; made if it is not there
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Folder of this machine below which sandboxes may be granted folders
    #[arg(long, value_name = "DIR")]
    allow_folder: Vec<PathBuf>,
    /// Sandboxes that may be there at once
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    sandboxes: usize,
    /// Programs that may run at once, in all sandboxes together
    #[arg(long, value_name = "N", default_value_t = INSTANCES)]
    instances: u32,
    /// Addresses of this machine to give to sandboxes, one each, such as 127.77.0.0/16
    #[arg(long, value_name = "PREFIX")]
    addresses: Option<IpNet>,
    /// How the log on stderr is written
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) log_format: LogFormat,
    /// Ceilings of a sandbox's calls where its creator names none
    #[command(flatten)]
    limits: LimitArgs,
}

/// A checked call of `mote serve`.
pub(super) struct Config {
    pub(super) listen: SocketAddr,
    pub(super) node: NodeConfig,
}

pub(super) fn check(args: ServeArgs, places: &PlacesArgs) -> Result<Config, Failure> {
    let ServeArgs {
        listen,
        state,
        token_file,
        allow_folder,
        sandboxes,
        instances,
        addresses,
        log_format: _,
        limits,
    } = args;
    let mut mistakes = Vec::new();
    let usual = config::limits(&limits, &mut mistakes);
    if let Err(error) = usual.check() {
        mistakes.push(error.to_string());
    }
    if instances == 0 {
        mistakes.push("--instances 0: give at least 1".to_owned());
    }
    for folder in allow_folder.iter().filter(|folder| !folder.is_dir()) {
        mistakes.push(format!(
            "--allow-folder {}: there is no such folder; make it, or name another",
            folder.display()
        ));
    }
    if !mistakes.is_empty() {
        return Err(Failure::Usage(mistakes));
    }
    let state = paths::state(state)?;
    let open = !listen.ip().to_canonical().is_loopback()
        || addresses.is_some_and(|prefix| !is_loopback(prefix));
    let token = if token_file.is_some() || open {
        Some(token::open(
            token_file.unwrap_or_else(|| state.join("token")),
        )?)
    } else {
        None
    };
    let host = HostConfig {
        programs: paths::programs(places)?,
        scratch: state.join("scratch"),
        slots: instances,
        ..run::host_config(places)?
    };
    let node = NodeConfig {
        limits: SandboxLimits {
            // Who starts a node may raise what a sandbox may have.
            most: most_limits().max(&usual),
            usual,
        },
        folders: allow_folder,
        state,
        host,
        sandboxes,
        addresses: addresses.map(Into::into).unwrap_or_default(),
        token,
        images: None,
    };
    Ok(Config { listen, node })
}

/// Whether no address of the prefix can be reached from elsewhere.
fn is_loopback(prefix: IpNet) -> bool {
    [prefix.network(), prefix.broadcast()]
        .iter()
        .all(IpAddr::is_loopback)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_loopback_with_all_its_addresses() {
        let loopback = |prefix: &str| is_loopback(prefix.parse().unwrap());
        assert!(loopback("127.77.0.0/16") && loopback("::1/128"));
        assert!(!loopback("126.0.0.0/7") && !loopback("10.0.0.0/8") && !loopback("fd00::/64"));
    }
}
