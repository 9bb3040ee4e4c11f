//! The file that names the addresses of sandboxes.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use mote_node::{AddressSource, SourceError};

use crate::paths;

/// Longest file that names prefixes, or addresses that are shared: a line or two.
const MAX_FILE_BYTES: u64 = 4096;

/// The addresses that a file names.
///
/// # Errors
/// It names none, or two of one family; as a sentence.
pub(super) fn read(path: &Path) -> Result<AddressSource, String> {
    let wrong = |why: String| format!("--addresses-file {}: {why}", path.display());
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE_BYTES).read_to_string(&mut text))
        .map_err(|error| wrong(paths::reason(&error)))?;
    text.parse()
        .map_err(|error: SourceError| wrong(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_names_addresses_line_by_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("addresses");
        std::fs::write(&path, "10.99.7.0/24\nfd00:99:7::/64\n").unwrap();
        assert_eq!(
            read(&path),
            Ok("10.99.7.0/24,fd00:99:7::/64".parse().unwrap())
        );
        std::fs::write(&path, "shared\n10.0.0.7\n").unwrap();
        assert_eq!(read(&path), Ok("shared,10.0.0.7".parse().unwrap()));
        std::fs::write(&path, "10.99.7.0/24\n10.98.7.0/24\n").unwrap();
        let error = read(&path).unwrap_err();
        let told = format!("--addresses-file {}: ", path.display());
        assert!(
            error.starts_with(&told) && error.contains("of one family"),
            "{error}"
        );
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = read(Path::new("/nowhere/addresses")).unwrap_err();
        assert!(
            error.starts_with("--addresses-file /nowhere/addresses: "),
            "{error}"
        );
    }
}
