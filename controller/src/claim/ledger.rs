//! What claims know before the caches do.
//!
//! A claim that takes a sandbox writes three times, and each write comes back
//! by a watch some time later. Until then the ledger holds what was written,
//! so that no pass acts on what is past; and it holds which claim has its eye
//! on which sandbox, so that claims in parallel do not all reach for one. It is
//! a help, not a lock: if it is lost with its process, the optimistic locks of
//! the writes still keep each sandbox for one claim.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use super::candidate::{Candidate, choose};
use super::domains::Domains;
use crate::crd::{Sandbox, SandboxClaim};

/// Notes on claims, by their UID.
#[derive(Debug, Default)]
pub struct Ledger {
    pages: Mutex<Pages>,
    domains: OnceLock<Arc<Domains>>,
}

#[derive(Debug, Default)]
struct Pages {
    claims: HashMap<String, Entry>,
    /// UIDs of sandboxes, and of the claims that reserved them.
    reserved: HashMap<String, String>,
    /// Namespaces and pools, and the claims that wait for a sandbox of theirs
    /// to have an address.
    hopeful: HashMap<(String, String), BTreeSet<String>>,
}

#[derive(Debug, Default)]
struct Entry {
    seen: Option<Timestamp>,
    ready: Option<Timestamp>,
    claim: Option<SandboxClaim>,
    sandbox: Option<Sandbox>,
    reserved: Option<String>,
    hopes: Option<Hope>,
}

/// For what a claim waits.
#[derive(Debug)]
struct Hope {
    /// Namespace and name of the pool.
    pool: (String, String),
    /// The claim's name.
    name: String,
}

impl Ledger {
    /// When the claim was first seen: now, unless it was before.
    pub(super) fn seen(&self, claim: &str, now: Timestamp) -> Timestamp {
        *self.pages().entry(claim).seen.get_or_insert(now)
    }

    /// Notes that the claim was counted as ready.
    pub(super) fn counted(&self, claim: &str, at: Timestamp) {
        self.pages().entry(claim).ready = Some(at);
    }

    /// When the claim was counted as ready, if it was by this process.
    pub(super) fn ready_since(&self, claim: &str) -> Option<Timestamp> {
        self.pages().claims.get(claim)?.ready
    }

    /// The claim as it was last written or seen, whichever is later.
    pub(super) fn newest_claim(&self, seen: &SandboxClaim) -> SandboxClaim {
        let mut pages = self.pages();
        let entry = pages.entry(&seen.uid().unwrap_or_default());
        entry.claim.take_if(|written| !is_newer(written, seen));
        entry.claim.as_ref().unwrap_or(seen).clone()
    }

    /// Notes how a write left the claim.
    pub(super) fn wrote_claim(&self, claim: &SandboxClaim) {
        let mut pages = self.pages();
        pages.entry(&claim.uid().unwrap_or_default()).claim = Some(claim.clone());
    }

    /// The claim's sandbox as it was last written or seen, whichever is later.
    pub(super) fn newest_sandbox(&self, claim: &str, seen: Sandbox) -> Sandbox {
        let mut pages = self.pages();
        let Some(written) = pages
            .claims
            .get(claim)
            .and_then(|entry| entry.sandbox.as_ref())
        else {
            return seen;
        };
        if written.uid() != seen.uid() {
            return seen;
        }
        if is_newer(written, &seen) {
            return written.clone();
        }
        // The cache shows whose it is now, and nobody chooses it any more.
        pages.release(claim);
        pages.entry(claim).sandbox = None;
        seen
    }

    /// Notes how a write left the claim's sandbox.
    pub(super) fn wrote_sandbox(&self, claim: &str, sandbox: &Sandbox) {
        self.pages().entry(claim).sandbox = Some(sandbox.clone());
    }

