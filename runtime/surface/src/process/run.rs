//! Execute: a program run to its end, and all it wrote.

use bytes::{Bytes, BytesMut};
use mote_api::Outcome;
use tonic::Status;

use super::status;
use crate::proto::ExecuteResponse;
use crate::{Event, Events};

/// Most bytes of output in one response, of both streams together: four times
/// what clients take unless told otherwise. Past it the program is ended, for
/// it would be our memory that it fills, for as long as the client likes.
const MAX_OUTPUT_BYTES: usize = 16 * 1024 * 1024;

/// Collects a program's output until its exit.
pub(super) async fn collect(mut events: Events) -> Result<(ExecuteResponse, Outcome), Status> {
    let mut output = Output::default();
    while let Some(event) = events.recv().await {
        match event {
            Event::Stdout(bytes) => output.add(bytes, |output| &mut output.stdout)?,
            Event::Stderr(bytes) => output.add(bytes, |output| &mut output.stderr)?,
            Event::Exit(exit) => {
                let response = ExecuteResponse {
                    exit_code: exit.code,
                    stdout: output.stdout.freeze(),
                    stderr: output.stderr.freeze(),
                };
                return Ok((response, *exit.outcome));
            }
        }
    }
    Err(status::broken_off())
}

#[derive(Debug, Default)]
struct Output {
    stdout: BytesMut,
    stderr: BytesMut,
}

impl Output {
    fn add(&mut self, bytes: Bytes, stream: fn(&mut Self) -> &mut BytesMut) -> Result<(), Status> {
        if self.stdout.len() + self.stderr.len() + bytes.len() > MAX_OUTPUT_BYTES {
            return Err(Status::resource_exhausted(format!(
                "the output is larger than {MAX_OUTPUT_BYTES} bytes, and the program was ended; use Start, or write to a file"
            )));
        }
        stream(self).extend_from_slice(&bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    #[test]
    fn output_is_taken_up_to_the_bound_and_refused_past_it() {
        let mut output = Output::default();
        let full = vec![b'x'; MAX_OUTPUT_BYTES].into();
        output.add(full, |output| &mut output.stdout).unwrap();
        let status = output
            .add(Bytes::from_static(b"y"), |output| &mut output.stderr)
            .unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted);
    }

    #[tokio::test]
    async fn events_that_break_off_are_an_internal_error() {
        let (sender, events) = crate::events();
        drop(sender);
        assert_eq!(collect(events).await.unwrap_err().code(), Code::Internal);
    }
}
