//! Connections to a sandbox: how many there may be, and how many to all of its
//! tenant's.

use std::sync::Arc;

use mote_surface::tally::{Taken, Tally};
use tokio::sync::OwnedSemaphorePermit;

use super::Sandbox;
use crate::record::Record;

/// Connections that may be open to one sandbox, at all of its ports: an eighth
/// of what one port of a node takes. Whoever may call one sandbox keeps nobody
/// from those of others.
pub(super) const MAX_CONNECTIONS: usize = 512;

/// Connections that may be open to all sandboxes of one tenant: half of what
/// one port of a node takes. Whoever makes many sandboxes keeps nobody from
/// those of others.
const MAX_CONNECTIONS_OF_A_TENANT: usize = 2_048;

/// Who has how many connections, by tenant.
pub(crate) fn of_tenants() -> Tally<String> {
    Tally::new(MAX_CONNECTIONS_OF_A_TENANT)
}

/// What a connection takes up of the sandbox that it is for, and of its tenant.
#[derive(Debug)]
pub(crate) struct Seat {
    _own: OwnedSemaphorePermit,
    _tenant: Option<Taken<String>>,
}

impl Sandbox {
    /// Room for one more connection, if there is some.
    pub(crate) fn seat(&self) -> Option<Seat> {
        let own = Arc::clone(&self.seats).try_acquire_owned().ok()?;
        let tenant = |record: &Record| Some(record.object.as_ref()?.namespace.clone());
        // By hand, sandboxes are made for nobody in particular.
        let tenant = match self.look(tenant).flatten() {
            Some(tenant) => Some(self.shared.seats.take(tenant)?),
            None => None,
        };
        Some(Seat {
            _own: own,
            _tenant: tenant,
        })
    }
}
