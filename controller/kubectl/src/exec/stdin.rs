//! Our stdin, for a program elsewhere.

use bytes::Bytes;
use tokio::io::AsyncReadExt;

/// Bytes that are read at once: as many as one message takes with ease.
const READ_BYTES: usize = 64 << 10;

/// Our stdin, a piece at a time.
pub(super) struct Stdin {
    from: tokio::io::Stdin,
    buffer: Vec<u8>,
}

impl Stdin {
    pub(super) fn new() -> Self {
        Self {
            from: tokio::io::stdin(),
            buffer: vec![0; READ_BYTES],
        }
    }

    /// What comes next; `None` once there is no more. An error reads as the end
    /// of the input, as it does in a shell's pipe.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        match self.from.read(&mut self.buffer).await {
            Ok(count @ 1..) => self.buffer.get(..count).map(Bytes::copy_from_slice),
            _ => None,
        }
    }
}
