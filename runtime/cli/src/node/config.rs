//! From the options of `mote node` to a node host that makes sense.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use mote_api::{ByteSize, Limits};
use mote_host::HostConfig;
use mote_node::{
    AddressSource, Authority, IdentityFiles, ImagesConfig, NodeConfig, RpcConfig, SandboxLimits,
    most_limits,
};

use super::{authorities, memory, prefix};
use crate::args::PlacesArgs;
use crate::failure::Failure;
use crate::log::LogFormat;
use crate::{paths, run};

/// Longest time that calls may be let end: as long as the longest call.
const MAX_DRAIN_SECONDS: u64 = 60 * 60;

const NODE_HELP: &str = "\
The controller makes sandboxes here, by gRPC over TLS 1.3, and has to show a
certificate of the authority in --tls-ca for the name --client-name; nobody
else is answered. The files are read again when they change.

Each sandbox has addresses of its own, one of each prefix that --addresses or
--addresses-file names, which may be one of IPv4 and one of IPv6: the machine
has to route them to itself (ip route add local PREFIX dev lo). Whoever reaches
one may call the sandbox, as if it were a pod, at the ports 8080 (REST), 9090
(gRPC) and 8888 (python-runtime).

Where no prefix can be routed, all share the machine's own addresses: shared,
and one of each family. The Host header (:authority in HTTP/2) of each request
then names its sandbox: NAME.NAMESPACE, NAME.NAMESPACE.svc or
NAME.NAMESPACE.svc.DOMAIN. Whom the sandbox's policy does not let in is not told
whether there is one of that name.

A sandbox's image that is not built in is an OCI reference. It is pulled from
its registry over TLS, once for all sandboxes, and kept in --state; the one
layer of application/wasm in it is a command in the sandbox, by the last name
of its repository. Names of images come from whoever may make sandboxes: no
registry is asked at an address that leads to this machine, to its link or to a
cloud's metadata, and none without TLS, unless --insecure-registry names it.

GET /metrics, /healthz and /readyz are at --metrics, without TLS; the last two
at --probes too, where strangers cannot take all the room there is. Sandboxes,
their files and addresses are kept in --state and are there again after a
restart. At SIGTERM calls that run have --drain-seconds to end.";

/// The options of `mote node` as they were typed.
#[derive(Debug, clap::Args)]
#[command(after_help = NODE_HELP, group = clap::ArgGroup::new("prefix").required(true))]
pub(crate) struct NodeArgs {
    /// The name of the Kubernetes node
    #[arg(long, value_name = "NAME")]
    node_name: String,
    /// Address and port at which the controller calls
    #[arg(long, value_name = "ADDR:PORT", default_value = "0.0.0.0:7443")]
    listen: SocketAddr,
    /// Address and port of /metrics, /healthz and /readyz
    #[arg(long, value_name = "ADDR:PORT", default_value = "0.0.0.0:7444")]
    metrics: SocketAddr,
    /// Address and port of /healthz and /readyz for the kubelet alone, which no stranger reaches
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:7446")]
    probes: SocketAddr,
    /// Folder in which sandboxes are kept [env: MOTE_STATE] [default: ~/.local/share/mote]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Certificate of this node, in PEM
    #[arg(long, value_name = "FILE", default_value = "/etc/mote/tls/tls.crt")]
    tls_cert: PathBuf,
    /// Key of the certificate, in PEM
    #[arg(long, value_name = "FILE", default_value = "/etc/mote/tls/tls.key")]
    tls_key: PathBuf,
    /// Authorities of the controller's certificate, in PEM
    #[arg(long, value_name = "FILE", default_value = "/etc/mote/tls/ca.crt")]
    tls_ca: PathBuf,
    /// DNS name in the controller's certificate
    #[arg(long, value_name = "NAME", default_value = "mote-controller")]
    client_name: String,
    /// Addresses of this machine to give to sandboxes: 10.99.7.0/24, or 10.99.7.0/24,fd00:99:7::/64, or shared,10.0.0.7
    #[arg(long, value_name = "PREFIX[,PREFIX]", group = "prefix")]
    addresses: Option<AddressSource>,
    /// File that names them, in place of --addresses
    #[arg(long, value_name = "FILE", group = "prefix")]
    addresses_file: Option<PathBuf>,
    /// Memory to give to sandboxes [default: 80 % of what this process may have]
    #[arg(long, value_name = "SIZE")]
    memory: Option<ByteSize>,
    /// How many times over the memory is given, as most sandboxes rest
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    overcommit: u32,
    /// Sandboxes that may be there at once
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    sandboxes: usize,
    /// Programs that may run at once, in all sandboxes together; of these, sandboxes' own commands and what they start may be half
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(2..))]
    instances: u32,
    /// Folder of code that was compiled ahead, of which what is missing is copied
    #[arg(long, value_name = "DIR")]
    compiled: Option<PathBuf>,
    /// Registry to ask without TLS, wherever it is; may be given again
    #[arg(long, value_name = "HOST:PORT")]
    insecure_registry: Vec<Authority>,
    /// Authorities of registries' certificates besides the public ones, in PEM
    #[arg(long, value_name = "FILE")]
    registry_ca: Option<PathBuf>,
    /// Disk for images that are pulled; those that no sandbox uses make room
    #[arg(long, value_name = "SIZE", default_value = "8Gi")]
    image_disk: ByteSize,
    /// Wall-clock time that a call may take
    #[arg(long, value_name = "TIME", default_value = "1h")]
    timeout: humantime::Duration,
    /// Seconds for calls to end once the node host is told to stop
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(..=MAX_DRAIN_SECONDS))]
    drain_seconds: u64,
    /// How the log on stderr is written
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) log_format: LogFormat,
}

