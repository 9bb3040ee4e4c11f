//! The three ports, from the first request to the last.

use std::future::pending;
use std::net::IpAddr;
use std::path::Path;

use anyhow::{Context, bail};
use axum::{Extension, Router};
use http::Request;
use mote_surface::listen::{Connection, ListenLimits};
use mote_surface::{Caller, TraceParent, listen, process, rest, runtime};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};
use tower::util::MapRequestLayer;

use crate::args::{Args, Ports};
use crate::backend::ProcessBackend;

/// The variable with the directory of the python-runtime API, as in its
/// image; without, it is that of the others.
const BASE_VARIABLE: &str = "SANDBOX_BASE_DIR";

/// Open ports; what is `None` is not served.
#[derive(Debug)]
pub struct Listeners {
    /// gRPC.
    pub grpc: Option<TcpListener>,
    /// Files, health and metadata.
    pub rest: Option<TcpListener>,
    /// The python-runtime API.
    pub runtime: Option<TcpListener>,
}

impl Listeners {
    /// Opens the ports.
    ///
    /// # Errors
    /// One is given twice, or taken.
    pub async fn open(host: IpAddr, ports: Ports) -> anyhow::Result<Self> {
        let Ports {
            grpc,
            rest,
            runtime,
        } = ports;
        for (a, b) in [(grpc, rest), (grpc, runtime), (rest, runtime)] {
            if a == b && a != 0 {
                bail!(
                    "--grpc-port, --rest-port and --runtime-port must differ; {a} is given twice"
                );
            }
        }
        Ok(Self {
            grpc: open(host, "grpc", grpc).await?,
            rest: open(host, "rest", rest).await?,
            runtime: open(host, "runtime", runtime).await?,
        })
    }
}

async fn open(host: IpAddr, name: &str, port: u16) -> anyhow::Result<Option<TcpListener>> {
    if port == 0 {
        return Ok(None);
    }
    let listener = TcpListener::bind((host, port)).await;
    let listener =
        listener.with_context(|| format!("--{name}-port: failed to listen on {host}:{port}"))?;
    tracing::info!(api = name, address = %listener.local_addr()?, "listening");
    Ok(Some(listener))
}

/// Serves until `shutdown` completes, and ends what runs then.
///
/// # Errors
/// A directory cannot be opened.
pub async fn serve(
    args: &Args,
    listeners: Listeners,
    shutdown: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let open = |root: &Path| ProcessBackend::open(root, args.chunk(), &args.metadata_env_prefix);
    let files = open(&args.root_dir)?;
    let base = match std::env::var_os(BASE_VARIABLE) {
        // One directory is one sandbox, with one set of contexts.
        Some(base) => Some(open(base.as_ref())?).filter(|base| base.root() != files.root()),
        None => None,
    };
    let base = base.unwrap_or_else(|| files.clone());
    let (ended, _) = watch::channel(None);
    let run = |listener, router, backend: &ProcessBackend| {
        listen_on(listener, router, backend.clone(), args, ended.subscribe())
    };
    let serving = async {
        tokio::join!(
            run(listeners.grpc, process::service::<ProcessBackend>(), &files),
            run(listeners.rest, rest::router::<ProcessBackend>(), &files),
            run(
                listeners.runtime,
                runtime::router::<ProcessBackend>(),
                &base
            ),
        )
    };
    let ending = async {
        shutdown.await;
        tracing::info!("shutting down");
        // Health is refused first, so that nobody sends more; then programs
        // end, which ends their requests; then connections can.
        let last = Instant::now().checked_add(args.shutdown_timeout);
        files.close();
        base.close();
        let programs = async { tokio::join!(files.end_programs(), base.end_programs()) };
        let _ = timeout(args.shutdown_timeout, programs).await;
        ended.send_replace(Some(last));
    };
    let _ = tokio::join!(serving, ending);
    Ok(())
}

/// The moment by which all has to end, if any.
type Last = Option<Instant>;

async fn listen_on(
    listener: Option<TcpListener>,
    router: Router,
    backend: ProcessBackend,
    args: &Args,
    mut ended: watch::Receiver<Option<Last>>,
) {
    let Some(listener) = listener else {
        return;
    };
    let router = router
        .layer(MapRequestLayer::new(name_caller))
        .layer(Extension(backend));
    let limits = ListenLimits {
        idle_time: args.http_idle_timeout,
        ..ListenLimits::default()
    };
    let mut closing = ended.clone();
    let serving = listen::serve(listener, router, limits, || (), async move {
        let _ = ended.wait_for(Option::is_some).await;
    });
    let overdue = async {
        let last = closing.wait_for(Option::is_some).await.map(|last| *last);
        match last.ok().flatten().flatten() {
            Some(last) => timeout_at(last, pending()).await.unwrap_or_default(),
            None => pending().await,
        }
    };
    tokio::select! {
        () = serving => {}
        () = overdue => tracing::warn!("connections were cut at the end of --shutdown-timeout"),
    }
}

/// Nobody vouches for callers here: they are where they come from.
fn name_caller<T>(mut request: Request<T>) -> Request<T> {
    let peer = request.extensions().get::<Connection>();
    let caller = Caller {
        who: peer
            .map(|connection| connection.peer.to_string())
            .unwrap_or_default(),
        trace: TraceParent::of_headers(request.headers()),
    };
    request.extensions_mut().insert(caller);
    request
}
