//! The token that callers have to send, kept in a file that only this user
//! reads.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use mote_node::Token;

use crate::failure::Failure;

/// Rights of others on a file, of which a token's may have none.
const OF_OTHERS: u32 = 0o077;

/// The token in this file, which is made if it is not there.
pub(super) fn open(path: PathBuf) -> Result<Token, Failure> {
    let text = match fs::read_to_string(&path) {
        Ok(text) => {
            check_mode(&path)?;
            text
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let made = make(&path).with_context(|| format!("failed to make {}", path.display()))?;
            tracing::info!(target: "mote_node", path = %path.display(), "made a token for callers");
            made
        }
        Err(error) => {
            return Err(Failure::Host(anyhow!(
                "failed to read {}: {error}",
                path.display()
            )));
        }
    };
    Token::parse(&text).map_err(|error| Failure::Host(anyhow!("{}: {error}", path.display())))
}

fn check_mode(path: &Path) -> Result<(), Failure> {
    let meta = fs::metadata(path).with_context(|| format!("failed to read {}", path.display()))?;
    if meta.permissions().mode() & OF_OTHERS == 0 {
        return Ok(());
    }
    Err(Failure::Host(anyhow!(
        "{}: other users may read this token; to fix: chmod 600 {}",
        path.display(),
        path.display()
    )))
}

fn make(path: &Path) -> io::Result<String> {
    let token = Token::make();
    if let Some(folder) = path.parent() {
        // The state folder, if it is there: nobody else is to look into it.
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    let mut file = OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(path)?;
    writeln!(file, "{token}")?;
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_made_once_and_only_for_this_user() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sub/token");
        open(path.clone()).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.trim().len(), 64);
        open(path.clone()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(open(path).is_err());
    }
}
