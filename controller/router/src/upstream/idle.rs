//! Connections of HTTP/1 that wait for their next request.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::resolve::Place;

/// Servers in Python and JavaScript close a connection that was idle for five
/// seconds. A request that meets one being closed is lost, so we go first.
const IDLE_TIME: Duration = Duration::from_secs(4);
/// Idle connections to one place: more than its clients use at once, seldom.
const MAX_PER_PLACE: usize = 32;
/// Idle connections in all: an open file each, of the 65,536 that a container
/// usually has, beside those of clients and of requests that run.
const MAX_IDLE: usize = 4_096;

/// What waits, by place; of several, the last one used comes first.
#[derive(Debug)]
pub(super) struct Idle<T> {
    places: HashMap<Place, Vec<(T, Instant)>>,
    count: usize,
}

impl<T> Default for Idle<T> {
    fn default() -> Self {
        Self {
            places: HashMap::new(),
            count: 0,
        }
    }
}

impl<T> Idle<T> {
    /// One that is still of use.
    pub(super) fn take(
        &mut self,
        place: &Place,
        now: Instant,
        usable: impl Fn(&T) -> bool,
    ) -> Option<T> {
        let waiting = self.places.get_mut(place)?;
        let mut found = None;
        while let Some((one, since)) = waiting.pop() {
            self.count -= 1;
            if now.duration_since(since) < IDLE_TIME && usable(&one) {
                found = Some(one);
                break;
            }
        }
        if waiting.is_empty() {
            self.places.remove(place);
        }
        found
    }

    /// Keeps one, if there is room.
    pub(super) fn put(&mut self, place: Place, one: T, now: Instant) {
        if self.count >= MAX_IDLE {
            return;
        }
        let waiting = self.places.entry(place).or_default();
        if waiting.len() < MAX_PER_PLACE {
            waiting.push((one, now));
            self.count += 1;
        }
    }

    /// Ends those that have waited for too long.
    pub(super) fn sweep(&mut self, now: Instant) {
        let mut count = 0;
        self.places.retain(|_, waiting| {
            waiting.retain(|(_, since)| now.duration_since(*since) < IDLE_TIME);
            count += waiting.len();
            !waiting.is_empty()
        });
        self.count = count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolve::Host;

    fn place(port: u16) -> Place {
        let host = Host::Address([10, 0, 0, 1].into());
        Place { host, port }
    }

    #[test]
    fn the_last_one_used_comes_first() {
        let (mut idle, now) = (Idle::default(), Instant::now());
        idle.put(place(1), "a", now);
        idle.put(place(1), "b", now);
        idle.put(place(2), "c", now);
        let any = |_: &&str| true;
        assert_eq!(idle.take(&place(1), now, any), Some("b"));
        assert_eq!(idle.take(&place(1), now, any), Some("a"));
        assert_eq!(idle.take(&place(1), now, any), None);
        assert_eq!(idle.count, 1);
    }

    #[test]
    fn what_is_old_or_closed_is_not_used() {
        let (mut idle, now) = (Idle::default(), Instant::now());
        idle.put(place(1), "open", now);
        idle.put(place(1), "closed", now);
        assert_eq!(idle.take(&place(1), now, |it| *it == "open"), Some("open"));
        idle.put(place(1), "old", now);
        assert_eq!(idle.take(&place(1), now + IDLE_TIME, |_| true), None);
        assert_eq!((idle.count, idle.places.len()), (0, 0));
    }

    #[test]
    fn one_place_keeps_so_many_and_all_keep_so_many() {
        let (mut idle, now) = (Idle::default(), Instant::now());
        for _ in 0..=MAX_PER_PLACE {
            idle.put(place(1), (), now);
        }
        assert_eq!(idle.count, MAX_PER_PLACE);
        for port in 2..u16::MAX {
            idle.put(place(port), (), now);
        }
        assert_eq!(idle.count, MAX_IDLE);
    }

    #[test]
    fn a_sweep_leaves_what_is_young() {
        let (mut idle, now) = (Idle::default(), Instant::now());
        idle.put(place(1), "old", now);
        let later = now + IDLE_TIME;
        idle.put(place(2), "young", later);
        idle.sweep(later);
        assert_eq!((idle.count, idle.places.len()), (1, 1));
    }
}
