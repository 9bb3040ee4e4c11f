//! `mote-controller node-address`: run on a node before its node host, with
//! the right to change routes. Chooses the addresses of its sandboxes, lets the
//! node take their prefixes for its own, and writes them down for the node host.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use ipnet::IpNet;
use k8s_openapi::api::core::v1::Node;
use kube::api::ListParams;
use kube::{Api, Client};
use rtnetlink::RouteMessageBuilder;
use rtnetlink::packet_route::route::{RouteScope, RouteType};

use crate::wasm::address::{self, Given, SHARED};

/// The loopback device, which every network namespace has first.
const LOOPBACK: u32 = 1;

/// The kernel's table of what this machine takes for its own (`RT_TABLE_LOCAL`).
const LOCAL_TABLE: u32 = 255;

/// What the command is told.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct NodeAddress {
    /// The node.
    pub node: String,
    /// Where the addresses are written to.
    pub out: PathBuf,
    /// What is said of them, in place of the node's annotation.
    pub addresses: Option<String>,
}

/// Chooses, routes, and writes down.
///
/// # Errors
/// There is no prefix, or the kernel does not take a route.
pub async fn run(told: NodeAddress) -> anyhow::Result<()> {
    let client = Client::try_default().await.context("no cluster")?;
    let nodes = Api::<Node>::all(client).list(&ListParams::default()).await;
    let nodes = nodes.context("failed to list nodes")?.items;
    let given = address::choose(told.addresses.as_deref(), &told.node, &nodes)?;
    if let Given::Prefixes(prefixes) = &given {
        for prefix in prefixes {
            route(*prefix)
                .await
                .with_context(|| format!("failed to route {prefix} to this node"))?;
        }
    }
    let lines = lines(&given);
    write(&told.out, &lines)?;
    print!(
        "sandboxes of node {} have the addresses\n{lines}",
        told.node
    );
    Ok(())
}

/// The addresses as the node host reads them.
fn lines(given: &Given) -> String {
    match given {
        Given::Prefixes(prefixes) => prefixes.iter().map(|it| format!("{it}\n")).collect(),
        Given::Shared(own) => {
            let own = own.iter().map(|it| format!("{it}\n"));
            std::iter::once(format!("{SHARED}\n")).chain(own).collect()
        }
    }
}

/// Lets this node take every address of the prefix for its own.
async fn route(prefix: IpNet) -> anyhow::Result<()> {
    let (connection, handle, _) = rtnetlink::new_connection()?;
    let connection = tokio::spawn(connection);
    let message = RouteMessageBuilder::<IpAddr>::new()
        .destination_prefix(prefix.network(), prefix.prefix_len())?
        .output_interface(LOOPBACK)
        .table_id(LOCAL_TABLE)
        .kind(RouteType::Local)
        .scope(RouteScope::Host)
        .build();
    // One that is there already is this one, from before a restart.
    let added = handle.route().add(message).replace().execute().await;
    connection.abort();
    Ok(added?)
}

fn write(out: &Path, lines: &str) -> anyhow::Result<()> {
    let written = std::fs::write(out, lines);
    written.with_context(|| format!("failed to write {}", out.display()))
}
