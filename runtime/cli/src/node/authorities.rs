//! Authorities of registries' certificates.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use mote_node::Authorities;

use crate::paths;

/// Longest file: as many authorities as a system comes with.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// The public authorities, and those of a file in PEM.
///
/// # Errors
/// It cannot be read, or holds none; as a sentence.
pub(super) fn read(path: &Path) -> Result<Authorities, String> {
    let wrong = |why: String| format!("--registry-ca {}: {why}", path.display());
    let mut pem = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE_BYTES).read_to_end(&mut pem))
        .map_err(|error| wrong(paths::reason(&error)))?;
    Authorities::and(&pem).map_err(|error| wrong(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_none_is_named() {
        let error = read(Path::new("/nowhere/ca.pem")).unwrap_err();
        assert!(
            error.starts_with("--registry-ca /nowhere/ca.pem: "),
            "{error}"
        );
        let error = read(Path::new("/dev/null")).unwrap_err();
        assert!(error.contains("no certificates"), "{error}");
    }
}
