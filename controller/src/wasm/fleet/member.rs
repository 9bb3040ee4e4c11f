//! One node of the fleet, and how it is weighed.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use ipnet::IpNet;
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use mote_rpc::v1::{NodeInfo, Phase, Session};
use tokio_util::sync::CancellationToken;

use super::bounds::{self, MAX_SESSIONS};
use super::census::Labels;
use super::fate::Standing;
use super::{Host, Key, key_of};
use crate::wasm::address::{self, Site};
use crate::wasm::link::Link;
use crate::wasm::place::NodeView;
use crate::wasm::version::Kinship;

/// A node that has, or had, a node host.
#[derive(Default)]
pub(super) struct Member {
    /// As it is weighed: what Kubernetes says of the node, what its host says,
    /// and what was promised since.
    view: NodeView,
    /// Whether Kubernetes knows the node.
    known: bool,
    /// Since when it knows it.
    born: Option<Timestamp>,
    /// What it says of its addresses.
    site: Site,
    /// Where the host is.
    pub(super) host: Option<Host>,
    /// What ends the connection to it, where it is followed.
    pub(super) stop: Option<CancellationToken>,
    /// The way to it, while it is heard.
    link: Option<Link>,
    /// Since when it is not heard, once it was.
    silent: Option<Instant>,
    /// Since when its taints are what they are.
    tainted: Option<Instant>,
    /// Sessions whose people were told that they should not be here.
    warned: HashSet<String>,
    /// What it last said of itself.
    info: NodeInfo,
    /// Where the addresses of its sessions are, by what it said of itself on
    /// this connection: before, they have none.
    given: BTreeSet<IpNet>,
    /// Whether people were told, on this connection, that it names others.
    named_others: bool,
    /// How its version stands to ours, once it has told it.
    kinship: Option<Kinship>,
    /// Its sessions by UID, as they were last told.
    sessions: HashMap<String, Arc<Session>>,
    /// Memory of those that hold some, in bytes.
    held_bytes: u64,
    /// Sessions that were sent here and that it has not told of yet, by UID.
    /// What it says of itself comes up to a second late: many sandboxes may be
    /// placed before.
    promised: HashMap<String, Promise>,
    /// What a session that asks for no memory was last given, in bytes.
    usual_bytes: u64,
    /// What was told since the listing began that still runs.
    listing: Option<Listing>,
    /// Whether it is refused for telling more than is kept: until it has told
    /// of all its sessions, and those are few enough.
    overran: bool,
}

/// What is kept for a session that was sent to a node.
struct Promise {
    /// Memory that it asks for, in bytes.
    bytes: u64,
    /// Its namespace.
    tenant: String,
}

/// UIDs of sessions that were told of since a listing began.
#[derive(Default)]
struct Listing {
    told: HashSet<String>,
    /// Those of them that were not known before.
    new: Vec<String>,
}

impl Member {
    /// Takes over what Kubernetes says of the node; whether that is new.
    pub(super) fn look(&mut self, node: Option<&Node>) -> bool {
        let said = node.map(facts).unwrap_or_default();
        let before = (
            self.known,
            std::mem::replace(&mut self.view.name, said.name),
            std::mem::replace(&mut self.view.labels, said.labels),
            std::mem::replace(&mut self.view.taints, said.taints),
            std::mem::replace(&mut self.view.cordoned, said.cordoned),
        );
        self.known = node.is_some();
        let born = node.and_then(|node| node.metadata.creation_timestamp.as_ref());
        self.born = born.map(|Time(born)| *born);
        self.site = node.map(Site::of).unwrap_or_default();
        let view = &self.view;
        if before.3 != view.taints || self.tainted.is_none() {
            self.tainted = Some(Instant::now());
            self.warned.clear();
        }
        before.0 != self.known
            || before.1 != view.name
            || before.2 != view.labels
            || before.3 != view.taints
            || before.4 != view.cordoned
    }

    /// Whether Kubernetes knows the node, or a host is there.
    pub(super) fn is_there(&self) -> bool {
        self.known || self.host.is_some()
    }

    /// The way to the host, while it is heard.
    pub(super) fn link(&self) -> Option<&Link> {
        self.link.as_ref()
    }

    /// As it is weighed; `None` where Kubernetes knows no such node or no host
    /// runs there, or should.
    pub(super) fn weighed(&self) -> Option<&NodeView> {
        let should_run = self.host.is_some() || self.view.refused.is_some();
        (self.known && should_run).then_some(&self.view)
    }

    /// How it stands with the node now, for one who has led since `began`:
    /// before that nobody has listened.
    pub(super) fn standing<'a>(&'a self, name: &'a str, began: Option<Instant>) -> Standing<'a> {
        let since = |time: Option<Instant>| time.map(|time| time.elapsed()).unwrap_or_default();
        let silence = since(began.map(|began| self.silent.map_or(began, |it| it.max(began))));
        Standing {
            node: name,
            known: self.known,
            taints: &self.view.taints,
            tainted: since(self.tainted),
            silent: self.link.is_none().then_some(silence),
            refused: self.view.refused.as_deref(),
        }
    }

