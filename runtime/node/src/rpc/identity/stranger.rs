//! Why somebody who connected is not taken for a controller.

use std::io;

use tokio_rustls::rustls::{AlertDescription as Alert, CertificateError, Error as TlsError};

/// What is wrong with a connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::rpc) enum Stranger {
    /// It shows no certificate.
    #[error("it shows no certificate; the controller alone may connect here")]
    Bare,
    /// Its certificate has ended.
    #[error(
        "its certificate has expired; if it is the controller's, compare the clocks of the two \
         machines and restart the controller, which issues itself another"
    )]
    Expired,
    /// Its certificate has not begun.
    #[error("its certificate is not good yet; the clock of this node is behind: set it")]
    Early,
    /// Its certificate is of an authority that is not ours.
    #[error(
        "its certificate is of an authority that is not in --tls-ca; if it is the controller's, \
         the file is an old one: wait until the Secret has reached this pod, or restart the pod"
    )]
    Unknown,
    /// Its certificate is for another name.
    #[error("its certificate is of another name than --client-name")]
    Misnamed,
    /// It holds our certificate for ended, or for not yet begun.
    #[error(
        "it holds this node's certificate for expired or not good yet; wait until the Secret has \
         reached this pod, or compare the clocks of the two machines"
    )]
    ExpiredHere,
    /// It does not know our authority.
    #[error(
        "it does not know the authority of this node's certificate; wait until the Secret has \
         reached this pod, or restart the pod"
    )]
    UnknownHere,
    /// It did not say anything in time.
    #[error("it did not show who it is in time")]
    Late,
    /// Something else.
    #[error("{0}")]
    Other(String),
}

impl From<&io::Error> for Stranger {
    fn from(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::TimedOut {
            return Self::Late;
        }
        let inner = error.get_ref().and_then(|it| it.downcast_ref::<TlsError>());
        inner.map_or_else(|| Self::Other(error.to_string()), Self::from)
    }
}

impl From<&TlsError> for Stranger {
    fn from(error: &TlsError) -> Self {
        match error {
            TlsError::NoCertificatesPresented => Self::Bare,
            TlsError::InvalidCertificate(error) => error.into(),
            TlsError::AlertReceived(Alert::CertificateExpired) => Self::ExpiredHere,
            TlsError::AlertReceived(Alert::UnknownCA | Alert::DecryptError) => Self::UnknownHere,
            other => Self::Other(other.to_string()),
        }
    }
}

impl From<&CertificateError> for Stranger {
    fn from(error: &CertificateError) -> Self {
        match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                Self::Early
            }
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Self::Unknown,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Self::Misnamed
            }
            other => Self::Other(other.to_string()),
        }
    }
}
