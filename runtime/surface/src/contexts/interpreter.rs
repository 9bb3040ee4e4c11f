//! One interpreter, from its start to its end: a task that runs calls one
//! after the other.

use std::time::{Duration, Instant};

use bytes::Bytes;
use mote_api::End;
use serde::de::{DeserializeOwned, IgnoredAny};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::call::{Answer, Call, Numbered, Told};
use super::frames::{Frames, Piece, TooLong};
use super::lost::{Lost, Used};
use super::record::Recorder;
use crate::backend::{Running, StartError};
use crate::events::{CallerGone, Event, EventSender};

/// How long an interpreter may take to start, on a machine under load.
const MAX_START: Duration = Duration::from_secs(60);

/// A call that waits for the interpreter.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) call: Call,
    pub(super) limit: Duration,
    /// Told once the interpreter has the call, or why there is none.
    pub(super) begun: oneshot::Sender<Result<(), StartError>>,
    pub(super) events: EventSender,
    pub(super) answer: oneshot::Sender<Answer>,
    /// Ends the call, and the context with it: an interpreter cannot be
    /// interrupted.
    pub(super) cancel: CancellationToken,
    pub(super) recorder: Recorder,
    /// Whoever holds it has the interpreter.
    pub(super) turn: OwnedSemaphorePermit,
    /// A place in the queue.
    pub(super) place: OwnedSemaphorePermit,
}

/// Runs calls until the context is lost. `lost` is told before the caller is.
pub(super) async fn run(
    start: impl Future<Output = Result<Running, StartError>>,
    mut jobs: mpsc::Receiver<Job>,
    idle: Duration,
    stop: CancellationToken,
    lost: impl FnOnce(Option<&Lost>),
) {
    let ready = async { Interpreter::ready(start.await?).await };
    let ready = tokio::select! {
        biased;
        () = stop.cancelled() => return,
        ready = ready => ready,
    };
    let mut interpreter = match ready {
        Ok(interpreter) => interpreter,
        Err(error) => {
            lost(None);
            if let Some(job) = jobs.recv().await {
                // A caller that has gone does not mind.
                let _gone = job.begun.send(Err(error));
            }
            return;
        }
    };
    let (why, call) = serve(&mut interpreter, &mut jobs, idle, &stop).await;
    drop(interpreter);
    lost(Some(&why));
    let Some(Unfinished {
        events,
        used,
        recorder,
    }) = call
    else {
        return;
    };
    match why.exit(used) {
        Some(exit) => {
            recorder.ended(&exit.outcome);
            let _gone = events.push(Event::Exit(exit));
        }
        None => recorder.declined(&StartError::Host),
    }
}

/// A call with which its context was lost.
struct Unfinished {
    events: EventSender,
    used: Used,
    recorder: Recorder,
}

/// Runs calls until the context is lost: why, and with which call.
async fn serve(
    interpreter: &mut Interpreter,
    jobs: &mut mpsc::Receiver<Job>,
    idle: Duration,
    stop: &CancellationToken,
) -> (Lost, Option<Unfinished>) {
    loop {
        let next = async {
            tokio::select! {
                biased;
                () = stop.cancelled() => Err(Lost::Stopped),
                job = jobs.recv() => job.ok_or(Lost::Stopped),
                lost = interpreter.rest() => Err(lost),
            }
        };
        let job = match tokio::time::timeout(idle, next).await {
            Ok(Ok(job)) => job,
            Ok(Err(lost)) => return (lost, None),
            Err(_) => return (Lost::Idle, None),
        };
        if job.begun.send(Ok(())).is_err() {
            continue;
        }
        let began = Instant::now();
        let mut teller = Teller::new(job.events);
        let ended = tokio::select! {
            biased;
            () = stop.cancelled() => Err(Lost::Stopped),
            () = job.cancel.cancelled() => Err(Lost::Cancelled),
            ended = interpreter.call_within(job.limit, &job.call, &mut teller) => ended,
        };
        let Teller { events, mut used } = teller;
        used.wall = began.elapsed();
        match ended {
            Err(lost) => {
                let call = Unfinished {
                    events,
                    used,
                    recorder: job.recorder,
                };
                return (lost, Some(call));
            }
            Ok(answer) => {
                let code = answer.exit_code;
                let exit = used.exit(End::Exited { code });
                job.recorder.ended(&exit.outcome);
                let _gone = job.answer.send(answer);
                let _gone = events.push(Event::Exit(exit));
            }
        }
        drop((job.turn, job.place));
    }
}

/// Tells a caller what its call writes, and counts it.
#[derive(Debug)]
struct Teller {
    events: EventSender,
    used: Used,
}

impl Teller {
    fn new(events: EventSender) -> Self {
        Self {
            events,
            used: Used::default(),
        }
    }

    async fn tell(&mut self, event: Event) -> Result<(), CallerGone> {
        match &event {
            Event::Stdout(bytes) | Event::Stderr(bytes) if bytes.is_empty() => return Ok(()),
            Event::Stdout(bytes) => self.used.stdout += bytes.len() as u64,
            Event::Stderr(bytes) => self.used.stderr += bytes.len() as u64,
            Event::Exit(_) => {}
        }
        self.events.send(event).await
    }

