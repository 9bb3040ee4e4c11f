//! Which images are here, which are on their way, and which failed: what is
//! to be done when one is asked for. Nothing here waits or fails.
//!
//! ```text
//! ask ─► Here ── the image
//!    ├─► Pull ── whoever asked sees to it, and tells how it ended
//!    ├─► Pending
//!    └─► Failed ── for a while; then it is pulled again
//! ```

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use mote_api::{ByteSize, Digest};

use super::credentials::Fingerprint;
use super::failure::Failure;
use super::reference::Reference;

/// Images that are kept: each takes a folder, and its program a place in the
/// folder of compiled code.
pub(super) const MAX_IMAGES: usize = 256;
/// Names by which images were asked for: a few tags for each.
const MAX_NAMES: usize = 1024;
/// Images that are on their way or wait for it, of all tenants.
const MAX_FLIGHTS: usize = 256;
/// Of these, those that one tenant asked for first: more than anybody's objects
/// name at once, and sixteen tenants have to agree to keep out another.
const MAX_FLIGHTS_OF_A_TENANT: usize = 16;
/// Failures that are remembered. Past it the oldest is forgotten, and its
/// image pulled again as if for the first time.
const MAX_FAILURES: usize = 1024;
/// How long an image that failed is not pulled again: at first, and at most,
/// as the kubelet has it. Each failure doubles it.
const FIRST_WAIT: Duration = Duration::from_secs(10);
const LONGEST_WAIT: Duration = Duration::from_secs(5 * 60);
/// How long a tag that moves is taken to be where it was seen: long enough to
/// make the sandboxes that waited for it.
const MOVING_TAG_HOLDS: Duration = Duration::from_secs(60);

/// An image on this node. Who holds it keeps it here.
#[derive(Debug)]
pub(crate) struct Image {
    /// That of its manifest.
    pub(crate) digest: Digest,
    /// That of its program.
    pub(crate) program: Digest,
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    /// Whether its program is compiled.
    pub(crate) compiled: AtomicBool,
}

/// Who may have what an image's name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Access {
    Anybody,
    /// Whoever shows this.
    Login(Fingerprint),
}

/// What is asked for, and by whom.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) access: Access,
}

/// What is to be done for who asks.
#[derive(Debug)]
pub(crate) enum Answer {
    /// It is here.
    Here(Arc<Image>),
    /// Whoever asked is to pull it.
    Pull,
    /// It is on its way.
    Pending,
    /// It cannot be had, for now.
    Failed(Failure),
}

struct Name {
    digest: Digest,
    seen: Instant,
    moving: bool,
}

struct Failed {
    failure: Failure,
    at: Instant,
    wait: Duration,
}

struct Kept {
    image: Arc<Image>,
    used: Instant,
}

impl Kept {
    /// Whether nobody else holds it.
    fn is_idle(&self) -> bool {
        Arc::strong_count(&self.image) == 1
    }
}

/// The images of a node.
pub(super) struct Shelf {
    kept: HashMap<Digest, Kept>,
    names: HashMap<Key, Name>,
    /// By who asked for them first.
    flights: HashMap<Key, String>,
    failures: HashMap<Key, Failed>,
    /// Bytes of programs that may be kept, and those promised to pulls.
    capacity: u64,
    promised: u64,
    /// Pulls that have ended.
    ended: u64,
}

impl Shelf {
    pub(super) fn new(capacity: u64) -> Self {
        Self {
            kept: HashMap::new(),
            names: HashMap::new(),
            flights: HashMap::new(),
            failures: HashMap::new(),
            capacity,
            promised: 0,
            ended: 0,
        }
    }