/// A checked call of `mote node`.
pub(super) struct Config {
    pub(super) listen: SocketAddr,
    pub(super) metrics: SocketAddr,
    pub(super) probes: SocketAddr,
    pub(super) files: IdentityFiles,
    pub(super) client: String,
    pub(super) drain: Duration,
    pub(super) compiled: Option<PathBuf>,
    pub(super) rpc: RpcConfig,
    pub(super) node: NodeConfig,
}

pub(super) fn check(args: NodeArgs, places: &PlacesArgs) -> Result<Config, Failure> {
    let mut mistakes = Vec::new();
    let addresses = noted(&mut mistakes, addresses_of(&args));
    let memory = noted(&mut mistakes, args.memory.map_or_else(memory::to_give, Ok));
    let usual = noted(&mut mistakes, limits(args.timeout.into()));
    let extra = args.registry_ca.as_deref().map(authorities::read);
    let extra = noted(&mut mistakes, extra.transpose());
    let (Some(addresses), Some(memory), Some(usual), Some(extra)) =
        (addresses, memory, usual, extra)
    else {
        return Err(Failure::Usage(mistakes));
    };
    let images = ImagesConfig {
        insecure: args.insecure_registry,
        authorities: extra.unwrap_or_default(),
        disk: args.image_disk,
    };
    let state = paths::state(args.state)?;
    let host = HostConfig {
        programs: paths::programs(places)?,
        scratch: state.join("scratch"),
        slots: args.instances,
        ..run::host_config(places)?
    };
    let node = NodeConfig {
        limits: SandboxLimits {
            most: most_limits().max(&usual),
            usual,
        },
        // A sandbox of a cluster has no folders of its node.
        folders: Vec::new(),
        state,
        host,
        sandboxes: args.sandboxes,
        addresses,
        token: None,
        images: Some(images),
    };
    Ok(Config {
        listen: args.listen,
        metrics: args.metrics,
        probes: args.probes,
        files: IdentityFiles {
            cert: args.tls_cert,
            key: args.tls_key,
            ca: args.tls_ca,
        },
        client: args.client_name,
        drain: Duration::from_secs(args.drain_seconds),
        compiled: args.compiled,
        rpc: RpcConfig {
            name: args.node_name,
            memory,
            overcommit: args.overcommit,
        },
        node,
    })
}

fn noted<T>(mistakes: &mut Vec<String>, checked: Result<T, String>) -> Option<T> {
    checked.map_err(|mistake| mistakes.push(mistake)).ok()
}

fn addresses_of(args: &NodeArgs) -> Result<AddressSource, String> {
    match (&args.addresses, &args.addresses_file) {
        (Some(addresses), _) => Ok(*addresses),
        (None, Some(file)) => prefix::read(file),
        (None, None) => Err("name the sandboxes' addresses with --addresses PREFIX".to_owned()),
    }
}

/// Ceilings where an object names none. A pod's calls have no deadline, so
/// theirs here is the longest that a node gives.
fn limits(deadline: Duration) -> Result<Limits, String> {
    let limits = Limits {
        deadline,
        ..Limits::default()
    };
    let checked = limits
        .check()
        .map_err(|error| format!("--timeout: {error}"));
    checked.map(|()| limits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_may_take_as_long_as_any_may() {
        assert!(limits(Duration::from_secs(3600)).is_ok());
        let error = limits(Duration::ZERO).unwrap_err();
        assert!(error.starts_with("--timeout: "), "{error}");
    }
}