    /// Tells what came but for the driver's lines, which are returned.
    async fn split(
        &mut self,
        frames: &mut Frames,
        bytes: &[u8],
        event: fn(Bytes) -> Event,
    ) -> Result<Vec<Bytes>, Lost> {
        frames.push(bytes);
        let mut lines = Vec::new();
        while let Some(piece) = frames.next()? {
            match piece {
                Piece::Output(bytes) => self.tell(event(bytes)).await?,
                Piece::Line(line) => lines.push(line),
            }
        }
        Ok(lines)
    }
}

/// A running interpreter.
#[derive(Debug)]
struct Interpreter {
    program: Running,
    stdout: Frames,
    stderr: Frames,
    calls: u64,
}

impl Interpreter {
    /// An interpreter whose driver waits for calls, so that no call's time
    /// limit has to cover the start.
    async fn ready(program: Running) -> Result<Self, StartError> {
        let mut interpreter = Self {
            program,
            stdout: Frames::default(),
            stderr: Frames::default(),
            calls: 0,
        };
        let ready = interpreter.driver_is_there();
        let ready = tokio::time::timeout(MAX_START, ready).await;
        match ready.unwrap_or(Err(Lost::Deadline)) {
            Ok(()) => Ok(interpreter),
            Err(lost) => {
                tracing::warn!(%lost, "the interpreter of a context did not start");
                Err(StartError::Invalid(
                    "the sandbox's python3 cannot hold a context; run the code without one"
                        .to_owned(),
                ))
            }
        }
    }

    async fn driver_is_there(&mut self) -> Result<(), Lost> {
        loop {
            match self.program.events.recv().await {
                Some(Event::Stdout(bytes)) => self.stdout.push(&bytes),
                // Warnings of the interpreter are not for the first call.
                Some(Event::Stderr(_)) => {}
                Some(Event::Exit(exit)) => return Err(Lost::Ended(Box::new(exit))),
                None => return Err(Lost::Host),
            }
            while let Some(piece) = self.stdout.next()? {
                if let Piece::Line(line) = piece {
                    return about::<IgnoredAny>(0, &line).map(drop);
                }
            }
        }
    }

    /// Runs one call, for as long as it may take and its caller is there.
    async fn call_within(
        &mut self,
        limit: Duration,
        call: &Call,
        teller: &mut Teller,
    ) -> Result<Answer, Lost> {
        let events = teller.events.clone();
        let call = tokio::time::timeout(limit, self.call(call, teller));
        tokio::select! {
            biased;
            () = events.closed() => Err(Lost::Cancelled),
            ended = call => ended.unwrap_or(Err(Lost::Deadline)),
        }
    }

    async fn call(&mut self, call: &Call, teller: &mut Teller) -> Result<Answer, Lost> {
        self.calls += 1;
        let id = self.calls;
        let mut line = serde_json::to_vec(&Numbered { id, call }).map_err(|_| Lost::Host)?;
        line.push(b'\n');
        // If it does not read, its end is the next that is heard of it.
        let _ended = self.program.control.write(line.into()).await;
        let mut answer = None;
        let mut is_told = false;
        while answer.is_none() || !is_told {
            match self.program.events.recv().await {
                Some(Event::Stdout(bytes)) => {
                    let stdout = &mut self.stdout;
                    for line in teller.split(stdout, &bytes, Event::Stdout).await? {
                        answer = Some(about(id, &line)?);
                    }
                }
                Some(Event::Stderr(bytes)) => {
                    let stderr = &mut self.stderr;
                    for line in teller.split(stderr, &bytes, Event::Stderr).await? {
                        about::<IgnoredAny>(id, &line)?;
                        is_told = true;
                    }
                }
                Some(Event::Exit(exit)) => {
                    teller.tell(Event::Stdout(self.stdout.rest())).await?;
                    teller.tell(Event::Stderr(self.stderr.rest())).await?;
                    return Err(Lost::Ended(Box::new(exit)));
                }
                None => return Err(Lost::Host),
            }
        }
        answer.ok_or(Lost::Garbled)
    }

    /// Waits until the program ends, although no call is running. What it
    /// writes then is for nobody.
    async fn rest(&mut self) -> Lost {
        loop {
            let (stream, bytes) = match self.program.events.recv().await {
                Some(Event::Stdout(bytes)) => (&mut self.stdout, bytes),
                Some(Event::Stderr(bytes)) => (&mut self.stderr, bytes),
                Some(Event::Exit(exit)) => return Lost::Ended(Box::new(exit)),
                None => return Lost::Host,
            };
            stream.push(&bytes);
            loop {
                match stream.next() {
                    Ok(Some(Piece::Output(_))) => {}
                    Ok(None) => break,
                    Ok(Some(Piece::Line(_))) | Err(TooLong) => return Lost::Garbled,
                }
            }
        }
    }
}

/// What a line of the driver says, if it is about this call.
fn about<T: DeserializeOwned>(id: u64, line: &[u8]) -> Result<T, Lost> {
    let told: Told = serde_json::from_slice(line).map_err(|_| Lost::Garbled)?;
    match told.id == id {
        true => serde_json::from_slice(line).map_err(|_| Lost::Garbled),
        false => Err(Lost::Garbled),
    }
}

impl From<TooLong> for Lost {
    fn from(_: TooLong) -> Self {
        Self::Garbled
    }
}
