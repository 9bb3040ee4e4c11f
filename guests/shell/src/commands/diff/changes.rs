//! Which lines differ: the algorithm of Myers in linear space, and then the
//! runs of changed lines moved to where GNU's diff shows them.

use std::ops::Range;

/// A run of lines that is replaced by another; either may be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The lines of the old text.
    pub old: Range<usize>,
    /// The lines of the new text.
    pub new: Range<usize>,
}

/// The changes that make `new` of `old`. Lines are numbers: equal ones have
/// the same.
pub fn changes(old: &[u32], new: &[u32]) -> Vec<Change> {
    let mut search = Search {
        old,
        new,
        removed: Marks::new(old.len()),
        added: Marks::new(new.len()),
        forward: vec![0; old.len() + new.len() + 3],
        backward: vec![0; old.len() + new.len() + 3],
    };
    search.compare(0..old.len() as isize, 0..new.len() as isize);
    let Search {
        mut removed,
        mut added,
        ..
    } = search;
    settle(&mut removed, &mut added, old);
    settle(&mut added, &mut removed, new);
    collect(&removed, &added)
}

/// Which lines of a text are changed; there are none before and after it.
struct Marks(Vec<bool>);

impl Marks {
    fn new(length: usize) -> Self {
        Self(vec![false; length + 2])
    }

    fn get(&self, index: isize) -> bool {
        let found = usize::try_from(index + 1)
            .ok()
            .and_then(|at| self.0.get(at));
        found.copied().unwrap_or(false)
    }

    fn set(&mut self, index: isize, changed: bool) {
        if let Some(mark) = usize::try_from(index + 1)
            .ok()
            .and_then(|at| self.0.get_mut(at))
        {
            *mark = changed;
        }
    }

    fn length(&self) -> isize {
        self.0.len() as isize - 2
    }
}

struct Search<'a> {
    old: &'a [u32],
    new: &'a [u32],
    removed: Marks,
    added: Marks,
    /// How far each diagonal was followed, from either end.
    forward: Vec<isize>,
    backward: Vec<isize>,
}

fn at(lines: &[u32], index: isize) -> Option<u32> {
    lines.get(usize::try_from(index).ok()?).copied()
}

impl Search<'_> {
    fn same(&self, x: isize, y: isize) -> bool {
        at(self.old, x) == at(self.new, y)
    }

    /// Marks what differs within the two ranges.
    fn compare(&mut self, mut x: Range<isize>, mut y: Range<isize>) {
        while x.start < x.end && y.start < y.end && self.same(x.start, y.start) {
            (x.start, y.start) = (x.start + 1, y.start + 1);
        }
        while x.start < x.end && y.start < y.end && self.same(x.end - 1, y.end - 1) {
            (x.end, y.end) = (x.end - 1, y.end - 1);
        }
        if x.start == x.end {
            y.for_each(|index| self.added.set(index, true));
        } else if y.start == y.end {
            x.for_each(|index| self.removed.set(index, true));
        } else {
            let (x_middle, y_middle) = self.middle(&x, &y);
            self.compare(x.start..x_middle, y.start..y_middle);
            self.compare(x_middle..x.end, y_middle..y.end);
        }
    }

    /// A point that a shortest way goes through: the ways from both ends meet
    /// there.
    fn middle(&mut self, x: &Range<isize>, y: &Range<isize>) -> (isize, isize) {
        // Diagonals are x - y; this makes them indexes, with room at the ends.
        let shift = self.new.len() as isize + 1;
        let index = |diagonal: isize| (diagonal + shift) as usize;
        let (least, most) = (x.start - y.end, x.end - y.start);
        let (from, to) = (x.start - y.start, x.end - y.end);
        let odd = (from - to) % 2 != 0;
        let (mut low, mut high) = (from, from);
        let (mut back_low, mut back_high) = (to, to);
        self.forward[index(from)] = x.start;
        self.backward[index(to)] = x.end;
        loop {
            widen(&mut low, &mut high, least, most, |diagonal| {
                self.forward[index(diagonal)] = -1;
            });
            for diagonal in (low..=high).rev().step_by(2) {
                let (below, above) = (
                    self.forward[index(diagonal - 1)],
                    self.forward[index(diagonal + 1)],
                );
                let mut at = if below < above { above } else { below + 1 };
                while at < x.end && at - diagonal < y.end && self.same(at, at - diagonal) {
                    at += 1;
                }
                self.forward[index(diagonal)] = at;
                let meets = odd && (back_low..=back_high).contains(&diagonal);
                if meets && self.backward[index(diagonal)] <= at {
                    return (at, at - diagonal);
                }
            }
            widen(&mut back_low, &mut back_high, least, most, |diagonal| {
                self.backward[index(diagonal)] = isize::MAX;
            });
            for diagonal in (back_low..=back_high).rev().step_by(2) {
                let (below, above) = (
                    self.backward[index(diagonal - 1)],
                    self.backward[index(diagonal + 1)],
                );
                let mut at = if below < above { below } else { above - 1 };
                while x.start < at
                    && y.start < at - diagonal
                    && self.same(at - 1, at - diagonal - 1)
                {
                    at -= 1;
                }
                self.backward[index(diagonal)] = at;
                let meets = !odd && (low..=high).contains(&diagonal);
                if meets && at <= self.forward[index(diagonal)] {
                    return (at, at - diagonal);
                }
            }
        }
    }
}

