//! The prefix from which sandboxes have their addresses.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use ipnet::IpNet;

use crate::paths;

/// Longest file that names a prefix: one line.
const MAX_FILE_BYTES: u64 = 4096;

/// The prefix that a file names.
///
/// # Errors
/// It names none, or more than one; as a sentence.
pub(super) fn read(path: &Path) -> Result<IpNet, String> {
    let wrong = |why: String| format!("--addresses-file {}: {why}", path.display());
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE_BYTES).read_to_string(&mut text))
        .map_err(|error| wrong(paths::reason(&error)))?;
    parse(&text).map_err(wrong)
}

fn parse(text: &str) -> Result<IpNet, String> {
    let mut words = text.split_whitespace();
    let (Some(word), None) = (words.next(), words.next()) else {
        return Err("write one prefix into it, such as 10.99.7.0/24".to_owned());
    };
    word.parse()
        .map_err(|_| format!("{word:?} is no prefix; write one such as 10.99.7.0/24"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_names_one_prefix() {
        assert_eq!(parse("10.99.7.0/24\n"), Ok("10.99.7.0/24".parse().unwrap()));
        assert_eq!(parse(" fd00::/112"), Ok("fd00::/112".parse().unwrap()));
        for bad in [
            "",
            "\n",
            "10.0.0.0",
            "10.0.0.0/33",
            "10.0.0.0/24\nfd00::/64",
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
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