    /// What is to be done for this tenant, who asks for this.
    pub(super) fn ask(&mut self, key: &Key, tenant: &str, now: Instant) -> Answer {
        if let Some(image) = self.find(key, now) {
            return Answer::Here(image);
        }
        if self.flights.contains_key(key) {
            return Answer::Pending;
        }
        if let Some(failed) = self.failures.get(key)
            && now.duration_since(failed.at) < failed.wait
        {
            return Answer::Failed(failed.failure.clone());
        }
        if self.flights.len() >= MAX_FLIGHTS {
            return Answer::Failed(Failure::NoRoom(format!(
                "{MAX_FLIGHTS} images are being pulled on this node, which is the most; ask again later"
            )));
        }
        let own = self.flights.values().filter(|it| *it == tenant).count();
        if own >= MAX_FLIGHTS_OF_A_TENANT {
            return Answer::Failed(Failure::NoRoom(format!(
                "{MAX_FLIGHTS_OF_A_TENANT} images are being pulled on this node for namespace {tenant}, which is the most for one; ask again later"
            )));
        }
        self.flights.insert(key.clone(), tenant.to_owned());
        Answer::Pull
    }

    fn find(&mut self, key: &Key, now: Instant) -> Option<Arc<Image>> {
        let anybody = Key {
            access: Access::Anybody,
            ..key.clone()
        };
        let name = [key, &anybody].into_iter().find_map(|key| {
            let name = self.names.get(key)?;
            let holds = !name.moving || now.duration_since(name.seen) < MOVING_TAG_HOLDS;
            holds.then_some(name)
        })?;
        let kept = self.kept.get_mut(&name.digest)?;
        kept.used = now;
        Some(Arc::clone(&kept.image))
    }

    /// The image of this digest, whatever it is called.
    pub(super) fn get(&mut self, digest: &Digest, now: Instant) -> Option<Arc<Image>> {
        let kept = self.kept.get_mut(digest)?;
        kept.used = now;
        Some(Arc::clone(&kept.image))
    }

    /// Puts an image here; gives the one that is here then.
    pub(super) fn put(&mut self, image: Image, now: Instant) -> Arc<Image> {
        let digest = image.digest;
        let kept = self.kept.entry(digest).or_insert_with(|| Kept {
            image: Arc::new(image),
            used: now,
        });
        kept.used = now;
        Arc::clone(&kept.image)
    }

    /// The pull for `key` has ended well: for whoever has `access`, its name
    /// stands for this image.
    pub(super) fn arrived(
        &mut self,
        key: &Key,
        access: Access,
        moving: bool,
        digest: Digest,
        now: Instant,
    ) {
        self.end(key);
        self.failures.remove(key);
        let key = Key {
            access,
            ..key.clone()
        };
        self.name(key, moving, digest, now);
    }

    /// A name stands for this image.
    pub(super) fn name(&mut self, key: Key, moving: bool, digest: Digest, now: Instant) {
        let name = Name {
            digest,
            seen: now,
            moving,
        };
        self.names.insert(key, name);
        drop_oldest(&mut self.names, MAX_NAMES, |name| name.seen);
    }

    /// The pull for `key` has failed.
    pub(super) fn failed(&mut self, key: &Key, failure: Failure, now: Instant) {
        self.end(key);
        let before = self.failures.get(key);
        // Who did not ask for long begins anew.
        let recent = before.filter(|failed| now.duration_since(failed.at) < 2 * LONGEST_WAIT);
        let wait = recent.map_or(FIRST_WAIT, |failed| (2 * failed.wait).min(LONGEST_WAIT));
        let failed = Failed {
            failure,
            at: now,
            wait,
        };
        self.failures.insert(key.clone(), failed);
        drop_oldest(&mut self.failures, MAX_FAILURES, |failed| failed.at);
    }

    fn end(&mut self, key: &Key) {
        self.flights.remove(key);
        self.ended += 1;
    }

    /// Pulls that have ended, well or not.
    pub(super) fn ended(&self) -> u64 {
        self.ended
    }

