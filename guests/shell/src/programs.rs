//! What the shell does not run itself: names and files for the host to run.

use std::path::Path;
use std::sync::Arc;

use bashkit::{Builtin, BuiltinRegistry, CommandResolver};

use crate::files::Files;
use crate::process::Program;

/// Names that the host runs as components of the sandbox. They are commands
/// like any other: `which` finds them, and a script's first line may name one.
pub const COMPONENTS: &[&str] = &["python3", "python", "node", "js"];

/// First bytes of WebAssembly, module or component.
const WASM_MAGIC: &[u8] = b"\0asm";

/// Bytes looked at to tell what a file is: room for any sensible first line.
const HEAD_BYTES: u64 = 256;

/// Finds out how to run what bashkit does not know.
pub struct Resolver {
    files: Arc<Files>,
}

impl Resolver {
    /// A resolver that looks at `files`.
    pub fn new(files: Arc<Files>) -> Self {
        Self { files }
    }
}

impl CommandResolver for Resolver {
    /// Any name: the host is asked, and its answer is the last word.
    fn resolve(&self, name: &str) -> Option<Arc<dyn Builtin>> {
        command(name, vec![name.to_owned()])
    }

    fn resolve_file(&self, name: &str, path: &Path) -> Option<Arc<dyn Builtin>> {
        if let Some(component) = installed(path) {
            return command(name, vec![component.to_owned()]);
        }
        command(
            name,
            program(name, &self.files.head(path, HEAD_BYTES).ok()?)?,
        )
    }
}

/// The component whose stub in `/bin` or `/usr/bin` this is.
fn installed(path: &Path) -> Option<&'static str> {
    let folder = path.parent()?.to_str()?;
    let name = path.file_name()?.to_str()?;
    let component = COMPONENTS.iter().find(|component| **component == name);
    component
        .copied()
        .filter(|_| matches!(folder, "/bin" | "/usr/bin"))
}

/// The words that run the file `name` that starts with `head`; none for a
/// script of the shell.
fn program(name: &str, head: &[u8]) -> Option<Vec<String>> {
    if head.starts_with(WASM_MAGIC) {
        return Some(vec![name.to_owned()]);
    }
    let line = head
        .strip_prefix(b"#!")?
        .split(|&byte| byte == b'\n')
        .next()?;
    let line = std::str::from_utf8(line).ok()?.trim();
    let (interpreter, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let base = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let mut words = if base(interpreter) == "env" {
        rest.split_whitespace()
            .skip_while(|word| *word == "-S")
            .map(str::to_owned)
            .collect()
    } else {
        // As the kernel does it: all that follows is one argument.
        let mut words = vec![base(interpreter)];
        words.extend(
            Some(rest.trim())
                .filter(|rest| !rest.is_empty())
                .map(str::to_owned),
        );
        words
    };
    if !COMPONENTS.contains(&words.first()?.as_str()) {
        return None;
    }
    words.push(name.to_owned());
    Some(words)
}

/// A streaming command that runs `words`, followed by its arguments.
fn command(name: &str, words: Vec<String>) -> Option<Arc<dyn Builtin>> {
    let registry = BuiltinRegistry::new();
    registry.insert_command(name, Program::new(words));
    registry.lookup(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Option<Vec<String>> {
        Some(line.split(' ').map(str::to_owned).collect())
    }

    #[test]
    fn a_component_is_known_by_its_bytes() {
        assert_eq!(program("./tool", b"\0asm\x0d\0\x01\0"), words("./tool"));
        assert_eq!(program("./tool.wasm", b"echo hi"), None);
        assert_eq!(program("./empty", b""), None);
    }

    #[test]
    fn a_first_line_names_the_component_that_runs_a_file() {
        assert_eq!(
            program("./x.py", b"#!/usr/bin/env python3\nprint()"),
            words("python3 ./x.py")
        );
        assert_eq!(
            program("./x", b"#! /usr/bin/env -S python3 -u\n"),
            words("python3 -u ./x")
        );
        assert_eq!(
            program("./x", b"#!/usr/local/bin/node\r\n"),
            words("node ./x")
        );
        assert_eq!(
            program("x", b"#!/usr/bin/python3 -s -E"),
            Some(vec!["python3".into(), "-s -E".into(), "x".into()])
        );
    }

    #[test]
    fn the_shells_own_interpreters_are_left_to_it() {
        assert_eq!(program("./x", b"#!/bin/sh\n"), None);
        assert_eq!(program("./x", b"#!/usr/bin/env bash\n"), None);
        assert_eq!(program("./x", b"#!/usr/bin/awk -f\n"), None);
        assert_eq!(program("./x", b"#!/usr/bin/env\n"), None);
    }

    #[test]
    fn a_stub_stands_for_its_component() {
        assert_eq!(installed(Path::new("/usr/bin/python3")), Some("python3"));
        assert_eq!(installed(Path::new("/bin/cat")), None);
        assert_eq!(installed(Path::new("/workspace/python3")), None);
    }
}
