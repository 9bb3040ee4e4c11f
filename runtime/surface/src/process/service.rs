//! The five methods of the service.

use std::marker::PhantomData;
use std::sync::Arc;

use axum::Router;
use tonic::service::Routes;
use tonic::{Request, Response, Status, async_trait};
use tonic_reflection::server::Builder;
use tower::util::MapResponseLayer;

use super::request::{self, Envelope};
use super::run::collect;
use super::stream::{StartStream, Started};
use super::{status, trailers};
use crate::proto::process_service_server::{ProcessService, ProcessServiceServer};
use crate::proto::write_stdin_request::Payload;
use crate::proto::{
    DESCRIPTORS, ExecuteRequest, ExecuteResponse, ResizeTtyRequest, SendSignalRequest,
    StartRequest, WriteStdinRequest,
};
use crate::{Backend, Control, Signal, contexts, proto};

/// Largest request, in bytes: what gRPC servers take unless told otherwise.
const MAX_REQUEST_BYTES: usize = 4 * 1024 * 1024;

/// Serves `process.v1` and its reflection. Requests carry a `B`, and a
/// `Caller` if there is one, in their extensions.
pub fn service<B: Backend>() -> Router {
    let processes = ProcessServiceServer::new(Service::<B>(PhantomData))
        .max_decoding_message_size(MAX_REQUEST_BYTES);
    let mut routes = Routes::new(processes);
    if let Err(error) = reflect(&mut routes) {
        // Clients that have the .proto do without.
        tracing::error!(%error, "no server reflection: the service's description is broken");
    }
    let finish = MapResponseLayer::new(trailers::finish);
    routes.prepare().into_axum_router().layer(finish)
}

/// Adds server reflection, in the version that tools speak and the one before.
fn reflect(routes: &mut Routes) -> Result<(), tonic_reflection::server::Error> {
    let describe = || Builder::configure().register_encoded_file_descriptor_set(DESCRIPTORS);
    let both = (describe().build_v1()?, describe().build_v1alpha()?);
    *routes = std::mem::take(routes)
        .add_service(both.0)
        .add_service(both.1);
    Ok(())
}

/// The service of whichever sandbox a request carries.
struct Service<B>(PhantomData<fn() -> B>);

#[async_trait]
impl<B: Backend> ProcessService for Service<B> {
    type StartStream = StartStream;

    async fn execute(
        &self,
        request: Request<ExecuteRequest>,
    ) -> Result<Response<ExecuteResponse>, Status> {
        let (envelope, message) = Envelope::<B>::open(request)?;
        let work = async {
            let command = envelope.command(message.config, None, false).await?;
            let running = contexts::start(&envelope.backend, command).await;
            let running =
                running.map_err(|error| status::not_started("failed to execute command", error))?;
            let processes = &envelope.backend.state().processes;
            let _entry = processes.hold(running.control);
            let (response, outcome) = collect(running.events).await?;
            Ok(trailers::single(response, &outcome))
        };
        envelope.deadline.within(work).await
    }

    async fn start(&self, request: Request<StartRequest>) -> Result<Response<StartStream>, Status> {
        let (envelope, message) = Envelope::<B>::open(request)?;
        let work = async {
            let terminal = message.pty.map(request::terminal).transpose()?;
            let command = envelope.command(message.config, terminal, true).await?;
            let running = contexts::start(&envelope.backend, command).await;
            running.map_err(|error| status::not_started("failed to start command", error))
        };
        let mut running = envelope.deadline.within(work).await?;
        // A client that takes nothing must not stop its clock.
        running.events.detach();
        let processes = &envelope.backend.state().processes;
        let named = processes.name(Arc::clone(&running.control));
        let (number, entry) = named
            .ok_or_else(|| Status::resource_exhausted("no process numbers are left; restart"))?;
        let started = Started {
            number,
            _entry: entry,
            deadline: envelope.deadline,
            _alarm: envelope.deadline.end_at(Arc::clone(&running.control)),
            running,
        };
        Ok(Response::new(started.into_stream()))
    }

    async fn write_stdin(
        &self,
        request: Request<WriteStdinRequest>,
    ) -> Result<Response<()>, Status> {
        let (envelope, message) = Envelope::<B>::open(request)?;
        let control = find(&envelope, message.process_id)?;
        let processes = &envelope.backend.state().processes;
        let failed = |what, error| Status::internal(format!("failed to {what} stdin: {error}"));
        let work = async {
            match message.payload {
                Some(Payload::Eof(())) => {
                    let ended = control.end_input().await;
                    ended.map_err(|error| failed("close", error))
                }
                Some(Payload::Input(bytes)) if !bytes.is_empty() => {
                    let _room = processes.wait_with(bytes.len()).ok_or_else(|| {
                        Status::resource_exhausted(
                            "too much input waits to be read in this sandbox; write when some has been",
                        )
                    })?;
                    let written = control.write(bytes).await;
                    written.map_err(|error| failed("write", error))
                }
                Some(Payload::Input(_)) | None => Ok(()),
            }
        };
        envelope.deadline.within(work).await.map(Response::new)
    }

    async fn send_signal(
        &self,
        request: Request<SendSignalRequest>,
    ) -> Result<Response<()>, Status> {
        let (envelope, message) = Envelope::<B>::open(request)?;
        let control = find(&envelope, message.process_id)?;
        let sent = control.signal(signal(message.signal)?);
        sent.map_err(|error| Status::internal(format!("failed to send signal: {error}")))?;
        Ok(Response::new(()))
    }

    async fn resize_tty(&self, request: Request<ResizeTtyRequest>) -> Result<Response<()>, Status> {
        let (envelope, message) = Envelope::<B>::open(request)?;
        let control = find(&envelope, message.process_id)?;
        let size = request::size(message.cols, message.rows)?;
        let resized = control.resize(size);
        resized.map_err(|error| {
            Status::failed_precondition(format!("failed to resize TTY: {error}"))
        })?;
        Ok(Response::new(()))
    }
}

fn find<B: Backend>(envelope: &Envelope<B>, number: i32) -> Result<Arc<dyn Control>, Status> {
    let control = envelope.backend.state().processes.find(number);
    control.ok_or_else(|| status::no_process(number))
}

fn signal(number: i32) -> Result<Signal, Status> {
    let name = match proto::Signal::try_from(number) {
        Ok(proto::Signal::Sigint) => return Ok(Signal::Int),
        Ok(proto::Signal::Sigkill) => return Ok(Signal::Kill),
        Ok(proto::Signal::Sigterm) => return Ok(Signal::Term),
        Ok(unspecified @ proto::Signal::Unspecified) => unspecified.as_str_name().to_owned(),
        Err(_) => number.to_string(),
    };
    Err(Status::invalid_argument(format!(
        "unsupported or unspecified signal: {name}"
    )))
}