/// Takes one more diagonal on each side, where there is one; `fence` closes
/// the one beyond.
fn widen(
    low: &mut isize,
    high: &mut isize,
    least: isize,
    most: isize,
    mut fence: impl FnMut(isize),
) {
    if *low > least {
        *low -= 1;
        fence(*low - 1);
    } else {
        *low += 1;
    }
    if *high < most {
        *high += 1;
        fence(*high + 1);
    } else {
        *high -= 1;
    }
}

/// Moves runs of changes as far down as they go, joins those that touch, and
/// moves a run back to where the other text has one, too.
fn settle(changed: &mut Marks, other: &mut Marks, lines: &[u32]) {
    let end = changed.length();
    let (mut i, mut j) = (0, 0);
    loop {
        while i < end && !changed.get(i) {
            while other.get(j) {
                j += 1;
            }
            (i, j) = (i + 1, j + 1);
        }
        if i == end {
            return;
        }
        let mut start = i;
        while changed.get(i) {
            i += 1;
        }
        while other.get(j) {
            j += 1;
        }
        let mut corresponding;
        loop {
            let length = i - start;
            while start > 0 && at(lines, start - 1) == at(lines, i - 1) {
                (start, i) = (start - 1, i - 1);
                changed.set(start, true);
                changed.set(i, false);
                while changed.get(start - 1) {
                    start -= 1;
                }
                j -= 1;
                while other.get(j) {
                    j -= 1;
                }
            }
            corresponding = if other.get(j - 1) { i } else { end };
            while i != end && at(lines, start) == at(lines, i) {
                changed.set(start, false);
                changed.set(i, true);
                (start, i) = (start + 1, i + 1);
                while changed.get(i) {
                    i += 1;
                }
                j += 1;
                while other.get(j) {
                    corresponding = i;
                    j += 1;
                }
            }
            if length == i - start {
                break;
            }
        }
        while corresponding < i {
            (start, i) = (start - 1, i - 1);
            changed.set(start, true);
            changed.set(i, false);
            j -= 1;
            while other.get(j) {
                j -= 1;
            }
        }
    }
}

fn collect(removed: &Marks, added: &Marks) -> Vec<Change> {
    let mut list = Vec::new();
    let (mut i, mut j) = (0, 0);
    while i < removed.length() || j < added.length() {
        let (from, to) = (i, j);
        while removed.get(i) {
            i += 1;
        }
        while added.get(j) {
            j += 1;
        }
        if from == i && to == j {
            (i, j) = (i + 1, j + 1);
        } else {
            list.push(Change {
                old: from as usize..i as usize,
                new: to as usize..j as usize,
            });
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diff(old: &str, new: &str) -> Vec<(Range<usize>, Range<usize>)> {
        let numbers = |text: &str| text.chars().map(u32::from).collect::<Vec<u32>>();
        let list = changes(&numbers(old), &numbers(new));
        list.into_iter()
            .map(|change| (change.old, change.new))
            .collect()
    }

    #[test]
    fn changes_are_few_and_in_order() {
        assert_eq!(diff("abc", "abc"), []);
        assert_eq!(diff("", "ab"), [(0..0, 0..2)]);
        assert_eq!(diff("ab", ""), [(0..2, 0..0)]);
        assert_eq!(diff("abcd", "abxd"), [(2..3, 2..3)]);
        assert_eq!(diff("abcabba", "cbabac").len(), 4);
    }

    #[test]
    fn a_run_moves_down_as_far_as_it_goes() {
        assert_eq!(diff("abb", "abbb"), [(3..3, 3..4)]);
        assert_eq!(diff("a}b}c", "a}b}b}c"), [(4..4, 4..6)]);
    }
}