    /// Whether people are to be told of a session that should not be here: once
    /// for all that it is tainted with.
    pub(super) fn warn(&mut self, uid: &str) -> bool {
        self.warned.insert(uid.to_owned())
    }

    /// Whether room is kept for a session that it has not told of. Its
    /// namespace has sessions here then: it is ours that says so.
    pub(super) fn expects(&mut self, uid: &str) -> bool {
        let Some(promise) = self.promised.get(uid) else {
            return false;
        };
        if !self.view.tenants.contains(&promise.tenant) {
            self.view.tenants.insert(promise.tenant.clone());
        }
        true
    }

    /// Notes which namespaces have sessions here, as their sandboxes say.
    pub(super) fn lodge(&mut self, tenants: BTreeSet<String>) {
        self.view.tenants = tenants;
    }

    /// Keeps room for a session of this namespace.
    pub(super) fn reserve(&mut self, uid: &str, tenant: &str, asked_bytes: u64) {
        let promise = Promise {
            bytes: asked_bytes,
            tenant: tenant.to_owned(),
        };
        self.promised.insert(uid.to_owned(), promise);
        self.weigh();
    }

    /// Keeps no room for a session any more, beyond what it has; whether some
    /// was kept.
    pub(super) fn release(&mut self, uid: &str) -> bool {
        let was = self.promised.remove(uid).is_some();
        if was {
            self.weigh();
        }
        was
    }

    /// The host has told of itself. Sandboxes whose sessions cannot have any
    /// more what they had of addresses.
    pub(super) fn inform(&mut self, mut info: NodeInfo, kinship: Kinship) -> Vec<Key> {
        self.kinship = Some(kinship);
        if !self.overran {
            self.pardon();
        }
        self.view.images = bounds::images(std::mem::take(&mut info.images)).collect();
        // Whose sessions are here is not for it to say: it would draw others.
        info.tenants = Vec::new();
        let given = address::of_sandboxes(&info);
        self.info = info;
        if self.link.is_none() && self.listing.is_none() {
            self.listing = Some(Listing::default());
        }
        self.weigh();
        if self.given == given {
            return Vec::new();
        }
        self.given = given;
        self.readdress()
    }

    /// Takes from its sessions the addresses that they cannot have any more;
    /// the sandboxes of those that had some.
    fn readdress(&mut self) -> Vec<Key> {
        let mut keys = Vec::new();
        for session in self.sessions.values_mut() {
            let mut addresses = session.addresses.clone();
            if address::leave_own(&mut addresses, &self.given).is_some() {
                Arc::make_mut(session).addresses = addresses;
                keys.push(key_of(session));
            }
        }
        keys
    }

    /// Takes from what is said of a session the addresses that the node does
    /// not give; the first of them, if people are to be told: one a connection,
    /// for a host that was taken over may name as many as it likes.
    pub(super) fn vet(&mut self, session: &mut Session) -> Option<String> {
        let other = address::leave_own(&mut session.addresses, &self.given)?;
        // There may have been a million.
        session.addresses.shrink_to_fit();
        let known = std::mem::replace(&mut self.named_others, true);
        (!known).then_some(other)
    }

    /// Since when Kubernetes knows the node.
    pub(super) fn born(&self) -> Option<Timestamp> {
        self.born
    }

    /// What Kubernetes says of its addresses.
    pub(super) fn site(&self) -> &Site {
        &self.site
    }

    /// Whether its host is listened to and has told of these prefixes.
    pub(super) fn has(&self, info: &NodeInfo) -> bool {
        self.link.is_some() && self.view.refused.is_none() && self.info.prefixes == info.prefixes
    }

    /// What its host said of itself, if that is still there and was listened
    /// to: its sessions have the addresses.
    pub(super) fn gives(&self) -> Option<&NodeInfo> {
        (self.host.is_some() && self.view.refused.is_none()).then_some(&self.info)
    }

    /// We do not listen to the host: why. Whether that is new.
    pub(super) fn refuse(&mut self, why: &str, kinship: Option<Kinship>) -> bool {
        self.kinship = kinship;
        self.overran = false;
        let before = self.view.refused.replace(why.to_owned());
        before.as_deref() != Some(why)
    }

    /// It is refused until it has told of all its sessions.
    pub(super) fn overruns(&mut self) {
        self.overran = true;
    }

    /// How its version stands to ours, once it has told it.
    pub(super) fn kinship(&self) -> Option<Kinship> {
        self.kinship
    }

    /// What was wrong with the host is over; whether something was.
    pub(super) fn pardon(&mut self) -> bool {
        self.overran = false;
        self.view.refused.take().is_some()
    }

    /// How it stands with the host.
    pub(super) fn labels(&self) -> Labels {
        Labels {
            state: match (&self.link, &self.view.refused) {
                (_, Some(_)) => "refused",
                (Some(_), None) => "heard",
                (None, None) => "silent",
            },
            version: match self.kinship {
                Some(Kinship::Other) => "other",
                Some(Kinship::Same) => "same",
                None => "unknown",
            },
        }
    }

