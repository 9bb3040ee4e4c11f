//! `mote node-folder`: makes the folder of a node host, and gives it to the
//! user that the host runs as. Kubernetes makes folders of a node for root,
//! and changes nothing about them.

use std::fs::{DirBuilder, Permissions, set_permissions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::path::PathBuf;

use anyhow::{Context, anyhow};

use crate::failure::Failure;

/// Only the node host reads what agents keep.
const FOLDER_MODE: u32 = 0o700;

/// The options of `mote node-folder`.
#[derive(Debug, clap::Args)]
pub(crate) struct FolderArgs {
    /// The folder
    folder: PathBuf,
    /// The number of the user, and of its group
    #[arg(long, value_name = "UID")]
    user: u32,
}

/// Makes the folder and gives it away; one that is given already stays.
pub(crate) fn give(args: &FolderArgs) -> Result<u8, Failure> {
    let FolderArgs { folder, user } = args;
    let named = |verb: &str| format!("failed to {verb} {}", folder.display());
    DirBuilder::new()
        .recursive(true)
        .mode(FOLDER_MODE)
        .create(folder)
        .with_context(|| named("make"))?;
    // Of a link, its target would be given away.
    let meta = folder
        .symlink_metadata()
        .with_context(|| named("look at"))?;
    if !meta.is_dir() {
        let what = anyhow!("{} is no folder; remove it", folder.display());
        return Err(Failure::Host(what));
    }
    if meta.uid() != *user {
        set_permissions(folder, Permissions::from_mode(FOLDER_MODE))
            .with_context(|| named("close"))?;
        chown(folder, Some(*user), Some(*user)).with_context(|| named("give away"))?;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_made_and_stays_whose_it_is() {
        let root = tempfile::tempdir().unwrap();
        let user = root.path().metadata().unwrap().uid();
        let folder = root.path().join("lib/mote");
        let args = FolderArgs {
            folder: folder.clone(),
            user,
        };
        for _ in 0..2 {
            assert_eq!(give(&args).unwrap(), 0);
        }
        let meta = folder.metadata().unwrap();
        assert_eq!((meta.uid(), meta.mode() & 0o777), (user, FOLDER_MODE));
    }

    #[test]
    fn a_link_is_not_followed() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("link");
        std::os::unix::fs::symlink(root.path(), &folder).unwrap();
        assert!(give(&FolderArgs { folder, user: 1 }).is_err());
    }
}
