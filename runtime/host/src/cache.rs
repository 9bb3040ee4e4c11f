//! The folder of compiled code.
//!
//! ```text
//! <folder>/<version>/<sha256 of the source>.json    what the code is, and its BLAKE3
//!                       /<blake3 of the code>.code      native code
//!                       /<device>-<inode>.stamp         digest of a file that has not changed since
//! ```
//!
//! Only the compiler process writes code, into a folder only its user can
//! write. Whoever loads it checks its BLAKE3 first: a file cut short or
//! altered is rebuilt, never loaded. Files appear whole (written aside,
//! synced, renamed), so processes may share one folder.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mote_api::{Digest, Manifest};
use serde::{Deserialize, Serialize};

use crate::error::HostError;
use crate::file_id::{FileId, file_id};

/// Largest record: a manifest lists imports and exports, a few KiB even for a
/// component with hundreds.
const MAX_RECORD_BYTES: u64 = 4 << 20;

/// Raised when the compiler makes something else of the same source.
const GENERATION: u32 = 2;
/// Stamps kept in memory; past it they are read again.
const MAX_STAMPS: usize = 4096;
/// A file changed more recently than this gets no stamp: file systems keep
/// times in steps of up to 10 ms.
const MIN_STAMP_AGE: Duration = Duration::from_millis(50);

/// What a `.json` file says about a component's code.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    manifest: Manifest,
    code_blake3: String,
    code_bytes: u64,
}

/// Which file it was when its digest was taken. The change time cannot be set
/// by anyone, so a changed file does not pass for the old one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    changed_ns: i128,
    digest: Digest,
}

/// Compiled code whose BLAKE3 was just checked.
pub(crate) struct Code {
    pub(crate) manifest: Manifest,
    pub(crate) path: PathBuf,
}

/// The folder for one engine configuration.
pub(crate) struct Cache {
    folder: PathBuf,
    /// Stamps that were read or written by this process.
    stamps: Mutex<HashMap<FileId, Stamp>>,
}

