//! Images on the node's disk.
//!
//! ```text
//! STATE/images/HEX/manifest.json    as its registry gave it; HEX is its SHA-256
//!                 /program.wasm     the layer that it names
//!                 /names.json       what it was asked for by, where anybody may have it
//! STATE/images/.draft-N             what is being pulled or removed; gone at the next start
//! ```
//!
//! An image comes, and goes, by one rename.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use mote_api::Digest;
use sha2::{Digest as _, Sha256};

use super::manifest::{self, Layer, MAX_MANIFEST_BYTES, Parsed};

const MANIFEST: &str = "manifest.json";
const PROGRAM: &str = "program.wasm";
const NAMES: &str = "names.json";
const DRAFT: &str = ".draft-";
/// Largest list of names: as many as the node keeps, as long as they may be.
const MAX_NAMES_BYTES: u64 = 1 << 20;

/// The folder of a node's images.
pub(super) struct Disk {
    root: PathBuf,
    made: AtomicU64,
}

/// An image that was found there.
pub(super) struct Found {
    pub(super) digest: Digest,
    pub(super) layer: Layer,
    pub(super) program: PathBuf,
    pub(super) names: Vec<String>,
}

/// A folder that is filled; removed when dropped, unless it was kept.
pub(super) struct Draft(PathBuf);

impl Disk {
    /// Opens the folder in that of the node's state, makes it if it is not
    /// there, and removes what a crash left half done.
    ///
    /// # Errors
    /// The disk fails.
    pub(super) fn open(state: &Path) -> io::Result<Self> {
        let root = state.join("images");
        fs::create_dir_all(&root)?;
        for entry in fs::read_dir(&root)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(DRAFT) {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(Self {
            root,
            made: AtomicU64::new(0),
        })
    }

    /// The images that are there. What is no image any more is removed.
    ///
    /// # Errors
    /// The disk fails.
    pub(super) fn load(&self) -> io::Result<Vec<Found>> {
        let mut all = Vec::new();
        for entry in fs::read_dir(&self.root)? {
            let path = entry?.path();
            match found(&path) {
                Ok(image) => all.push(image),
                Err(reason) => {
                    tracing::warn!(image = %path.display(), reason, "an image cannot be used, and is removed");
                    fs::remove_dir_all(&path)?;
                }
            }
        }
        Ok(all)
    }

    /// An empty folder for an image that is being pulled.
    pub(super) fn draft(&self) -> io::Result<Draft> {
        let path = self.limbo();
        fs::create_dir(&path)?;
        Ok(Draft(path))
    }

    /// Keeps what was pulled; gives where its program is then. An image that
    /// is there already stays as it is.
    pub(super) fn keep(
        &self,
        draft: &Draft,
        digest: &Digest,
        manifest: &[u8],
    ) -> io::Result<PathBuf> {
        write_synced(&draft.0.join(MANIFEST), manifest)?;
        File::open(&draft.0)?.sync_all()?;
        let home = self.home(digest);
        if !home.exists() {
            fs::rename(&draft.0, &home)?;
            File::open(&self.root)?.sync_all()?;
        }
        Ok(home.join(PROGRAM))
    }

    /// Replaces the names of an image.
    pub(super) fn name(&self, digest: &Digest, names: &[&str]) -> io::Result<()> {
        let home = self.home(digest);
        let draft = home.join(format!(".{NAMES}.new"));
        write_synced(&draft, &serde_json::to_vec(names)?)?;
        fs::rename(&draft, home.join(NAMES))?;
        File::open(&home)?.sync_all()
    }

    /// Takes an image away. Its files go when the answer is dropped.
    pub(super) fn remove(&self, digest: &Digest) -> io::Result<Draft> {
        let path = self.limbo();
        fs::rename(self.home(digest), &path)?;
        Ok(Draft(path))
    }

    fn home(&self, digest: &Digest) -> PathBuf {
        self.root.join(digest.hex())
    }

    fn limbo(&self) -> PathBuf {
        let number = self.made.fetch_add(1, Relaxed);
        self.root.join(format!("{DRAFT}{number}"))
    }
}

impl Draft {
    /// Where its program is written.
    pub(super) fn program(&self) -> PathBuf {
        self.0.join(PROGRAM)
    }

    /// Makes the file of its program.
    pub(super) fn create_program(&self) -> io::Result<File> {
        create(&self.program())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // One that was kept is no longer here.
        match fs::remove_dir_all(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(path = %self.0.display(), %error, "failed to remove an image; the next start will");
            }
            _ => {}
        }
    }
}

