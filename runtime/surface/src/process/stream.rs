//! Start: what becomes of a program, as a stream.

use std::pin::Pin;

use futures_util::{Stream, stream};
use tokio::sync::oneshot;
use tonic::Status;

use super::deadline::Deadline;
use super::status::broken_off;
use super::table::Entry;
use super::trailers;
use crate::proto::start_response::Event as Told;
use crate::proto::{ExitEvent, InitEvent, StartResponse};
use crate::{Event, Running};

/// What becomes of a program.
pub(super) type StartStream = Pin<Box<dyn Stream<Item = Result<StartResponse, Status>> + Send>>;

/// A started program. Dropping it ends the program.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) number: i32,
    pub(super) _entry: Entry,
    pub(super) running: Running,
    pub(super) deadline: Deadline,
    /// Ends the program at the deadline, until dropped.
    pub(super) _alarm: Option<oneshot::Sender<()>>,
}

#[derive(Debug)]
enum Next {
    Init(Started),
    Output(Started),
    Last(Status),
    Nothing,
}

impl Started {
    pub(super) fn into_stream(self) -> StartStream {
        Box::pin(stream::unfold(Next::Init(self), |next| next.tell()))
    }
}

impl Next {
    async fn tell(self) -> Option<(Result<StartResponse, Status>, Self)> {
        match self {
            Self::Init(started) => {
                let init = InitEvent {
                    process_id: started.number,
                };
                Some((Ok(told(Told::Init(init))), Self::Output(started)))
            }
            Self::Output(started) => Some(started.next().await),
            Self::Last(status) => Some((Err(status), Self::Nothing)),
            Self::Nothing => None,
        }
    }
}

impl Started {
    async fn next(mut self) -> (Result<StartResponse, Status>, Next) {
        let event = async { self.running.events.recv().await.ok_or_else(broken_off) };
        let event = match self.deadline.within(event).await {
            Ok(Event::Stdout(bytes)) => Told::Stdout(bytes),
            Ok(Event::Stderr(bytes)) => Told::Stderr(bytes),
            Ok(Event::Exit(exit)) => {
                let event = ExitEvent {
                    exit_code: exit.code,
                };
                let last = Next::Last(trailers::success(&exit.outcome));
                // The number is unknown before the caller hears of the exit.
                drop(self);
                return (Ok(told(Told::Exit(event))), last);
            }
            Err(status) => return (Err(status), Next::Nothing),
        };
        (Ok(told(event)), Next::Output(self))
    }
}

fn told(event: Told) -> StartResponse {
    StartResponse { event: Some(event) }
}
