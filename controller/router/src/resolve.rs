//! Where a request goes: pure, over the directory as it is.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::directory::Directory;
use crate::sandbox::Entry;
use crate::target::Target;

/// A machine, by address or by name.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Host {
    /// By its address.
    Address(IpAddr),
    /// A session, at an address that it may share with others: it is told apart
    /// by its name, `NAME.NAMESPACE`, and has connections of its own. Its name
    /// has no dot, so that nobody can read another's from it.
    Session(IpAddr, Box<str>),
    /// By its name in the cluster's DNS.
    Name(Box<str>),
}

/// A port of a machine; as text, what `Host` says to it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Place {
    /// The machine.
    pub host: Host,
    /// The port.
    pub port: u16,
}

impl fmt::Display for Place {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Address(address) => SocketAddr::new(*address, self.port).fmt(to),
            Host::Session(_, name) | Host::Name(name) => write!(to, "{name}:{}", self.port),
        }
    }
}

/// Where a request goes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Route {
    /// There.
    To(Place),
    /// To a sandbox that stands still, or that wakes and is not ready yet.
    Asleep(Arc<Entry>),
    /// Nowhere: there is no such sandbox, or it has no address.
    Nowhere,
}

/// Finds the way. `attempt` counts from 0: each tries the next address of a
/// sandbox with several. Without a directory, there is only DNS.
pub fn resolve(
    directory: Option<&Directory>,
    target: &Target,
    cluster_domain: &str,
    attempt: usize,
) -> Route {
    let Some(directory) = directory else {
        let Target { id, namespace, .. } = target;
        let name = format!("{id}.{namespace}.svc.{cluster_domain}");
        return to(Host::Name(name.into()), target);
    };
    // What a client says is believed where a sandbox says it too. Else whoever
    // reaches the router would reach every pod through it. An address that
    // sessions may share names none of them.
    if let Some(address) = target.address
        && let Some(there) = directory.ready_at(&target.namespace, address)
        && !there.session
    {
        return to(Host::Address(address), target);
    }
    let Some(entry) = find(directory, target) else {
        return Route::Nowhere;
    };
    if entry.suspended || entry.wakes && !entry.ready && !entry.ended {
        return Route::Asleep(entry);
    }
    match host(&entry, attempt) {
        Some(host) => to(host, target),
        None => Route::Nowhere,
    }
}

/// By UID, if the sandbox of that UID is in the named namespace, else by name.
fn find(directory: &Directory, target: &Target) -> Option<Arc<Entry>> {
    let by_uid = target
        .uid
        .as_deref()
        .and_then(|uid| directory.with_uid(uid));
    by_uid
        .filter(|entry| *entry.namespace == *target.namespace)
        .or_else(|| directory.named(&target.namespace, &target.id))
}

/// The addresses of one that is not ready may be another's by now: of such a
/// one, only DNS knows whether anything answers.
fn host(entry: &Entry, attempt: usize) -> Option<Host> {
    let addresses = if entry.ready || entry.ended {
        &entry.addresses[..]
    } else {
        &[]
    };
    let address = addresses
        .iter()
        .cycle()
        .nth(attempt % addresses.len().max(1));
    let service = || entry.service.clone().map(Host::Name);
    // Where it shares its address, no way leads to a session whose name has
    // dots: `a.b.svc` of `n` would be taken for `a` of `b`.
    let named = entry.session && !entry.name.contains('.');
    let at = |address: IpAddr| {
        if named {
            let name = format!("{}.{}", entry.name, entry.namespace);
            Host::Session(address, name.into())
        } else {
            Host::Address(address)
        }
    };
    address.copied().map(at).or_else(service)
}

