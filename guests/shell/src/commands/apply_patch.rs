//! `apply_patch`: the patches that models write, which name what surrounds a
//! change instead of its line.
//!
//! ```text
//! *** Begin Patch
//! *** Update File: src/main.rs
//! @@ fn main() {
//! -    old();
//! +    new();
//! *** Add File: README
//! +text
//! *** Delete File: notes
//! *** End Patch
//! ```
//!
//! Either all of it is done or nothing.

use std::path::Path;

use bashkit::{Builtin, BuiltinContext, ExecResult, FileSystem, async_trait};

use super::{Report, absolute, reason};

/// The command.
pub struct ApplyPatch;

#[async_trait]
impl Builtin for ApplyPatch {
    async fn execute(&self, ctx: BuiltinContext<'_>) -> bashkit::Result<ExecResult> {
        let mut report = Report::new("apply_patch");
        let text = match (ctx.args, ctx.stdin) {
            ([text, ..], _) => text.clone(),
            ([], Some(text)) => text.text_lossy().into_owned(),
            ([], None) => String::new(),
        };
        match run(&text, &*ctx.fs, ctx.cwd).await {
            Ok(lines) => {
                report.say("Success. Updated the following files:");
                lines.iter().for_each(|line| report.say(line));
            }
            Err(why) => report.fail(1, &why),
        }
        Ok(report.finish())
    }
}

/// What to do with a file.
#[derive(Debug, PartialEq, Eq)]
enum Action {
    Add(String),
    Delete,
    Update {
        to: Option<String>,
        chunks: Vec<Chunk>,
    },
}

/// One change of a file.
#[derive(Debug, Default, PartialEq, Eq)]
struct Chunk {
    /// Lines to find first, one after the other.
    anchors: Vec<String>,
    old: Vec<String>,
    new: Vec<String>,
    at_end: bool,
}

/// Does what the patch says; returns a line for each file.
async fn run(text: &str, fs: &dyn FileSystem, cwd: &Path) -> Result<Vec<String>, String> {
    let mut writes = Vec::new();
    let mut removals = Vec::new();
    let mut told = Vec::new();
    for (name, action) in parse(text)? {
        let path = absolute(cwd, &name);
        let failed = |error: &bashkit::Error| format!("{name}: {}", reason(error));
        match action {
            Action::Add(content) => {
                told.push(format!("A {name}"));
                writes.push((path, content));
            }
            Action::Delete => {
                fs.stat(&path).await.map_err(|error| failed(&error))?;
                told.push(format!("D {name}"));
                removals.push(path);
            }
            Action::Update { to, chunks } => {
                let content = fs.read_file(&path).await.map_err(|error| failed(&error))?;
                let content = String::from_utf8(content)
                    .map_err(|_| format!("{name}: this is no text in UTF-8"))?;
                let content = update(&content, &chunks).map_err(|why| format!("{name}: {why}"))?;
                match to {
                    Some(to) => {
                        removals.push(path);
                        writes.push((absolute(cwd, &to), content));
                        told.push(format!("M {to}"));
                    }
                    None => {
                        writes.push((path, content));
                        told.push(format!("M {name}"));
                    }
                }
            }
        }
    }
    for path in removals {
        let removed = fs.remove(&path, false).await;
        removed.map_err(|error| format!("{}: {}", path.display(), reason(&error)))?;
    }
    for (path, content) in writes {
        let stored = async {
            if let Some(folder) = path.parent() {
                fs.mkdir(folder, true).await?;
            }
            fs.write_file(&path, content.as_bytes()).await
        };
        let stored = stored.await;
        stored.map_err(|error| format!("{}: {}", path.display(), reason(&error)))?;
    }
    Ok(told)
}

/// The files that a patch names, and what it does with each.
fn parse(text: &str) -> Result<Vec<(String, Action)>, String> {
    let mut lines = text.trim().lines().peekable();
    if lines.next().map(str::trim) != Some("*** Begin Patch") {
        return Err("the first line must be '*** Begin Patch'".to_owned());
    }
    let mut files = Vec::new();
    loop {
        let line = lines
            .next()
            .ok_or("the last line must be '*** End Patch'")?;
        let line = line.trim_end();
        if line.trim() == "*** End Patch" {
            return Ok(files);
        }
        let mut body = Vec::new();
        while let Some(next) = lines.next_if(|next| !starts_a_part(next)) {
            body.push(next);
        }
        let named = |what: &str| line.strip_prefix(what).map(|name| name.trim().to_owned());
        if let Some(name) = named("*** Add File:") {
            let content = body.iter().map(|line| match line.strip_prefix('+') {
                Some(line) => Ok(format!("{line}\n")),
                None => Err(format!(
                    "{name}: a line of a new file must begin with '+': {line}"
                )),
            });
            let content = content.collect::<Result<String, String>>()?;
            files.push((name, Action::Add(content)));
        } else if let Some(name) = named("*** Delete File:") {
            files.push((name, Action::Delete));
        } else if let Some(name) = named("*** Update File:") {
            let to = body
                .first()
                .and_then(|line| line.strip_prefix("*** Move to:"));
            let to = to.map(|name| name.trim().to_owned());
            let skip = usize::from(to.is_some());
            let chunks = chunks(body.get(skip..).unwrap_or_default())
                .map_err(|why| format!("{name}: {why}"))?;
            files.push((name, Action::Update { to, chunks }));
        } else if !line.trim().is_empty() {
            return Err(format!(
                "'{line}' is none of '*** Add File: NAME', '*** Delete File: NAME' and '*** Update File: NAME'"
            ));
        }
    }
}

