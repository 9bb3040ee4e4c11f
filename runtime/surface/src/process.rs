//! gRPC `process.v1.ProcessService`: programs started, fed, signalled and
//! listened to.
//!
//! ```text
//! Execute ─► request ─► Backend::start ─► run    ─► one response, outcome in its trailers
//! Start   ─► request ─► Backend::start ─► stream ─► init, output …, exit, outcome in its trailers
//!                                           └─ table: number ─► Control ◄─ WriteStdin, SendSignal, ResizeTTY
//! ```

mod deadline;
mod request;
mod run;
mod service;
mod status;
mod stream;
mod table;
mod trailers;

pub use service::service;
pub(crate) use table::Processes;
