//! How a process is told to end.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

/// Completes once a signal tells the process to end.
///
/// # Errors
/// The system takes no handler.
pub fn told_to_end() -> io::Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("told to end");
    })
}
