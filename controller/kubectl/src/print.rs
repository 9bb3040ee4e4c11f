//! What is printed of our own.

use std::io;

use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::failure::Failure;

/// Bytes on stdout. That nobody reads them is an end, not an error.
pub(crate) async fn print(bytes: &[u8]) -> Result<(), Failure> {
    write(&mut tokio::io::stdout(), bytes).await
}

/// Bytes on a stream of ours.
pub(crate) async fn write(to: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> Result<(), Failure> {
    let written = async {
        to.write_all(bytes).await?;
        to.flush().await
    };
    written.await.map_err(unwritten)
}

/// Why output was not written.
pub(crate) fn unwritten(error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::BrokenPipe,
        _ => Failure::Lost(format!("failed to write the output: {error}")),
    }
}
