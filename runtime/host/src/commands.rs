//! The commands of the shell that are programs elsewhere, such as `ls`: they
//! run by their own names too.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use crate::error::HostError;

/// Most bytes of the list: a name takes about seven, and there are 170.
const MAX_LIST_BYTES: u64 = 64 * 1024;

/// The names of these commands.
#[derive(Default)]
pub(crate) struct Commands(BTreeSet<String>);

impl Commands {
    /// The list that lies beside the shell's component: `sh.commands` with
    /// `sh.wasm`, one name a line. Without the file there are none.
    pub(crate) fn beside(shell: &Path) -> Result<Self, HostError> {
        let path = shell.with_extension("commands");
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(HostError::file("open", &path)(error)),
        };
        let mut list = String::new();
        file.take(MAX_LIST_BYTES)
            .read_to_string(&mut list)
            .map_err(HostError::file("read", &path))?;
        Ok(Self(list.lines().map(str::to_owned).collect()))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_lies_beside_the_shell_or_is_empty() {
        let folder = tempfile::tempdir().unwrap();
        let shell = folder.path().join("sh.wasm");
        assert!(!Commands::beside(&shell).unwrap().has("ls"));
        std::fs::write(folder.path().join("sh.commands"), "cat\nls\n").unwrap();
        let commands = Commands::beside(&shell).unwrap();
        assert!(commands.has("ls") && commands.has("cat"));
        assert!(!commands.has("l") && !commands.has(""));
    }
}