impl Cache {
    /// The part of `root` for code of this version of Mote on this kind of
    /// processor. Code that the engine does not load all the same, because of
    /// a processor with other features, is compiled again.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub(crate) fn open(root: &Path) -> Result<Self, HostError> {
        let version = format!("mote-{}-{GENERATION}", env!("CARGO_PKG_VERSION"));
        let folder = root.join(version).join(std::env::consts::ARCH);
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .map_err(HostError::file("create", &folder))?;
        for folder in folder.ancestors().take(2) {
            check_owner(folder).map_err(HostError::file("trust", folder))?;
        }
        Ok(Self {
            folder,
            stamps: Mutex::default(),
        })
    }

    /// The code of `digest`, if it is there and whole.
    pub(crate) fn find(&self, digest: &Digest) -> Option<Code> {
        let record: Record = read_json(&self.record_path(digest))?;
        // The name is joined to a path: it must be what we would have written.
        let hash = blake3::Hash::from_hex(&record.code_blake3).ok()?;
        let path = self.code_path(&hash);
        let whole =
            record.manifest.digest == *digest && self.is_whole(&path, record.code_bytes, hash);
        whole.then_some(Code {
            manifest: record.manifest,
            path,
        })
    }

    /// Whether a file is what was written. Its bytes are read only if it has
    /// changed since they were read last: native code is tens of megabytes.
    fn is_whole(&self, path: &Path, bytes: u64, hash: blake3::Hash) -> bool {
        let Ok(meta) = fs::metadata(path) else {
            return false;
        };
        let expected = Digest::from_bytes(*hash.as_bytes());
        if meta.len() != bytes {
            return false;
        }
        if self.stamped(&meta) == Some(expected) {
            return true;
        }
        let whole = hash_file(path).is_ok_and(|found| found == hash);
        if whole {
            self.stamp(&meta, expected, true);
        }
        whole
    }

    /// Keeps `code` under the digest in `manifest`.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub(crate) fn keep(&self, manifest: Manifest, code: &[u8]) -> Result<(), HostError> {
        let hash = blake3::hash(code);
        let path = self.code_path(&hash);
        let record_path = self.record_path(&manifest.digest);
        write_whole(&path, code).map_err(HostError::file("write", &path))?;
        let record = Record {
            manifest,
            code_blake3: hash.to_hex().to_string(),
            code_bytes: code.len() as u64,
        };
        write_json(&record_path, &record)
    }

    /// Takes the code of `digest` away, if it is there. Another source with the
    /// very same code is compiled again when it is needed.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub(crate) fn remove(&self, digest: &Digest) -> Result<(), HostError> {
        let path = self.record_path(digest);
        let record: Option<Record> = read_json(&path);
        let code = record.and_then(|record| blake3::Hash::from_hex(&record.code_blake3).ok());
        let code = code.map(|hash| self.code_path(&hash));
        for path in [Some(path), code].into_iter().flatten() {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(HostError::file("remove", &path)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The digest of a file's bytes, from the last time it was taken if the
    /// file is the same since.
    pub(crate) fn stamped(&self, meta: &fs::Metadata) -> Option<Digest> {
        let key = file_id(meta);
        let remembered = self.stamps().get(&key).cloned();
        let stamp = match remembered {
            Some(stamp) => stamp,
            None => {
                let stamp: Stamp = read_json(&self.stamp_path(key))?;
                self.remember(key, stamp.clone());
                stamp
            }
        };
        (stamp == Stamp::of(meta, stamp.digest)).then_some(stamp.digest)
    }

    /// Remembers the digest of the bytes of a file that was like this before
    /// they were read: for this process, or with `keep` for those to come,
    /// which takes a file. Failing to is no error: it is taken again next time.
    pub(crate) fn stamp(&self, meta: &fs::Metadata, digest: Digest, keep: bool) {
        let (key, stamp) = (file_id(meta), Stamp::of(meta, digest));
        // The file system's clock may tick too slowly to tell a change right
        // after this from the state before.
        let age = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        if stamp.changed_ns + MIN_STAMP_AGE.as_nanos().cast_signed() > age.as_nanos().cast_signed()
        {
            return;
        }
        if keep && let Err(error) = write_json(&self.stamp_path(key), &stamp) {
            tracing::debug!(%error, "digest not remembered");
        }
        self.remember(key, stamp);
    }

    fn remember(&self, key: FileId, stamp: Stamp) {
        let mut stamps = self.stamps();
        if stamps.len() >= MAX_STAMPS {
            stamps.clear();
        }
        stamps.insert(key, stamp);
    }

    fn stamps(&self) -> MutexGuard<'_, HashMap<FileId, Stamp>> {
        self.stamps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record_path(&self, digest: &Digest) -> PathBuf {
        self.folder.join(format!("{}.json", digest.hex()))
    }

    fn code_path(&self, hash: &blake3::Hash) -> PathBuf {
        self.folder.join(format!("{}.code", hash.to_hex()))
    }

    fn stamp_path(&self, (device, inode): FileId) -> PathBuf {
        self.folder.join(format!("{device:x}-{inode:x}.stamp"))
    }
}

impl Stamp {
    fn of(meta: &fs::Metadata, digest: Digest) -> Self {
        Self {
            device: meta.dev(),
            inode: meta.ino(),
            bytes: meta.len(),
            changed_ns: i128::from(meta.ctime()) * 1_000_000_000 + i128::from(meta.ctime_nsec()),
            digest,
        }
    }
}

/// Whoever can write here decides what runs here.
fn check_owner(folder: &Path) -> io::Result<()> {
    let meta = fs::metadata(folder)?;
    let writable_by_others = meta.mode() & 0o022 != 0;
    if meta.uid() == rustix::process::geteuid().as_raw() && !writable_by_others {
        return Ok(());
    }
    Err(io::Error::other(
        "others than this user may write there; remove it, or keep the cache elsewhere",
    ))
}

fn hash_file(path: &Path) -> io::Result<blake3::Hash> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_mmap(path)?;
    Ok(hasher.finalize())
}

fn read_json<T: for<'de> Deserialize<'de>>(path: &Path) -> Option<T> {
    let mut text = Vec::new();
    let file = File::open(path).ok()?;
    file.take(MAX_RECORD_BYTES).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), HostError> {
    let text = serde_json::to_vec(value)
        .map_err(|error| HostError::file("encode", path)(io::Error::other(error)))?;
    write_whole(path, &text).map_err(HostError::file("write", path))
}

