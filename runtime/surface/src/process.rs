//! To come.
/// x
#[derive(Debug, Default)]
pub(crate) struct Processes;
impl Processes {
    pub(crate) fn end_all(&self) {}
}
