//! The same service by tonic alone, with nothing behind it: what a call by
//! gRPC costs on this machine before anybody does anything for it.

use std::io::Write;
use std::pin::Pin;

use futures_util::Stream;
use mote_surface::proto::process_service_server::{ProcessService, ProcessServiceServer};
use mote_surface::proto::{
    ExecuteRequest, ExecuteResponse, ResizeTtyRequest, SendSignalRequest, StartRequest,
    StartResponse, WriteStdinRequest,
};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

/// Serves until it is killed, and says where.
pub(crate) async fn serve() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    println!("listening on http://{address}");
    std::io::stdout().flush().expect("a reader");
    Server::builder()
        .tcp_nodelay(true)
        .add_service(ProcessServiceServer::new(Bare))
        .serve_with_incoming(TcpListenerStream::new(listener))
        .await
        .expect("a server");
}

struct Bare;

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl ProcessService for Bare {
    type StartStream = Pin<Box<dyn Stream<Item = Result<StartResponse, Status>> + Send>>;

    async fn execute(&self, _: Request<ExecuteRequest>) -> Answer<ExecuteResponse> {
        Ok(Response::new(ExecuteResponse::default()))
    }

    async fn start(&self, _: Request<StartRequest>) -> Answer<Self::StartStream> {
        Err(Status::unimplemented("start"))
    }

    async fn write_stdin(&self, _: Request<WriteStdinRequest>) -> Answer<()> {
        Err(Status::unimplemented("write_stdin"))
    }

    async fn send_signal(&self, _: Request<SendSignalRequest>) -> Answer<()> {
        Err(Status::unimplemented("send_signal"))
    }

    async fn resize_tty(&self, _: Request<ResizeTtyRequest>) -> Answer<()> {
        Err(Status::unimplemented("resize_tty"))
    }
}