/// The image of a folder. Its program's bytes are looked at when it is made
/// ready to run; here, how many there are.
fn found(home: &Path) -> Result<Found, String> {
    let name = home.file_name().unwrap_or_default().to_string_lossy();
    let digest: Digest = format!("sha256:{name}")
        .parse()
        .map_err(|_| "its folder bears no digest".to_owned())?;
    let manifest = read(&home.join(MANIFEST), MAX_MANIFEST_BYTES as u64)
        .map_err(|error| format!("its manifest cannot be read: {error}"))?;
    if Digest::from_bytes(Sha256::digest(&manifest).into()) != digest {
        return Err("its manifest is not the one that was pulled".to_owned());
    }
    let Parsed::Program(layer) = manifest::parse(&manifest)? else {
        return Err("its manifest is that of no program".to_owned());
    };
    let program = home.join(PROGRAM);
    let bytes = fs::metadata(&program).map_or(0, |meta| meta.len());
    if bytes != layer.bytes {
        return Err(format!(
            "its program has {bytes} bytes and not {}",
            layer.bytes
        ));
    }
    let names = read(&home.join(NAMES), MAX_NAMES_BYTES).ok();
    let names = names.and_then(|names| serde_json::from_slice(&names).ok());
    Ok(Found {
        digest,
        layer,
        program,
        names: names.unwrap_or_default(),
    })
}

fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(path)
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = create(path)?;
    io::Write::write_all(&mut file, bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::io::Write;

    fn manifest() -> (Vec<u8>, Digest) {
        let layer = Digest::from_bytes(Sha256::digest(b"wasm").into());
        let manifest = json!({ "schemaVersion": 2, "layers": [
            { "mediaType": "application/wasm", "digest": layer, "size": 4 },
        ]});
        let bytes = manifest.to_string().into_bytes();
        let digest = Digest::from_bytes(Sha256::digest(&bytes).into());
        (bytes, digest)
    }

    fn filled(state: &Path) -> (Disk, Digest) {
        let disk = Disk::open(state).unwrap();
        let (bytes, digest) = manifest();
        let draft = disk.draft().unwrap();
        draft.create_program().unwrap().write_all(b"wasm").unwrap();
        let program = disk.keep(&draft, &digest, &bytes).unwrap();
        drop(draft);
        assert_eq!(fs::read(program).unwrap(), b"wasm");
        (disk, digest)
    }

    #[test]
    fn what_was_kept_is_there_after_a_restart_with_its_names() {
        let state = tempfile::tempdir().unwrap();
        let (disk, digest) = filled(state.path());
        disk.name(&digest, &["a.io/x:1"]).unwrap();
        let disk = Disk::open(state.path()).unwrap();
        let all = disk.load().unwrap();
        assert_eq!((all.len(), all[0].digest), (1, digest));
        assert_eq!(
            (all[0].layer.bytes, &all[0].names[..]),
            (4, &["a.io/x:1".to_owned()][..])
        );
    }

    #[test]
    fn what_was_altered_or_cut_short_is_removed() {
        let damages: [fn(&Path); 4] = [
            |home| fs::write(home.join(PROGRAM), "was").unwrap(),
            |home| fs::write(home.join(MANIFEST), "{}").unwrap(),
            |home| fs::remove_file(home.join(MANIFEST)).unwrap(),
            |home| fs::rename(home, home.with_file_name("x")).unwrap(),
        ];
        for damage in damages {
            let state = tempfile::tempdir().unwrap();
            let (disk, digest) = filled(state.path());
            damage(&disk.home(&digest));
            assert!(disk.load().unwrap().is_empty());
            assert_eq!(fs::read_dir(&disk.root).unwrap().count(), 0);
        }
    }

    #[test]
    fn a_draft_that_is_not_kept_goes_and_so_does_one_that_a_crash_left() {
        let state = tempfile::tempdir().unwrap();
        let disk = Disk::open(state.path()).unwrap();
        let draft = disk.draft().unwrap();
        draft.create_program().unwrap();
        drop(draft);
        assert_eq!(fs::read_dir(&disk.root).unwrap().count(), 0);
        std::mem::forget(disk.draft().unwrap());
        let disk = Disk::open(state.path()).unwrap();
        assert_eq!(fs::read_dir(&disk.root).unwrap().count(), 0);
    }

    #[test]
    fn what_is_removed_is_gone_at_once_and_may_come_again() {
        let state = tempfile::tempdir().unwrap();
        let (disk, digest) = filled(state.path());
        drop(disk.remove(&digest).unwrap());
        assert!(disk.load().unwrap().is_empty());
        drop(disk);
        filled(state.path());
    }
}