    /// Chooses a sandbox that no other claim has chosen, and keeps it for this
    /// one until it is released.
    pub(super) fn reserve(&self, claim: &str, candidates: &[Candidate]) -> Option<Candidate> {
        let mut pages = self.pages();
        pages.release(claim);
        let free: Vec<_> = candidates
            .iter()
            .filter(|candidate| !pages.reserved.contains_key(&candidate.uid))
            .collect();
        let chosen = choose(&free)?.clone();
        pages.reserved.insert(chosen.uid.clone(), claim.to_owned());
        pages.entry(claim).reserved = Some(chosen.uid.clone());
        Some(chosen)
    }

    /// Gives back what the claim has reserved.
    pub(super) fn release(&self, claim: &str) {
        self.pages().release(claim);
    }

    /// Forgets a claim that is gone.
    pub(super) fn forget(&self, claim: &str) {
        let mut pages = self.pages();
        pages.release(claim);
        pages.give_up(claim);
        pages.claims.remove(claim);
    }

    /// Notes that a claim, by its UID and its name, waits for a sandbox of the
    /// pool to have an address, and of no other.
    pub(super) fn hope(&self, claim: &str, name: &str, namespace: &str, pool: &str) {
        let pool = (namespace.to_owned(), pool.to_owned());
        let mut pages = self.pages();
        pages.give_up(claim);
        let hopeful = pages.hopeful.entry(pool.clone()).or_default();
        hopeful.insert(name.to_owned());
        let name = name.to_owned();
        pages.entry(claim).hopes = Some(Hope { pool, name });
    }

    /// Forgets a pool that is gone: nobody waits for a sandbox of it.
    pub fn forget_pool(&self, namespace: &str, pool: &str) {
        self.hopeful(namespace, pool);
    }

    /// The claims that wait for a sandbox of the pool; they are told once.
    pub(super) fn hopeful(&self, namespace: &str, pool: &str) -> BTreeSet<String> {
        let key = (namespace.to_owned(), pool.to_owned());
        self.pages().hopeful.remove(&key).unwrap_or_default()
    }

    /// The domains of labels that claims may bring, read once: the process is
    /// restarted to change them.
    pub(super) fn domains(&self, path: &Path) -> Arc<Domains> {
        let read = || match Domains::read(path) {
            Ok(domains) => Arc::new(domains),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "the list of label domains cannot be read; the default holds");
                Arc::default()
            }
        };
        self.domains.get_or_init(read).clone()
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pages {
    /// Notes that a claim waits for no sandbox of a pool any more.
    fn give_up(&mut self, claim: &str) {
        let entry = self.claims.get_mut(claim);
        let Some(Hope { pool, name }) = entry.and_then(|entry| entry.hopes.take()) else {
            return;
        };
        if let Some(names) = self.hopeful.get_mut(&pool) {
            names.remove(&name);
            if names.is_empty() {
                self.hopeful.remove(&pool);
            }
        }
    }

    fn entry(&mut self, claim: &str) -> &mut Entry {
        self.claims.entry(claim.to_owned()).or_default()
    }

    fn release(&mut self, claim: &str) {
        let Some(sandbox) = self
            .claims
            .get_mut(claim)
            .and_then(|entry| entry.reserved.take())
        else {
            return;
        };
        self.reserved.remove(&sandbox);
    }
}

