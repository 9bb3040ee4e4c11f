//! Resolves a host name.

use probes::bindings::wasi::sockets::instance_network::instance_network;
use probes::bindings::wasi::sockets::ip_name_lookup::resolve_addresses;

fn main() -> std::process::ExitCode {
    let asked = resolve_addresses(&instance_network(), "localhost");
    probes::report(asked.map(|_| "asked").map_err(|error| error.name()))
}
