//! What guests can import, and who serves it.

use wasmtime::Engine;
use wasmtime::component::{HasData, Linker, ResourceTable};
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView};
use wasmtime_wasi::p2::bindings::{cli, clocks, filesystem, io, random, sockets};
use wasmtime_wasi::random::WasiRandom;
use wasmtime_wasi::sockets::{WasiSockets, WasiSocketsView};

use crate::files::HasFiles;
use crate::instance::State;
use crate::network::HasNoNetwork;
use crate::process;
use crate::stdio::HasStdio;
use crate::terminal;

/// Names the table of handles to wasmtime's linker.
struct HasTable;

impl HasData for HasTable {
    type Data<'a> = &'a mut ResourceTable;
}

/// Every interface that Mote offers. What is not here a component cannot
/// import; what is here and not granted is refused before it starts, or when
/// it is called.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    let l = &mut linker;
    io::error::add_to_linker::<State, HasTable>(l, |s| &mut s.table)?;
    io::poll::add_to_linker::<State, HasTable>(l, |s| &mut s.table)?;
    io::streams::add_to_linker::<State, HasTable>(l, |s| &mut s.table)?;

    cli::exit::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::environment::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_input::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_output::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_stdin::add_to_linker::<State, HasStdio>(l, State::stdio)?;
    cli::terminal_stdout::add_to_linker::<State, HasStdio>(l, State::stdio)?;
    cli::terminal_stderr::add_to_linker::<State, HasStdio>(l, State::stdio)?;
    cli::stdin::add_to_linker::<State, HasStdio>(l, State::stdio)?;
    cli::stdout::add_to_linker::<State, HasStdio>(l, State::stdio)?;
    cli::stderr::add_to_linker::<State, HasStdio>(l, State::stdio)?;

    clocks::wall_clock::add_to_linker::<State, WasiClocks>(l, State::clocks)?;
    clocks::monotonic_clock::add_to_linker::<State, WasiClocks>(l, State::clocks)?;
    random::random::add_to_linker::<State, WasiRandom>(l, |s| s.wasi.random())?;
    random::insecure::add_to_linker::<State, WasiRandom>(l, |s| s.wasi.random())?;
    random::insecure_seed::add_to_linker::<State, WasiRandom>(l, |s| s.wasi.random())?;

    filesystem::types::add_to_linker::<State, HasFiles>(l, State::files)?;
    filesystem::preopens::add_to_linker::<State, HasFiles>(l, State::files)?;

    // Methods on sockets are wasmtime-wasi's; there is never a socket to call
    // them on.
    sockets::instance_network::add_to_linker::<State, WasiSockets>(l, State::sockets)?;
    sockets::tcp::add_to_linker::<State, WasiSockets>(l, State::sockets)?;
    sockets::udp::add_to_linker::<State, WasiSockets>(l, State::sockets)?;
    sockets::network::add_to_linker::<State, HasNoNetwork>(l, &Default::default(), State::network)?;
    sockets::tcp_create_socket::add_to_linker::<State, HasNoNetwork>(l, State::network)?;
    sockets::udp_create_socket::add_to_linker::<State, HasNoNetwork>(l, State::network)?;
    sockets::ip_name_lookup::add_to_linker::<State, HasNoNetwork>(l, State::network)?;

    process::add_to_linker(l)?;
    terminal::add_to_linker(l)?;
    Ok(linker)
}