    /// Promises room for a program; gives the images that have to go for it,
    /// which are no longer here then.
    ///
    /// # Errors
    /// What is in use leaves no room.
    pub(super) fn promise(&mut self, bytes: u64) -> Result<Vec<Arc<Image>>, Failure> {
        let held: u64 = self.kept.values().map(|kept| kept.image.bytes).sum();
        let idle = |kept: &&Kept| kept.is_idle();
        let mut idle: Vec<_> = self.kept.values().filter(idle).collect();
        idle.sort_by_key(|kept| kept.used);
        let mut over = (held + self.promised + bytes).saturating_sub(self.capacity);
        let mut too_many = (self.kept.len() + 1).saturating_sub(MAX_IMAGES);
        let mut leaving = Vec::new();
        for kept in idle {
            if over == 0 && too_many == 0 {
                break;
            }
            over = over.saturating_sub(kept.image.bytes);
            too_many = too_many.saturating_sub(1);
            leaving.push(kept.image.digest);
        }
        if over > 0 || too_many > 0 {
            return Err(Failure::NoRoom(format!(
                "its program takes {} and the images in use here leave no room for it, of {} and {MAX_IMAGES} images; delete sandboxes that use others, or start the node with more --image-disk",
                ByteSize::bytes(bytes),
                ByteSize::bytes(self.capacity)
            )));
        }
        self.promised += bytes;
        let gone = leaving.iter().filter_map(|digest| self.kept.remove(digest));
        let gone: Vec<_> = gone.map(|kept| kept.image).collect();
        self.names
            .retain(|_, name| self.kept.contains_key(&name.digest));
        Ok(gone)
    }

    /// Takes a promise back: the program is here, or does not come.
    pub(super) fn redeem(&mut self, bytes: u64) {
        self.promised -= bytes;
    }

    /// Whether an image here has this program.
    pub(super) fn has_program(&self, program: &Digest) -> bool {
        let mut kept = self.kept.values();
        kept.any(|kept| kept.image.program == *program)
    }

    /// The names of an image by which anybody may have it, and that do not
    /// move.
    pub(super) fn names_of(&self, digest: &Digest) -> Vec<String> {
        let names = self.names.iter().filter(|(key, name)| {
            name.digest == *digest && !name.moving && key.access == Access::Anybody
        });
        names.map(|(key, _)| key.name.clone()).collect()
    }

    /// All images.
    pub(super) fn all(&self) -> Vec<Arc<Image>> {
        let kept = self.kept.values();
        kept.map(|kept| Arc::clone(&kept.image)).collect()
    }

    /// The names of those that are compiled, in their order.
    pub(super) fn compiled(&self) -> BTreeSet<String> {
        let is_compiled = |digest: &Digest| {
            let kept = self.kept.get(digest);
            kept.is_some_and(|kept| kept.image.compiled.load(Relaxed))
        };
        let names = self.names.iter();
        let compiled = names.filter(|(_, name)| is_compiled(&name.digest));
        compiled.map(|(key, _)| key.name.clone()).collect()
    }
}

impl Key {
    /// What is asked for by its name, and with this.
    pub(super) fn new(reference: &Reference, access: Access) -> Self {
        Self {
            name: reference.text().to_owned(),
            access,
        }
    }
}