    /// The host has told of every session; those that it left out are gone.
    pub(super) fn hear(&mut self, link: Link) -> Vec<String> {
        self.link = Some(link);
        self.silent = None;
        self.view.heard = true;
        if self.overran {
            self.pardon();
        }
        let Listing { told, .. } = self.listing.take().unwrap_or_default();
        let left_out = self.sessions.keys().filter(|uid| !told.contains(*uid));
        left_out.cloned().collect()
    }

    /// The host is not heard any more; whether it was.
    pub(super) fn lose(&mut self) -> bool {
        self.listing = None;
        self.given.clear();
        self.named_others = false;
        self.view.heard = false;
        let was = self.link.take().is_some();
        if was {
            self.silent = Some(Instant::now());
        }
        was
    }

    /// Whether it may tell of a session of this UID: what it left out of a
    /// listing does not count, for that is gone then.
    pub(super) fn has_room(&self, uid: &str) -> bool {
        match &self.listing {
            Some(Listing { told, .. }) => told.contains(uid) || told.len() < MAX_SESSIONS,
            None => self.sessions.contains_key(uid) || self.sessions.len() < MAX_SESSIONS,
        }
    }

    /// The new sessions of a listing that has not come to its end, where they
    /// are too many together with what was known before: nobody says any more
    /// which of them are there.
    pub(super) fn surplus(&mut self) -> Vec<String> {
        let listing = self.listing.as_mut();
        let listing = listing.filter(|_| self.sessions.len() > MAX_SESSIONS);
        listing.map_or_else(Vec::new, |it| std::mem::take(&mut it.new))
    }

    /// A session is as it is now; whether that is new.
    pub(super) fn put(&mut self, session: Arc<Session>) -> bool {
        if let Some(listing) = &mut self.listing
            && listing.told.insert(session.uid.clone())
            && !self.sessions.contains_key(&session.uid)
        {
            listing.new.push(session.uid.clone());
        }
        let asks_nothing = |promise: &Promise| promise.bytes == 0;
        if self.promised.get(&session.uid).is_some_and(asks_nothing) && held(&session) > 0 {
            self.usual_bytes = held(&session);
        }
        let uid = session.uid.clone();
        let before = self.sessions.insert(uid.clone(), session.clone());
        let had = before.as_deref().map_or(0, held);
        self.held_bytes = self.held_bytes.saturating_sub(had) + held(&session);
        if !self.release(&uid) {
            self.weigh();
        }
        before.is_none_or(|before| before != session)
    }

    /// A session is no more.
    pub(super) fn take(&mut self, uid: &str) -> Option<Arc<Session>> {
        self.warned.remove(uid);
        let session = self.sessions.remove(uid)?;
        self.held_bytes = self.held_bytes.saturating_sub(held(&session));
        self.weigh();
        Some(session)
    }

    /// A session, as it was last told.
    pub(super) fn session(&self, uid: &str) -> Option<&Arc<Session>> {
        self.sessions.get(uid)
    }

    /// All of them.
    pub(super) fn sessions(&self) -> impl Iterator<Item = &Arc<Session>> {
        self.sessions.values()
    }

    /// Their sandboxes.
    pub(super) fn keys(&self) -> Vec<Key> {
        self.sessions().map(|session| key_of(session)).collect()
    }

    /// Counts what is given. The host counts too, and is behind where sessions
    /// have come: the larger count is the safe one.
    fn weigh(&mut self) {
        let asked = |promise: &Promise| match promise.bytes {
            0 => self.usual_bytes,
            bytes => bytes,
        };
        let promised: u64 = self.promised.values().map(asked).sum();
        let sessions = u32::try_from(self.sessions.len()).unwrap_or(u32::MAX);
        let coming = u32::try_from(self.promised.len()).unwrap_or(u32::MAX);
        let Self { view, info, .. } = self;
        view.memory_bytes = info.memory_bytes;
        view.reserved_bytes = info.reserved_bytes.max(self.held_bytes) + promised;
        let taken = info.sessions.max(sessions).saturating_add(coming);
        let most = u32::try_from(MAX_SESSIONS).unwrap_or(u32::MAX);
        view.places = info.max_sessions.min(most).saturating_sub(taken);
    }
}

/// Memory that a session holds, in bytes: one that rests or is at its end
/// holds none.
fn held(session: &Session) -> u64 {
    match session.phase() {
        Phase::Suspended | Phase::Succeeded | Phase::Failed => 0,
        Phase::Unspecified | Phase::Running | Phase::Barred => session
            .resources
            .as_ref()
            .map_or(0, |resources| resources.memory_bytes),
    }
}

fn facts(node: &Node) -> NodeView {
    let spec = node.spec.clone().unwrap_or_default();
    NodeView {
        name: node.metadata.name.clone().unwrap_or_default(),
        labels: node.metadata.labels.clone().unwrap_or_default(),
        taints: spec.taints.unwrap_or_default(),
        cordoned: spec.unschedulable.unwrap_or_default(),
        ..NodeView::default()
    }
}
