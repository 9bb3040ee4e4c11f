//! What goes wrong, in the words and numbers of gRPC.

use std::path::PathBuf;

use tonic::Status;

use crate::files::PathError;
use crate::{StartError, Unavailable};

/// Why a sandbox cannot be used.
pub(super) fn unavailable(error: &Unavailable) -> Status {
    match error {
        Unavailable::Gone(_) => Status::not_found(error.to_string()),
        Unavailable::NotNow(_) => Status::unavailable(error.to_string()),
    }
}

/// Why a program was not started; `what` failed.
pub(super) fn not_started(what: &str, error: StartError) -> Status {
    let text = format!("{what}: {error}");
    match error {
        StartError::NotFound(_) => Status::not_found(text),
        StartError::Denied(_) => Status::permission_denied(text),
        StartError::Invalid(text) => Status::invalid_argument(text),
        // The code that clients try again after.
        StartError::Busy(_) => Status::unavailable(text),
        StartError::Lost(text) => Status::failed_precondition(text),
        StartError::Unavailable(error) => unavailable(&error),
        StartError::Host => Status::internal(text),
    }
}

/// A working directory, or why there is none.
pub(super) fn directory(found: Result<PathBuf, PathError>) -> Result<PathBuf, Status> {
    found.map_err(|error| {
        let text = format!("cwd: {error}");
        match error {
            PathError::Escapes => Status::permission_denied(text),
            PathError::Nul | PathError::TooLong => Status::invalid_argument(text),
            PathError::Links | PathError::Io(_) => Status::internal(text),
        }
    })
}

/// Our own fault: the program's events broke off before its exit.
pub(super) fn broken_off() -> Status {
    Status::internal(StartError::Host.to_string())
}

/// No running program has this number.
pub(super) fn no_process(number: i32) -> Status {
    Status::not_found(format!("process {number} not found"))
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    #[test]
    fn each_failure_has_its_code() {
        let text = || "text".to_owned();
        for (error, code) in [
            (StartError::NotFound(text()), Code::NotFound),
            (StartError::Denied(text()), Code::PermissionDenied),
            (StartError::Invalid(text()), Code::InvalidArgument),
            (StartError::Busy(text()), Code::Unavailable),
            (Unavailable::Gone(text()).into(), Code::NotFound),
            (Unavailable::NotNow(text()).into(), Code::Unavailable),
            (StartError::Host, Code::Internal),
        ] {
            let status = not_started("failed to start command", error);
            assert_eq!(status.code(), code, "{status}");
            assert!(!status.message().is_empty());
        }
    }
}