fn drop_oldest<T>(map: &mut HashMap<Key, T>, most: usize, at: impl Fn(&T) -> Instant) {
    if map.len() <= most {
        return;
    }
    let oldest = map.iter().min_by_key(|(_, value)| at(value));
    if let Some(key) = oldest.map(|(key, _)| key.clone()) {
        map.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;
    const TENANT: &str = "default";

    fn image(n: u8) -> Image {
        Image {
            digest: Digest::from_bytes([n; 32]),
            program: Digest::from_bytes([n + 100; 32]),
            path: PathBuf::new(),
            bytes: MIB,
            compiled: AtomicBool::new(true),
        }
    }

    fn key(name: &str, access: Access) -> Key {
        Key {
            name: name.to_owned(),
            access,
        }
    }

    fn public(name: &str) -> Key {
        key(name, Access::Anybody)
    }

    fn unknown(text: &str) -> Failure {
        Failure::Unknown(text.to_owned())
    }

    fn pull(shelf: &mut Shelf, key: &Key, access: Access, n: u8, now: Instant) {
        assert!(matches!(shelf.ask(key, TENANT, now), Answer::Pull));
        shelf.put(image(n), now);
        shelf.arrived(key, access, false, Digest::from_bytes([n; 32]), now);
    }

    #[test]
    fn what_is_asked_for_by_many_is_pulled_once() {
        let (mut shelf, now) = (Shelf::new(10 * MIB), Instant::now());
        assert!(matches!(shelf.ask(&public("a"), TENANT, now), Answer::Pull));
        for _ in 0..50 {
            assert!(matches!(
                shelf.ask(&public("a"), TENANT, now),
                Answer::Pending
            ));
        }
        let digest = shelf.put(image(1), now).digest;
        shelf.arrived(&public("a"), Access::Anybody, false, digest, now);
        let Answer::Here(found) = shelf.ask(&public("a"), TENANT, now) else {
            panic!("it has arrived");
        };
        assert_eq!((found.digest, shelf.ended()), (digest, 1));
        assert_eq!(Vec::from_iter(shelf.compiled()), ["a"]);
    }

    #[test]
    fn what_was_had_with_a_login_is_for_that_login_alone() {
        let (mut shelf, now) = (Shelf::new(10 * MIB), Instant::now());
        let (mine, yours) = (Access::Login([1; 32]), Access::Login([2; 32]));
        pull(&mut shelf, &key("a", mine), mine, 1, now);
        assert!(matches!(
            shelf.ask(&key("a", mine), TENANT, now),
            Answer::Here(_)
        ));
        assert!(matches!(
            shelf.ask(&key("a", yours), TENANT, now),
            Answer::Pull
        ));
        assert!(matches!(shelf.ask(&public("a"), TENANT, now), Answer::Pull));
        assert!(shelf.names_of(&Digest::from_bytes([1; 32])).is_empty());
        // The registry gave this one to anybody, whatever was shown.
        pull(&mut shelf, &key("b", mine), Access::Anybody, 2, now);
        for access in [mine, yours, Access::Anybody] {
            assert!(matches!(
                shelf.ask(&key("b", access), TENANT, now),
                Answer::Here(_)
            ));
        }
        assert_eq!(shelf.names_of(&Digest::from_bytes([2; 32])), ["b"]);
    }

    #[test]
    fn a_failure_is_told_for_a_while_that_doubles_up_to_five_minutes() {
        let (mut shelf, mut now) = (Shelf::new(10 * MIB), Instant::now());
        for seconds in [10, 20, 40, 80, 160, 300, 300] {
            assert!(matches!(shelf.ask(&public("a"), TENANT, now), Answer::Pull));
            shelf.failed(&public("a"), unknown("none"), now);
            now += Duration::from_secs(seconds) - Duration::from_millis(1);
            assert!(
                matches!(shelf.ask(&public("a"), TENANT, now), Answer::Failed(failure) if failure == unknown("none"))
            );
            now += Duration::from_millis(1);
        }
        // Whoever comes with something else to show is not told to wait.
        let mine = key("a", Access::Login([1; 32]));
        assert!(matches!(shelf.ask(&mine, TENANT, now), Answer::Pull));
        now += 2 * LONGEST_WAIT;
        assert!(matches!(shelf.ask(&public("a"), TENANT, now), Answer::Pull));
        shelf.failed(&public("a"), unknown("none"), now);
        now += FIRST_WAIT;
        assert!(matches!(shelf.ask(&public("a"), TENANT, now), Answer::Pull));
        shelf.put(image(1), now);
        shelf.arrived(&public("a"), Access::Anybody, false, image(1).digest, now);
        assert!(shelf.failures.is_empty());
    }

    #[test]
    fn a_tag_that_moves_is_looked_up_again_and_others_are_not() {
        let (mut shelf, now) = (Shelf::new(10 * MIB), Instant::now());
        shelf.put(image(1), now);
        shelf.name(public("latest"), true, image(1).digest, now);
        shelf.name(public("v1"), false, image(1).digest, now);
        let later = now + MOVING_TAG_HOLDS;
        assert!(matches!(
            shelf.ask(&public("latest"), TENANT, now),
            Answer::Here(_)
        ));
        assert!(matches!(
            shelf.ask(&public("latest"), TENANT, later),
            Answer::Pull
        ));
        assert!(matches!(
            shelf.ask(&public("v1"), TENANT, later),
            Answer::Here(_)
        ));
        assert_eq!(shelf.names_of(&image(1).digest), ["v1"]);
    }

    #[test]
    fn what_is_not_used_makes_room_the_longest_unused_first() {
        let (mut shelf, now) = (Shelf::new(3 * MIB), Instant::now());
        let at = |seconds| now + Duration::from_secs(seconds);
        for n in 1..=3u8 {
            let name = public(&n.to_string());
            pull(&mut shelf, &name, Access::Anybody, n, at(n.into()));
        }
        let held = shelf.get(&image(1).digest, at(4)).unwrap();
        assert!(matches!(
            shelf.ask(&public("2"), TENANT, at(5)),
            Answer::Here(_)
        ));
        let gone = shelf.promise(MIB).unwrap();
        assert_eq!(
            gone.iter().map(|image| image.digest).collect::<Vec<_>>(),
            [image(3).digest]
        );
        assert!(!shelf.has_program(&image(3).program));
        assert!(matches!(
            shelf.ask(&public("3"), TENANT, at(6)),
            Answer::Pull
        ));
        // One is held, one promised: there is room for one more, not for two.
        let error = shelf.promise(2 * MIB).unwrap_err();
        assert!(matches!(error, Failure::NoRoom(text) if text.contains("--image-disk")));
        assert_eq!(shelf.all().len(), 2, "who is refused evicts nobody");
        drop(held);
        assert_eq!(shelf.promise(2 * MIB).unwrap().len(), 2);
        shelf.redeem(3 * MIB);
        assert_eq!((shelf.promised, shelf.names.len()), (0, 0));
    }

    #[test]
    fn there_are_as_many_as_there_may_be_and_no_more() {
        let (mut shelf, now) = (Shelf::new(u64::MAX), Instant::now());
        for n in 0..MAX_IMAGES {
            shelf.promise(0).unwrap();
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&n.to_le_bytes());
            shelf.put(
                Image {
                    digest: Digest::from_bytes(bytes),
                    ..image(0)
                },
                now,
            );
        }
        let held = shelf.all();
        assert_eq!(held.len(), MAX_IMAGES);
        let error = shelf.promise(0).unwrap_err();
        assert!(matches!(error, Failure::NoRoom(_)), "all are in use");
        drop(held);
        assert_eq!(shelf.promise(0).unwrap().len(), 1);
    }

    #[test]
    fn what_is_remembered_has_a_bound() {
        let (mut shelf, now) = (Shelf::new(MIB), Instant::now());
        let at = |n: usize| now + Duration::from_millis(n as u64);
        for n in 0..MAX_FAILURES + 9 {
            shelf.failed(&public(&n.to_string()), unknown("none"), at(n));
            shelf.name(public(&n.to_string()), false, image(1).digest, at(n));
        }
        assert_eq!(
            (shelf.failures.len(), shelf.names.len()),
            (MAX_FAILURES, MAX_NAMES)
        );
        for n in 0..MAX_FLIGHTS {
            let tenant = (n / MAX_FLIGHTS_OF_A_TENANT).to_string();
            let flight = shelf.ask(&public(&format!("f{n}")), &tenant, now);
            assert!(matches!(flight, Answer::Pull));
        }
        let full = shelf.ask(&public("one more"), TENANT, now);
        assert!(matches!(full, Answer::Failed(Failure::NoRoom(_))));
    }

    #[test]
    fn one_tenants_pulls_leave_room_for_those_of_others() {
        let (mut shelf, now) = (Shelf::new(MIB), Instant::now());
        for n in 0..MAX_FLIGHTS_OF_A_TENANT {
            let flight = shelf.ask(&public(&n.to_string()), "greedy", now);
            assert!(matches!(flight, Answer::Pull));
        }
        let more = shelf.ask(&public("more"), "greedy", now);
        assert!(
            matches!(more, Answer::Failed(Failure::NoRoom(text)) if text.contains("namespace greedy"))
        );
        let others = [
            shelf.ask(&public("more"), "other", now),
            shelf.ask(&public("more"), "greedy", now),
        ];
        assert!(matches!(others, [Answer::Pull, Answer::Pending]));
        shelf.failed(&public("0"), unknown("none"), now);
        let again = shelf.ask(&public("again"), "greedy", now);
        assert!(matches!(again, Answer::Pull), "one has ended");
    }
}
