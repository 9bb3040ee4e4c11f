//! Reads patches in the unified format.

/// What a patch does to one file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct FilePatch {
    /// The old name, as the patch has it.
    pub old: String,
    /// The new name.
    pub new: String,
    /// The changes, in order.
    pub hunks: Vec<Hunk>,
    /// The number of the line its names begin at.
    pub line: usize,
}

/// One change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hunk {
    /// The first line of the old text, from 1; the line before if it has none.
    pub old_start: usize,
    /// The same of the new text.
    pub new_start: usize,
    /// The lines.
    pub lines: Vec<Line>,
}

/// A line of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// A space, a minus or a plus.
    pub sign: u8,
    /// The line, with its end if it has one.
    pub text: Vec<u8>,
}

impl Hunk {
    /// The lines before the change.
    pub fn before(&self) -> Vec<&[u8]> {
        self.side(b'+')
    }

    /// The lines after it.
    pub fn after(&self) -> Vec<&[u8]> {
        self.side(b'-')
    }

    fn side(&self, without: u8) -> Vec<&[u8]> {
        let lines = self.lines.iter().filter(|line| line.sign != without);
        lines.map(|line| line.text.as_slice()).collect()
    }

    /// The change that undoes this one.
    pub fn reversed(&self) -> Self {
        let lines = self.lines.iter().map(|line| Line {
            sign: match line.sign {
                b'-' => b'+',
                b'+' => b'-',
                sign => sign,
            },
            text: line.text.clone(),
        });
        Self {
            old_start: self.new_start,
            new_start: self.old_start,
            lines: lines.collect(),
        }
    }

    /// The change as text, for a file of rejects.
    pub fn text(&self) -> Vec<u8> {
        let extent = |start: usize, count: usize| match count {
            1 => start.to_string(),
            count => format!("{start},{count}"),
        };
        let mut text = format!(
            "@@ -{} +{} @@\n",
            extent(self.old_start, self.before().len()),
            extent(self.new_start, self.after().len())
        )
        .into_bytes();
        for line in &self.lines {
            text.push(line.sign);
            text.extend_from_slice(&line.text);
            if !line.text.ends_with(b"\n") {
                text.extend_from_slice(b"\n\\ No newline at end of file\n");
            }
        }
        text
    }
}

/// All that a patch does.
///
/// # Errors
/// The number of a line that does not belong into a change, and the line.
pub fn parse(text: &[u8]) -> Result<Vec<FilePatch>, (usize, String)> {
    let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    let mut files: Vec<FilePatch> = Vec::new();
    let mut index = 0;
    while let Some(line) = lines.get(index) {
        let next = lines.get(index + 1).copied().unwrap_or_default();
        if let (Some(old), Some(new)) = (line.strip_prefix(b"--- "), next.strip_prefix(b"+++ ")) {
            files.push(FilePatch {
                old: name(old),
                new: name(new),
                hunks: Vec::new(),
                line: index + 1,
            });
            index += 2;
        } else if let (Some(mut hunk), Some(file)) = (header(line), files.last_mut()) {
            index = body(&lines, index + 1, &mut hunk.0, hunk.1)?;
            file.hunks.push(hunk.0);
        } else {
            index += 1;
        }
    }
    Ok(files)
}

/// The name in a line such as `--- a/name<TAB>date`.
fn name(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let text = text.trim_end_matches(['\n', '\r']);
    let text = text.split('\t').next().unwrap_or_default();
    text.trim_matches('"').to_owned()
}

/// `@@ -1,2 +1,3 @@`: a change without lines, and how many the two sides have.
fn header(line: &[u8]) -> Option<(Hunk, [usize; 2])> {
    let line = std::str::from_utf8(line).ok()?;
    let (extents, _) = line.strip_prefix("@@ -")?.split_once(" @@")?;
    let (old, new) = extents.split_once(" +")?;
    let extent = |text: &str| -> Option<(usize, usize)> {
        let (start, count) = text.split_once(',').unwrap_or((text, "1"));
        Some((start.parse().ok()?, count.parse().ok()?))
    };
    let ((old_start, old_count), (new_start, new_count)) = (extent(old)?, extent(new)?);
    let hunk = Hunk {
        old_start,
        new_start,
        lines: Vec::new(),
    };
    Some((hunk, [old_count, new_count]))
}

/// Reads the lines of a change from `index` on; says where they end.
fn body(
    lines: &[&[u8]],
    mut index: usize,
    hunk: &mut Hunk,
    [mut old, mut new]: [usize; 2],
) -> Result<usize, (usize, String)> {
    while old + new > 0 {
        let line = lines.get(index).copied().unwrap_or_default();
        let wrong = || {
            (
                index + 1,
                String::from_utf8_lossy(line).trim_end().to_owned(),
            )
        };
        let (sign, text) = match line {
            [sign @ (b' ' | b'-' | b'+'), text @ ..] => (*sign, text.to_vec()),
            // Editors strip the space that an empty line begins with.
            [b'\n'] | [b'\r', b'\n'] => (b' ', line.to_vec()),
            [b'\\', ..] => {
                unend(hunk);
                index += 1;
                continue;
            }
            _ => return Err(wrong()),
        };
        for (count, without) in [(&mut old, b'+'), (&mut new, b'-')] {
            if sign != without {
                *count = count.checked_sub(1).ok_or_else(wrong)?;
            }
        }
        hunk.lines.push(Line { sign, text });
        index += 1;
    }
    if lines.get(index).is_some_and(|line| line.starts_with(b"\\")) {
        unend(hunk);
        index += 1;
    }
    // A patch that was cut off at its very end lost a line's end only.
    for line in &mut hunk.lines {
        if !line.text.ends_with(b"\n")
            && index >= lines.len()
            && lines.last().is_some_and(|last| !last.starts_with(b"\\"))
        {
            line.text.push(b'\n');
        }
    }
    Ok(index)
}

/// `\ No newline at end of file`: what was just read has no end.
fn unend(hunk: &mut Hunk) {
    if let Some(line) = hunk.lines.last_mut() {
        line.text.pop_if(|last| *last == b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATCH: &str = "diff --git a/x b/x\nindex 1..2\n--- a/x\t2024-01-01\n+++ b/x\n@@ -1,2 +1,2 @@ fn\n-one\n+ONE\n two\n\\ No newline at end of file\n";

    #[test]
    fn names_and_changes_are_read() {
        let files = parse(PATCH.as_bytes()).expect("a patch");
        assert_eq!(files.len(), 1);
        assert_eq!(
            (files[0].old.as_str(), files[0].new.as_str()),
            ("a/x", "b/x")
        );
        let hunk = &files[0].hunks[0];
        assert_eq!(hunk.before(), [&b"one\n"[..], b"two"]);
        assert_eq!(hunk.after(), [&b"ONE\n"[..], b"two"]);
        assert_eq!(hunk.reversed().after(), hunk.before());
        assert!(hunk.text().starts_with(b"@@ -1,2 +1,2 @@\n-one\n+ONE\n"));
    }

    #[test]
    fn a_line_that_does_not_belong_is_named() {
        let text = "--- a\n+++ b\n@@ -1,2 +1,2 @@\n one\nzwei\n";
        assert_eq!(parse(text.as_bytes()), Err((5, "zwei".to_owned())));
        assert_eq!(parse(b"nothing here\n"), Ok(Vec::new()));
    }
}
