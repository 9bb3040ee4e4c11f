//! A call in a context, told of once to whoever keeps a record.

use std::sync::{Arc, Mutex, PoisonError};

use mote_api::Outcome;

use crate::backend::{Record, StartError};

/// A call's record, which its caller and its interpreter share: whichever
/// knows first how it ended tells. With the last of them it was cancelled.
#[derive(Clone, Debug)]
pub(super) struct Recorder(Arc<Mutex<Option<Box<dyn Record>>>>);

impl Recorder {
    pub(super) fn new(record: Option<Box<dyn Record>>) -> Self {
        Self(Arc::new(Mutex::new(record)))
    }

    pub(super) fn declined(&self, error: &StartError) {
        if let Some(record) = self.take() {
            record.declined(error);
        }
    }

    pub(super) fn ended(&self, outcome: &Outcome) {
        if let Some(record) = self.take() {
            record.ended(outcome);
        }
    }

    fn take(&self) -> Option<Box<dyn Record>> {
        let mut record = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        record.take()
    }
}
