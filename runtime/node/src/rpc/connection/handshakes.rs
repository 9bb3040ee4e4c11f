//! Connections whose peers have not shown yet who they are. Anybody can open
//! them and say nothing, so that none of them is waited for: where there are
//! too many, one of those goes that are the most at one address.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// Those that are under way; clones are the same.
#[derive(Clone)]
pub(super) struct Handshakes(Arc<Inner>);

struct Inner {
    most: usize,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    last: u64,
    /// In the order in which they came.
    under_way: BTreeMap<u64, (IpAddr, CancellationToken)>,
}

/// One of them, until dropped.
pub(super) struct Handshake {
    all: Handshakes,
    number: u64,
    given_up: CancellationToken,
}

impl Handshakes {
    pub(super) fn at_most(most: usize) -> Self {
        Self(Arc::new(Inner {
            most,
            table: Mutex::default(),
        }))
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Each critical section leaves it consistent.
        let table = &self.0.table;
        table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more, at this address; another is given up for it if need be.
    pub(super) fn begin(&self, peer: IpAddr) -> Handshake {
        let given_up = CancellationToken::new();
        let mut table = self.table();
        table.last += 1;
        let number = table.last;
        let one = (peer, given_up.clone());
        table.under_way.insert(number, one);
        if table.under_way.len() > self.0.most {
            table.give_one_up();
        }
        drop(table);
        Handshake {
            all: self.clone(),
            number,
            given_up,
        }
    }
}

impl Table {
    /// The oldest of those at the address that has the most.
    fn give_one_up(&mut self) {
        let mut counts: HashMap<IpAddr, usize> = HashMap::new();
        for (peer, _) in self.under_way.values() {
            *counts.entry(*peer).or_default() += 1;
        }
        let most = counts.values().copied().max();
        let is_of_most = |peer: &IpAddr| counts.get(peer).copied() == most;
        let found = self
            .under_way
            .iter()
            .find(|(_, (peer, _))| is_of_most(peer));
        let oldest = found.map(|(number, _)| *number);
        if let Some((_, given_up)) = oldest.and_then(|it| self.under_way.remove(&it)) {
            given_up.cancel();
        }
    }
}

impl Handshake {
    /// What comes of it, unless it takes longer than this, or is given up.
    ///
    /// # Errors
    /// It fails.
    pub(super) async fn within<T>(
        self,
        time: Duration,
        work: impl Future<Output = io::Result<T>>,
    ) -> io::Result<T> {
        tokio::select! {
            biased;
            () = self.given_up.cancelled() => Err(io::ErrorKind::TimedOut.into()),
            done = tokio::time::timeout(time, work) => {
                done.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        self.all.table().under_way.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u8) -> IpAddr {
        [127, 0, 0, n].into()
    }

    #[test]
    fn the_oldest_of_whoever_has_most_is_given_up() {
        let handshakes = Handshakes::at_most(3);
        let controller = handshakes.begin(address(1));
        let crowd: Vec<_> = (0..10).map(|_| handshakes.begin(address(2))).collect();
        let given_up: Vec<_> = crowd.iter().map(|it| it.given_up.is_cancelled()).collect();
        assert_eq!(given_up, [[true; 8].as_slice(), &[false; 2]].concat());
        assert!(!controller.given_up.is_cancelled());
        drop(crowd);
        assert_eq!(handshakes.table().under_way.len(), 1);
    }

    #[test]
    fn of_as_many_addresses_as_connections_the_oldest_goes() {
        let handshakes = Handshakes::at_most(3);
        let crowd = [1, 2, 3, 4].map(|n| handshakes.begin(address(n)));
        let given_up = crowd.each_ref().map(|it| it.given_up.is_cancelled());
        assert_eq!(given_up, [true, false, false, false]);
    }
}