/// Writes aside, syncs and renames: whoever looks sees the old file or the
/// new one.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use mote_api::ComponentKind;

    fn manifest() -> Manifest {
        Manifest {
            digest: Digest::from_bytes([7; 32]),
            kind: ComponentKind::Component,
            source_bytes: 3,
            imports: Vec::new(),
            exports: vec!["wasi:cli/run@0.2.0".to_owned()],
        }
    }

    fn filled() -> (tempfile::TempDir, Cache) {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        cache.keep(manifest(), b"native code").unwrap();
        (folder, cache)
    }

    #[test]
    fn what_is_kept_is_found() {
        let (_folder, cache) = filled();
        let code = cache.find(&manifest().digest).unwrap();
        assert_eq!(code.manifest, manifest());
        assert_eq!(fs::read(code.path).unwrap(), b"native code");
        assert!(cache.find(&Digest::from_bytes([8; 32])).is_none());
    }

    #[test]
    fn what_was_removed_is_not_found_and_may_be_kept_again() {
        let (_folder, cache) = filled();
        let digest = manifest().digest;
        let code = cache.find(&digest).unwrap().path;
        for _ in 0..2 {
            cache.remove(&digest).unwrap();
            assert!(cache.find(&digest).is_none() && !code.exists());
        }
        cache.keep(manifest(), b"native code").unwrap();
        assert!(cache.find(&digest).is_some());
    }

    #[test]
    fn code_that_was_cut_short_or_altered_is_not_found() {
        let (_folder, cache) = filled();
        let path = cache.find(&manifest().digest).unwrap().path;
        for damaged in [&b"native cod"[..], b"Native code", b""] {
            fs::write(&path, damaged).unwrap();
            assert!(cache.find(&manifest().digest).is_none());
        }
        cache.keep(manifest(), b"native code").unwrap();
        assert!(cache.find(&manifest().digest).is_some());
    }

    #[test]
    fn code_that_was_altered_after_it_was_read_is_not_found() {
        let (_folder, cache) = filled();
        let code = cache.find(&manifest().digest).unwrap();
        let meta = fs::metadata(&code.path).unwrap();
        let hash = blake3::hash(b"native code");
        let digest = Digest::from_bytes(*hash.as_bytes());
        cache.remember(file_id(&meta), Stamp::of(&meta, digest));
        assert!(cache.find(&manifest().digest).is_some());
        // The same inode, length and modification time, with other bytes.
        let file = File::options().write(true).open(&code.path).unwrap();
        (&file).write_all(b"Native code").unwrap();
        file.set_modified(meta.modified().unwrap()).unwrap();
        assert!(cache.find(&manifest().digest).is_none());
    }

    #[test]
    fn a_folder_that_others_can_write_is_not_trusted() {
        use std::os::unix::fs::PermissionsExt;
        let (folder, cache) = filled();
        let shared = fs::Permissions::from_mode(0o777);
        fs::set_permissions(&cache.folder, shared).unwrap();
        assert!(Cache::open(folder.path()).is_err());
    }

    #[test]
    fn a_record_cannot_point_elsewhere() {
        let (folder, cache) = filled();
        let outside = folder.path().join("outside.code");
        fs::write(&outside, b"native code").unwrap();
        let record = Record {
            manifest: manifest(),
            code_blake3: "../outside".to_owned(),
            code_bytes: 11,
        };
        write_json(&cache.record_path(&manifest().digest), &record).unwrap();
        assert!(cache.find(&manifest().digest).is_none());
    }

    #[test]
    fn a_stamp_holds_until_the_file_changes() {
        let (folder, cache) = filled();
        let path = folder.path().join("tool.wasm");
        fs::write(&path, b"one").unwrap();
        let meta = fs::metadata(&path).unwrap();
        cache.remember(file_id(&meta), Stamp::of(&meta, manifest().digest));
        assert_eq!(cache.stamped(&meta), Some(manifest().digest));
        fs::write(&path, b"other").unwrap();
        assert_eq!(cache.stamped(&fs::metadata(&path).unwrap()), None);
    }

    #[test]
    fn a_file_that_may_still_be_changing_gets_no_stamp() {
        let (folder, cache) = filled();
        let path = folder.path().join("tool.wasm");
        fs::write(&path, b"one").unwrap();
        let meta = fs::metadata(&path).unwrap();
        cache.stamp(&meta, manifest().digest, true);
        assert_eq!(cache.stamped(&meta), None);
    }
}
