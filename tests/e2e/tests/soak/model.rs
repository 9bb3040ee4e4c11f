//! What there should be.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What a file may hold; `None`: it is not there.
pub(crate) type Content = Option<u32>;

/// A sandbox as it should be.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// Whether it stands still.
    pub(crate) suspended: bool,
    /// What its file may hold: several things, where nobody knows how a write
    /// ended.
    pub(crate) file: BTreeSet<Content>,
}

/// What there should be.
#[derive(Debug, Default)]
pub(crate) struct Model {
    /// Sandboxes by name.
    pub(crate) sandboxes: BTreeMap<String, Wanted>,
    /// Names of claims.
    pub(crate) claims: BTreeSet<String>,
    next: u32,
}

impl Model {
    /// A number that was not given before.
    pub(crate) fn number(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    /// A sandbox that runs, and has no file.
    pub(crate) fn create(&mut self) -> String {
        let name = format!("s{}", self.number());
        let wanted = Wanted {
            suspended: false,
            file: BTreeSet::from([None]),
        };
        self.sandboxes.insert(name.clone(), wanted);
        name
    }

    /// The names of sandboxes that stand still, or do not.
    pub(crate) fn names(&self, suspended: bool) -> Vec<String> {
        let names = self.sandboxes.iter();
        names
            .filter(|(_, wanted)| wanted.suspended == suspended)
            .map(|(name, _)| name.clone())
            .collect()
    }
}

impl fmt::Display for Model {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (resting, claims) = (self.names(true).len(), self.claims.len());
        let running = self.names(false).len();
        write!(
            to,
            "{running} run, {resting} stand still, {claims} are claimed"
        )
    }
}

/// Reads what [`READ`] prints.
pub(crate) fn content(printed: &str) -> Result<Content, String> {
    match printed.trim() {
        "none" => Ok(None),
        number => number.parse().map(Some).map_err(|_| printed.to_owned()),
    }
}

/// Prints what the file holds.
pub(crate) const READ: &str = "sh -c 'cat file 2>/dev/null || echo none'";

/// Writes the file.
pub(crate) fn write(number: u32) -> String {
    // At once, or not at all.
    format!("sh -c 'echo {number} > new && mv new file'")
}
