//! The image of a session that is to be made.

use std::sync::Arc;

use mote_rpc::v1::refusal::Reason;

use super::ensure::Refused;
use super::wanted::Wanted;
use crate::images::{Failure, Image, Missing, Reference};
use crate::node::{CreateError, IMAGES, Node, SpecError};

/// The image that was pulled for this session; `None` for a built-in one. One
/// that is not here is pulled from now on.
///
/// # Errors
/// It is not here: not yet, or it cannot be had.
pub(super) fn of(node: &Node, wanted: &Wanted) -> Result<Option<Arc<Image>>, Refused> {
    let name = &wanted.image;
    if IMAGES.contains(&name.as_str()) {
        return Ok(None);
    }
    let Some(images) = &node.0.shared.images else {
        return Err(CreateError::from(SpecError::Image(name.clone())).into());
    };
    let reference = Reference::parse(name);
    let reference = reference.map_err(|error| Refused::new(Reason::ImageUnknown, error))?;
    let tenant = &wanted.object.namespace;
    match images.ask(&reference, &wanted.credentials, tenant) {
        Ok(image) => Ok(Some(image)),
        Err(Missing::Pending) => Err(Refused::new(
            Reason::ImagePending,
            format!("image {name} is being pulled and compiled; ask again when it is here"),
        )),
        Err(Missing::Failed(failure)) => Err(failure.into()),
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        let reason = match &failure {
            Failure::Unknown(_) => Reason::ImageUnknown,
            Failure::Invalid(_) => Reason::ImageInvalid,
            Failure::Unreachable(_) => Reason::ImageUnreachable,
            Failure::NoRoom(_) => Reason::NoRoom,
            Failure::Host(_) => Reason::Failed,
        };
        Self::new(reason, failure.to_string())
    }
}
