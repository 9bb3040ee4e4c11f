//! Sockets and name look-ups: each attempt is refused and noted.
//!
//! Interpreters import these interfaces whether a program uses them or not,
//! so they are linked, and denied when called.

use std::sync::Arc;

use mote_api::Capability;
use wasmtime::component::{HasData, Resource, ResourceTable};
use wasmtime_wasi::p2::bindings::sockets::ip_name_lookup::{self, ResolveAddressStream};
use wasmtime_wasi::p2::bindings::sockets::network::{
    self, ErrorCode, HostNetwork, IpAddress, IpAddressFamily, Network,
};
use wasmtime_wasi::p2::bindings::sockets::tcp::TcpSocket;
use wasmtime_wasi::p2::bindings::sockets::udp::UdpSocket;
use wasmtime_wasi::p2::bindings::sockets::{tcp_create_socket, udp_create_socket};
use wasmtime_wasi::p2::{DynPollable, SocketError, SocketResult};

use crate::budget::Budget;

/// Refuses whatever creates a socket or looks up a name.
pub(crate) struct NoNetwork<'a> {
    pub(crate) budget: &'a Arc<Budget>,
    pub(crate) table: &'a mut ResourceTable,
}

/// Names [`NoNetwork`] to wasmtime's linker.
pub(crate) struct HasNoNetwork;

impl HasData for HasNoNetwork {
    type Data<'a> = NoNetwork<'a>;
}

impl NoNetwork<'_> {
    fn refuse<T>(&self) -> SocketResult<T> {
        self.budget.note_denied(Capability::Sockets);
        Err(ErrorCode::AccessDenied.into())
    }
}

/// Errors of sockets: there are none but refusals.
impl network::Host for NoNetwork<'_> {
    fn convert_error_code(&mut self, error: SocketError) -> wasmtime::Result<ErrorCode> {
        error.downcast()
    }

    fn network_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<ErrorCode>> {
        self.table.get(&error)?;
        Ok(None)
    }
}

impl HostNetwork for NoNetwork<'_> {
    fn drop(&mut self, network: Resource<Network>) -> wasmtime::Result<()> {
        self.table.delete(network)?;
        Ok(())
    }
}

impl tcp_create_socket::Host for NoNetwork<'_> {
    fn create_tcp_socket(&mut self, _: IpAddressFamily) -> SocketResult<Resource<TcpSocket>> {
        self.refuse()
    }
}

impl udp_create_socket::Host for NoNetwork<'_> {
    async fn create_udp_socket(&mut self, _: IpAddressFamily) -> SocketResult<Resource<UdpSocket>> {
        self.refuse()
    }
}

impl ip_name_lookup::Host for NoNetwork<'_> {
    fn resolve_addresses(
        &mut self,
        _: Resource<Network>,
        _: String,
    ) -> Result<Resource<ResolveAddressStream>, SocketError> {
        self.refuse()
    }
}

/// No such stream is ever handed out; a guest that names one is trapped by
/// the table.
impl ip_name_lookup::HostResolveAddressStream for NoNetwork<'_> {
    fn resolve_next_address(
        &mut self,
        stream: Resource<ResolveAddressStream>,
    ) -> Result<Option<IpAddress>, SocketError> {
        self.table.get(&stream)?;
        self.refuse()
    }

    fn subscribe(
        &mut self,
        stream: Resource<ResolveAddressStream>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        self.table.get(&stream)?;
        Err(wasmtime::format_err!("name look-ups are denied"))
    }

    fn drop(&mut self, stream: Resource<ResolveAddressStream>) -> wasmtime::Result<()> {
        self.table.delete(stream)?;
        Ok(())
    }
}