fn to(host: Host, target: &Target) -> Route {
    let port = target.port;
    Route::To(Place { host, port })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::tests::entry;

    fn target(id: &str) -> Target {
        Target {
            id: id.to_owned(),
            namespace: "n".to_owned(),
            port: 8888,
            uid: None,
            address: None,
            patience: None,
        }
    }

    fn directory(entries: impl IntoIterator<Item = Entry>) -> Directory {
        let directory = Directory::default();
        directory.replace(entries.into_iter().collect());
        directory
    }

    fn route(directory: &Directory, target: &Target) -> String {
        match resolve(Some(directory), target, "cluster.local", 0) {
            Route::To(place) => place.to_string(),
            Route::Asleep(entry) => format!("asleep {}", entry.name),
            Route::Nowhere => "nowhere".to_owned(),
        }
    }

    #[test]
    fn a_sandbox_is_reached_at_its_address() {
        let directory = directory([entry("n", "s", "u", "10.0.0.1")]);
        assert_eq!(route(&directory, &target("s")), "10.0.0.1:8888");
        assert_eq!(route(&directory, &target("t")), "nowhere");
        let six = super::tests::directory([entry("n", "s", "u", "fd00::1")]);
        assert_eq!(route(&six, &target("s")), "[fd00::1]:8888");
    }

    #[test]
    fn an_address_is_believed_where_a_sandbox_of_the_namespace_has_it() {
        let (own, other) = (
            entry("n", "s", "u", "10.0.0.1"),
            entry("n", "t", "v", "10.0.0.2"),
        );
        let foreign = entry("m", "f", "w", "10.0.0.3");
        let directory = directory([own, other, foreign]);
        for (address, wanted) in [
            ("10.0.0.2", "10.0.0.2:8888"),
            ("10.0.0.3", "10.0.0.1:8888"),
            ("10.0.0.4", "10.0.0.1:8888"),
        ] {
            let mut target = target("s");
            target.address = Some(address.parse().unwrap());
            assert_eq!(route(&directory, &target), wanted, "{address}");
        }
    }

    #[test]
    fn a_uid_is_looked_up_in_its_namespace_only() {
        let directory = directory([
            entry("n", "s", "u", "10.0.0.1"),
            entry("n", "t", "v", "10.0.0.2"),
            entry("m", "f", "w", "10.0.0.3"),
        ]);
        for (uid, wanted) in [
            ("v", "10.0.0.2:8888"),
            ("w", "10.0.0.1:8888"),
            ("x", "10.0.0.1:8888"),
        ] {
            let mut target = target("s");
            target.uid = Some(uid.to_owned());
            assert_eq!(route(&directory, &target), wanted, "{uid}");
        }
    }

    #[test]
    fn a_suspended_sandbox_is_asleep() {
        let mut suspended = entry("n", "s", "u", "10.0.0.1");
        suspended.suspended = true;
        assert_eq!(route(&directory([suspended]), &target("s")), "asleep s");
    }

    #[test]
    fn one_that_wakes_is_asleep_until_it_is_ready() {
        let mut waking = entry("n", "s", "u", "10.0.0.1");
        (waking.wakes, waking.ready) = (true, false);
        assert_eq!(
            route(&directory([waking.clone()]), &target("s")),
            "asleep s"
        );
        waking.ready = true;
        assert_eq!(route(&directory([waking]), &target("s")), "10.0.0.1:8888");
    }

    #[test]
    fn the_address_of_one_that_is_not_ready_is_not_dialled() {
        let mut unready = entry("n", "s", "u", "10.0.0.1");
        unready.ready = false;
        assert_eq!(
            route(&directory([unready.clone()]), &target("s")),
            "nowhere"
        );
        unready.service = Some("s.n.svc.cluster.local".into());
        let directory = directory([unready]);
        assert_eq!(
            route(&directory, &target("s")),
            "s.n.svc.cluster.local:8888"
        );
    }

    #[test]
    fn a_session_at_its_end_is_asked_and_not_woken() {
        let mut over = entry("n", "s", "u", "10.0.0.1");
        (over.ready, over.ended, over.wakes) = (false, true, true);
        assert_eq!(route(&directory([over]), &target("s")), "10.0.0.1:8888");
    }

    /// A session at this address.
    fn session(name: &str, address: &str) -> Entry {
        let mut entry = entry("n", name, name, address);
        entry.session = true;
        entry
    }

    #[test]
    fn sessions_at_one_address_are_told_apart_by_their_names() {
        let directory = directory([session("s", "10.0.0.1"), session("t", "10.0.0.1")]);
        for (id, told) in [("s", "s.n:8888"), ("t", "t.n:8888")] {
            let mut target = target(id);
            assert_eq!(route(&directory, &target), told);
            target.address = Some("10.0.0.1".parse().unwrap());
            assert_eq!(route(&directory, &target), told, "its address is both's");
            let Route::To(place) = resolve(Some(&directory), &target, "x", 0) else {
                panic!("it is ready");
            };
            let address = "10.0.0.1".parse().unwrap();
            let told = told.trim_end_matches(":8888");
            assert_eq!(place.host, Host::Session(address, told.into()));
        }
    }

    #[test]
    fn a_session_whose_name_has_dots_is_called_by_its_address_alone() {
        for name in ["work.v2", "victim.other.svc", "victim.other"] {
            let directory = directory([session(name, "10.0.0.1")]);
            assert_eq!(route(&directory, &target(name)), "10.0.0.1:8888", "{name}");
        }
    }

    #[test]
    fn each_attempt_tries_the_next_address() {
        let mut both = entry("n", "s", "u", "10.0.0.1");
        both.addresses = ["10.0.0.1".parse().unwrap(), "fd00::1".parse().unwrap()].into();
        let directory = directory([both]);
        let tried: Vec<_> = (0..3)
            .map(
                |attempt| match resolve(Some(&directory), &target("s"), "x", attempt) {
                    Route::To(place) => place.to_string(),
                    other => format!("{other:?}"),
                },
            )
            .collect();
        assert_eq!(tried, ["10.0.0.1:8888", "[fd00::1]:8888", "10.0.0.1:8888"]);
    }

    #[test]
    fn without_a_directory_there_is_dns() {
        let mut target = target("s");
        target.address = Some("10.0.0.1".parse().unwrap());
        let place = Place {
            host: Host::Name("s.n.svc.example".into()),
            port: 8888,
        };
        assert_eq!(resolve(None, &target, "example", 0), Route::To(place));
    }
}
