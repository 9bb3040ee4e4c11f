//! Connects a TCP socket to the machine's own address.

use probes::bindings::wasi::sockets::instance_network::instance_network;
use probes::bindings::wasi::sockets::network::{
    ErrorCode, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress,
};
use probes::bindings::wasi::sockets::tcp_create_socket::create_tcp_socket;

fn attempt() -> Result<&'static str, ErrorCode> {
    let address = IpSocketAddress::Ipv4(Ipv4SocketAddress {
        port: 1,
        address: (127, 0, 0, 1),
    });
    let socket = create_tcp_socket(IpAddressFamily::Ipv4)?;
    socket.start_connect(&instance_network(), address)?;
    Ok("began to connect")
}

fn main() -> std::process::ExitCode {
    probes::report(attempt().map_err(|error| error.name()))
}
