//! To come.
/// x
#[derive(Debug, Default)]
pub(crate) struct Contexts;
impl Contexts {
    pub(crate) fn end_all(&self) {}
}
