//! A way to a port of a pod, through the API server: what `kubectl
//! port-forward` does, without a port of this machine's.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use tokio::io::DuplexStream;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

use crate::cluster::{Denied, answer};
use crate::failure::Failure;
use mote_client::text::chain;

/// A port of a pod.
#[derive(Clone)]
pub(crate) struct Tunnel {
    pods: Api<Pod>,
    pod: String,
    port: u16,
    /// What the node may say of the connection that was made last.
    complaint: Arc<Mutex<Option<Complaint>>>,
}

type Complaint = BoxFuture<'static, Option<String>>;

impl Tunnel {
    /// The way to `port` of a pod; nothing is asked yet.
    pub(crate) fn new(pods: Api<Pod>, pod: &str, port: u16) -> Self {
        Self {
            pods,
            pod: pod.to_owned(),
            port,
            complaint: Arc::default(),
        }
    }

    /// The same way to another port.
    pub(crate) fn to(&self, port: u16) -> Self {
        Self::new(self.pods.clone(), &self.pod, port)
    }

    /// A connection. Whether anybody listens there shows when it is used.
    pub(crate) async fn connect(&self) -> Result<DuplexStream, Denied> {
        let ports = [self.port];
        let mut forwarder = answer(self.pods.portforward(&self.pod, &ports)).await?;
        let complaint = forwarder.take_error(self.port).map(FutureExt::boxed);
        *self
            .complaint
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = complaint;
        let stream = forwarder.take_stream(self.port);
        stream.ok_or_else(|| Denied::Lost("the port was not forwarded".to_owned()))
    }

    /// A connection for gRPC; once it breaks, there is no other.
    pub(crate) async fn channel(&self) -> Result<Channel, Failure> {
        let stream = self.connect().await.map_err(|why| self.denied(why))?;
        let stream = Arc::new(Mutex::new(Some(stream)));
        let connector = service_fn(move |_: Uri| {
            let stream = stream.lock().unwrap_or_else(PoisonError::into_inner).take();
            let stream = stream.map(TokioIo::new);
            std::future::ready(stream.ok_or_else(|| io::Error::other("the connection broke")))
        });
        // Who it is for is said by headers, or by whom the tunnel leads to.
        let endpoint = Endpoint::from_static("http://sandbox");
        let channel = endpoint.connect_with_connector(connector).await;
        channel.map_err(|error| self.lost(&chain(&error)))
    }

    /// That there is no connection.
    pub(crate) fn denied(&self, why: Denied) -> Failure {
        let (pod, namespace) = (&self.pod, self.pods.namespace().unwrap_or_default());
        match why {
            Denied::Missing => Failure::Refused(format!(
                "there is no pod {pod} in namespace {namespace} any more; try again"
            )),
            Denied::Forbidden(_) => Failure::Refused(format!(
                "you may not forward ports of pod {pod} in namespace {namespace}; it takes the right to get and create pods/portforward there"
            )),
            why => why.during(&format!("forward port {} of pod {pod}", self.port)),
        }
    }

    /// That the connection broke: what the node said of it, or else `why`.
    pub(crate) fn lost(&self, why: &str) -> Failure {
        let (pod, port) = (&self.pod, self.port);
        let why = self.complaint().unwrap_or_else(|| why.to_owned());
        Failure::Lost(format!(
            "the connection to port {port} of pod {pod} broke: {why}"
        ))
    }

    /// What the node said of the connection, if it did yet.
    fn complaint(&self) -> Option<String> {
        let mut complaint = self.complaint.lock();
        let complaint = complaint.as_mut().map_or(None, |it| it.take());
        complaint?.now_or_never()?
    }
}