fn starts_a_part(line: &str) -> bool {
    [
        "*** Add File:",
        "*** Delete File:",
        "*** Update File:",
        "*** End Patch",
    ]
    .iter()
    .any(|start| line.starts_with(start))
}

fn chunks(lines: &[&str]) -> Result<Vec<Chunk>, String> {
    let mut chunks: Vec<Chunk> = Vec::new();
    for line in lines {
        let started = chunks
            .last()
            .is_some_and(|chunk| !chunk.old.is_empty() || !chunk.new.is_empty());
        if let Some(anchor) = line.strip_prefix("@@") {
            if started || chunks.is_empty() {
                chunks.push(Chunk::default());
            }
            let anchor = anchor.strip_prefix(' ').unwrap_or(anchor);
            if let Some(chunk) = chunks.last_mut()
                && !anchor.trim().is_empty()
            {
                chunk.anchors.push(anchor.to_owned());
            }
            continue;
        }
        if chunks.is_empty() {
            chunks.push(Chunk::default());
        }
        let Some(chunk) = chunks.last_mut() else {
            continue;
        };
        match (line.chars().next(), line.get(1..)) {
            _ if line.trim_end() == "*** End of File" => chunk.at_end = true,
            (Some('+'), Some(rest)) => chunk.new.push(rest.to_owned()),
            (Some('-'), Some(rest)) => chunk.old.push(rest.to_owned()),
            (Some(' '), Some(rest)) => {
                chunk.old.push(rest.to_owned());
                chunk.new.push(rest.to_owned());
            }
            (None, _) => {
                chunk.old.push(String::new());
                chunk.new.push(String::new());
            }
            _ => {
                return Err(format!(
                    "a line of a change must begin with ' ', '+' or '-': {line}"
                ));
            }
        }
    }
    Ok(chunks)
}

/// The text after the changes.
fn update(text: &str, chunks: &[Chunk]) -> Result<String, String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let mut at = 0;
    for chunk in chunks {
        for anchor in &chunk.anchors {
            let found = find(&lines, std::slice::from_ref(anchor), at);
            at = found.ok_or_else(|| format!("there is no line like this: {anchor}"))? + 1;
        }
        let start = if chunk.old.is_empty() && (chunk.anchors.is_empty() || chunk.at_end) {
            lines.len()
        } else if chunk.at_end && lines.len() >= chunk.old.len() {
            let last = lines.len() - chunk.old.len();
            find(&lines, &chunk.old, last)
                .or_else(|| find(&lines, &chunk.old, at))
                .unwrap_or(usize::MAX)
        } else {
            // A first change may stand before its anchor's next line.
            find(&lines, &chunk.old, at)
                .or_else(|| find(&lines, &chunk.old, at.saturating_sub(1)))
                .unwrap_or(usize::MAX)
        };
        if start == usize::MAX {
            return Err(format!(
                "these lines are not there, in this order:\n{}",
                chunk.old.join("\n")
            ));
        }
        lines.splice(start..start + chunk.old.len(), chunk.new.iter().cloned());
        at = start + chunk.new.len();
    }
    let mut text = lines.join("\n");
    if !text.is_empty() {
        text.push('\n');
    }
    Ok(text)
}

/// Where `wanted` stands at or after `from`: as it is, else with spaces at the
/// ends of lines left out, else with those at their beginnings, too.
fn find(lines: &[String], wanted: &[String], from: usize) -> Option<usize> {
    let same: [fn(&str, &str) -> bool; 3] = [
        |one, other| one == other,
        |one, other| one.trim_end() == other.trim_end(),
        |one, other| one.trim() == other.trim(),
    ];
    let last = lines.len().checked_sub(wanted.len())?;
    same.iter().find_map(|same| {
        (from..=last).find(|at| {
            let there = lines.iter().skip(*at).zip(wanted);
            there.into_iter().all(|(one, other)| same(one, other))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn updated(text: &str, patch: &[&str]) -> Result<String, String> {
        update(text, &chunks(patch)?)
    }

    #[test]
    fn a_change_is_found_by_what_surrounds_it() {
        let text = "fn a() {\n    one();\n}\nfn b() {\n    one();\n}\n";
        assert_eq!(
            updated(text, &["@@ fn b() {", "-    one();", "+    two();"]),
            Ok("fn a() {\n    one();\n}\nfn b() {\n    two();\n}\n".to_owned())
        );
        assert_eq!(
            updated(
                "a\nb\n",
                &[" a", "+x", " b", "@@", "+end", "*** End of File"]
            ),
            Ok("a\nx\nb\nend\n".to_owned())
        );
        assert_eq!(
            updated("  a  \nb\n", &["-a", "+c"]),
            Ok("c\nb\n".to_owned())
        );
    }

    #[test]
    fn what_is_not_there_is_shown() {
        assert_eq!(
            updated("a\n", &["-b", "+c"]),
            Err("these lines are not there, in this order:\nb".to_owned())
        );
        assert_eq!(
            updated("a\n", &["@@ class X", "+c"]),
            Err("there is no line like this: class X".to_owned())
        );
    }

    #[test]
    fn parts_are_told_apart() {
        let patch = "*** Begin Patch\n*** Add File: a/b\n+x\n+\n*** Delete File: c\n*** Update File: d\n*** Move to: e\n@@\n-1\n+2\n*** End Patch\n";
        let files = parse(patch).expect("a patch");
        assert_eq!(
            files[0],
            ("a/b".to_owned(), Action::Add("x\n\n".to_owned()))
        );
        assert_eq!(files[1], ("c".to_owned(), Action::Delete));
        assert!(
            matches!(&files[2].1, Action::Update { to: Some(to), chunks } if to == "e" && chunks.len() == 1)
        );
        assert!(parse("--- a\n+++ b\n").is_err());
    }
}
