//! Why an image is not here.

/// Why an image is not here. Each text is one sentence: what, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    /// There is none such, or not for whoever asks.
    #[error("{0}")]
    Unknown(String),
    /// It is there and cannot be run here.
    #[error("{0}")]
    Invalid(String),
    /// Its registry does not answer, or answers nonsense.
    #[error("{0}")]
    Unreachable(String),
    /// There is no room for it.
    #[error("{0}")]
    NoRoom(String),
    /// The node's own fault, which its log tells.
    #[error("{0}")]
    Host(String),
}

impl Failure {
    /// The same, said of an image.
    pub(crate) fn of(self, image: &str) -> Self {
        let said = |text: String| format!("image {image}: {text}");
        match self {
            Self::Unknown(text) => Self::Unknown(said(text)),
            Self::Invalid(text) => Self::Invalid(said(text)),
            Self::Unreachable(text) => Self::Unreachable(said(text)),
            Self::NoRoom(text) => Self::NoRoom(said(text)),
            Self::Host(text) => Self::Host(said(text)),
        }
    }

    /// A fault of the node's own; how, is for its log.
    pub(crate) fn host(error: &dyn std::error::Error) -> Self {
        let cause = error.source().map(ToString::to_string);
        tracing::error!(%error, cause, "failed to keep an image");
        Self::Host("the node failed to keep it; the node's log says why".to_owned())
    }
}
