//! The controller.
pub mod crd;
