//! Binds a UDP socket.

use probes::bindings::wasi::sockets::instance_network::instance_network;
use probes::bindings::wasi::sockets::network::{
    ErrorCode, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress,
};
use probes::bindings::wasi::sockets::udp_create_socket::create_udp_socket;

fn attempt() -> Result<&'static str, ErrorCode> {
    let address = IpSocketAddress::Ipv4(Ipv4SocketAddress {
        port: 0,
        address: (0, 0, 0, 0),
    });
    let socket = create_udp_socket(IpAddressFamily::Ipv4)?;
    socket.start_bind(&instance_network(), address)?;
    Ok("began to bind")
}

fn main() -> std::process::ExitCode {
    probes::report(attempt().map_err(|error| error.name()))
}