/// Whether the API server made `one` after `other`. Its versions count up.
fn is_newer(one: &impl ResourceExt, other: &impl ResourceExt) -> bool {
    let version = |object: Option<String>| object.and_then(|text| text.parse::<u64>().ok());
    version(one.resource_version()) > version(other.resource_version())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::fixtures::{at, claim, pool, warm};

    fn candidates(names: &[&str]) -> Vec<Candidate> {
        let swp = pool("p", "t");
        names
            .iter()
            .map(|name| Candidate::of(&warm(name, &swp)))
            .collect()
    }

    #[test]
    fn claims_in_parallel_choose_each_its_own() {
        let ledger = Ledger::default();
        let names: Vec<_> = (0..25).map(|n| format!("s{n}")).collect();
        let all = candidates(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let chosen: BTreeSet<_> = std::thread::scope(|scope| {
            let tasks: Vec<_> = (0..20)
                .map(|n| {
                    let (ledger, all) = (&ledger, &all);
                    scope.spawn(move || ledger.reserve(&format!("c{n}"), all).unwrap().name)
                })
                .collect();
            tasks.into_iter().map(|task| task.join().unwrap()).collect()
        });
        assert_eq!(chosen.len(), 20);
    }

    #[test]
    fn what_is_released_or_forgotten_can_be_chosen_again() {
        let ledger = Ledger::default();
        let all = candidates(&["s"]);
        assert!(ledger.reserve("a", &all).is_some());
        assert!(ledger.reserve("b", &all).is_none());
        assert!(
            ledger.reserve("a", &all).is_some(),
            "its own choice is no obstacle"
        );
        ledger.release("a");
        assert!(ledger.reserve("b", &all).is_some());
        ledger.forget("b");
        assert!(ledger.reserve("a", &all).is_some());
    }

    #[test]
    fn a_claim_is_read_as_it_was_written_until_the_cache_has_it() {
        let ledger = Ledger::default();
        let (mut old, mut new) = (claim("c"), claim("c"));
        old.metadata.resource_version = Some("9".to_owned());
        new.metadata.resource_version = Some("10".to_owned());
        ledger.wrote_claim(&new);
        assert_eq!(ledger.newest_claim(&old), new);
        let mut newer = new.clone();
        newer.metadata.resource_version = Some("11".to_owned());
        assert_eq!(ledger.newest_claim(&newer), newer);
        assert_eq!(
            ledger.newest_claim(&old),
            old,
            "the note is gone once it is of no use"
        );
    }

    #[test]
    fn a_sandbox_stays_reserved_until_the_cache_shows_whose_it_is() {
        let ledger = Ledger::default();
        let swp = pool("p", "t");
        let before = warm("s", &swp);
        let mut after = before.clone();
        after.metadata.resource_version = Some("100".to_owned());
        ledger.reserve("a", &[Candidate::of(&before)]).unwrap();
        ledger.wrote_sandbox("a", &after);
        assert_eq!(ledger.newest_sandbox("a", before.clone()), after);
        let candidates = [Candidate::of(&before)];
        assert!(ledger.reserve("b", &candidates).is_none());
        assert_eq!(ledger.newest_sandbox("a", after.clone()), after);
        assert_eq!(ledger.newest_sandbox("a", before.clone()), before);
        assert!(ledger.reserve("b", &candidates).is_some());
    }

    #[test]
    fn the_first_sight_of_a_claim_stays() {
        let ledger = Ledger::default();
        assert_eq!(ledger.seen("c", at(1)), at(1));
        assert_eq!(ledger.seen("c", at(2)), at(1));
        ledger.forget("c");
        assert_eq!(ledger.seen("c", at(3)), at(3));
    }

    #[test]
    fn who_waits_for_an_address_is_told_once() {
        let ledger = Ledger::default();
        ledger.hope("uid-of-c", "c", "ns", "p");
        assert_eq!(ledger.hopeful("ns", "p"), BTreeSet::from(["c".to_owned()]));
        assert!(ledger.hopeful("ns", "p").is_empty());
    }

    #[test]
    fn a_claim_that_is_gone_or_turns_to_another_pool_waits_for_the_first_no_more() {
        let ledger = Ledger::default();
        ledger.hope("uid-of-c", "c", "ns", "p");
        ledger.hope("uid-of-d", "d", "ns", "p");
        ledger.forget("uid-of-d");
        ledger.hope("uid-of-c", "c", "ns", "q");
        assert!(ledger.hopeful("ns", "p").is_empty());
        ledger.forget("uid-of-c");
        assert!(ledger.pages().hopeful.is_empty());
    }

    #[test]
    fn nobody_waits_for_a_pool_that_is_gone() {
        let ledger = Ledger::default();
        ledger.hope("uid-of-c", "c", "ns", "p");
        ledger.forget_pool("ns", "p");
        assert!(ledger.pages().hopeful.is_empty());
    }
}
