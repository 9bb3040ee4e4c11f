//! Puts changes into a text: at the place they name, or near it, and with
//! less of what surrounds them if that has changed.

use super::parse::Hunk;

/// How a change went in.
#[derive(Debug, PartialEq, Eq)]
pub enum Placed {
    /// At this line (from 1), with so much of its surroundings left out, so
    /// far from where it was to be.
    At {
        /// The line.
        line: usize,
        /// Lines left out at each end.
        fuzz: usize,
        /// Lines it was moved by.
        offset: isize,
    },
    /// Nowhere; it would have been at this line.
    Failed(usize),
}

/// Applies the changes one after the other; what fails is left out.
pub fn apply(text: &mut Vec<Vec<u8>>, hunks: &[Hunk], most_fuzz: usize) -> Vec<Placed> {
    let mut grown = 0isize; // lines that the changes so far have added
    let mut moved = 0isize; // what the last change was moved by
    let mut least = 0; // no change goes before the one before it
    let mut placed = Vec::new();
    for hunk in hunks {
        let start = hunk.old_start as isize + grown;
        // A change that takes nothing names the line before it.
        let start = if hunk.before().is_empty() {
            start
        } else {
            start - 1
        };
        let found = (0..=most_fuzz).find_map(|fuzz| {
            let (before, after) = trims(hunk, fuzz)?;
            let old = hunk.before();
            let old = old.get(before..old.len() - after)?;
            let at = find(text, old, start + moved + before as isize, least)?;
            Some((fuzz, before, after, at))
        });
        let Some((fuzz, before, after, at)) = found else {
            placed.push(Placed::Failed((start.max(0) + 1) as usize));
            continue;
        };
        let (old, new) = (hunk.before(), hunk.after());
        let replacement = new.get(before..new.len() - after).unwrap_or_default();
        let replacement = replacement.iter().map(|line| line.to_vec());
        let end = at + old.len() - before - after;
        text.splice(at..end, replacement);
        grown += new.len() as isize - old.len() as isize;
        moved = at as isize - before as isize - start;
        least = at + new.len() - before - after;
        placed.push(Placed::At {
            line: at + 1 - before.min(at),
            fuzz,
            offset: moved,
        });
    }
    placed
}

/// How many lines to leave out at each end; nothing if there is not that much
/// around the change.
fn trims(hunk: &Hunk, fuzz: usize) -> Option<(usize, usize)> {
    let around =
        |signs: &mut dyn Iterator<Item = u8>| signs.take_while(|sign| *sign == b' ').count();
    let before = around(&mut hunk.lines.iter().map(|line| line.sign));
    let after = around(&mut hunk.lines.iter().rev().map(|line| line.sign));
    let context = before.max(after);
    if fuzz > context {
        return None;
    }
    let left = context - fuzz;
    Some((before.saturating_sub(left), after.saturating_sub(left)))
}

/// Where `lines` stand in the text, as near to `start` as can be.
fn find(text: &[Vec<u8>], lines: &[&[u8]], start: isize, least: usize) -> Option<usize> {
    let last = text.len().checked_sub(lines.len())?;
    let fits = |at: isize| {
        let at = usize::try_from(at)
            .ok()
            .filter(|at| (least..=last).contains(at))?;
        let there = text.get(at..at + lines.len())?;
        there
            .iter()
            .zip(lines)
            .all(|(one, other)| one == other)
            .then_some(at)
    };
    if lines.is_empty() {
        return usize::try_from(start)
            .ok()
            .map(|at| at.clamp(least, text.len()));
    }
    let farthest = text.len() as isize + start.abs();
    (0..=farthest).find_map(|distance| fits(start + distance).or_else(|| fits(start - distance)))
}

#[cfg(test)]
mod tests {
    use super::super::parse::parse;
    use super::*;

    fn lines(text: &str) -> Vec<Vec<u8>> {
        let lines = text.split_inclusive('\n');
        lines.map(|line| line.as_bytes().to_vec()).collect()
    }

    fn patched(text: &str, hunk: &str) -> (String, Vec<Placed>) {
        let patch = format!("--- a\n+++ a\n{hunk}");
        let files = parse(patch.as_bytes()).expect("a patch");
        let mut text = lines(text);
        let placed = apply(&mut text, &files[0].hunks, 2);
        (String::from_utf8(text.concat()).expect("text"), placed)
    }

    const HUNK: &str = "@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n";

    #[test]
    fn a_change_goes_in_where_it_says_or_nearby() {
        let (text, placed) = patched("a\nb\nc\n", HUNK);
        assert_eq!(text, "a\nB\nc\n");
        assert_eq!(
            placed,
            [Placed::At {
                line: 1,
                fuzz: 0,
                offset: 0
            }]
        );
        let (text, placed) = patched("x\ny\na\nb\nc\n", HUNK);
        assert_eq!(text, "x\ny\na\nB\nc\n");
        assert_eq!(
            placed,
            [Placed::At {
                line: 3,
                fuzz: 0,
                offset: 2
            }]
        );
    }

    #[test]
    fn what_surrounds_a_change_may_differ_a_little() {
        let (text, placed) = patched("a\nb\nC\n", HUNK);
        assert_eq!(text, "a\nB\nC\n");
        assert_eq!(
            placed,
            [Placed::At {
                line: 1,
                fuzz: 1,
                offset: 0
            }]
        );
        let (text, placed) = patched("a\nz\nc\n", HUNK);
        assert_eq!(text, "a\nz\nc\n");
        assert_eq!(placed, [Placed::Failed(1)]);
    }

    #[test]
    fn lines_go_into_an_empty_file() {
        let (text, _) = patched("", "@@ -0,0 +1,2 @@\n+one\n+two\n");
        assert_eq!(text, "one\ntwo\n");
    }
}
