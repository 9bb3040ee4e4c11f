//! An archive to files of this machine. Whoever made the archive is not
//! trusted: what it names is looked up from one folder's handle, so that
//! neither names nor links lead out of it, and what its headers claim is
//! bounded before it is read.

use std::fs::FileTimes;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use mote_surface::EntryExtension;
use tar::{Archive, Entry, EntryType};

/// Most entries of one archive: as many as a sandbox sends.
const MAX_ENTRIES: usize = mote_surface::ARCHIVE_ENTRIES;
/// The permissions that an entry may set: no set-user-id, no sticky bit. The
/// user's umask takes from them.
const PERMISSIONS: u32 = 0o777;

/// Writes what an archive holds into `folder`, which is made if it is not
/// there, and nothing outside of it. What is neither file, folder nor link
/// within the folder, or is named outside of it, is left out, and returned.
///
/// # Errors
/// The archive is broken or too large, or a file cannot be written. What came
/// before stays.
pub fn unpack(from: impl Read, folder: &Path) -> io::Result<Vec<PathBuf>> {
    std::fs::create_dir_all(folder)?;
    let mut unpack = Unpack {
        folder: Dir::open_ambient_dir(folder, ambient_authority())?,
        extension: EntryExtension::default(),
        left_out: Vec::new(),
    };
    let mut archive = Archive::new(from);
    // Raw, so that it is us who read the extensions, within bounds.
    for (at, entry) in archive.entries()?.raw(true).enumerate() {
        if at == MAX_ENTRIES {
            return Err(broken(&format!("it has more than {MAX_ENTRIES} entries")));
        }
        unpack.entry(entry?)?;
    }
    Ok(unpack.left_out)
}

fn broken(why: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("the archive is refused: {why}"),
    )
}

/// What is wrong with an archive, as [`broken`] tells it; what is wrong with
/// reading it stays.
fn told(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::InvalidData => broken(&error.to_string()),
        _ => error,
    }
}

struct Unpack {
    folder: Dir,
    extension: EntryExtension,
    left_out: Vec<PathBuf>,
}

impl Unpack {
    fn entry<R: Read>(&mut self, mut entry: Entry<'_, R>) -> io::Result<()> {
        match self.extension.take(&mut entry).map_err(told)? {
            Some(known) => self.member(entry.header().entry_type(), known, entry),
            None => Ok(()),
        }
    }

    fn member<R: Read>(
        &mut self,
        kind: EntryType,
        known: EntryExtension,
        mut entry: Entry<'_, R>,
    ) -> io::Result<()> {
        if known.size.is_some_and(|size| size != entry.size()) {
            return Err(broken(
                "it holds a file of 8 GiB or more; copy that on its own",
            ));
        }
        let written = entry.header().path_bytes().into_owned();
        let written = path(known.path.unwrap_or(written))?;
        let Some(name) = below(&written) else {
            self.left_out.push(written);
            return Ok(());
        };
        if name.as_os_str().is_empty() {
            // The folder itself.
            return Ok(());
        }
        let is_folder = written.as_os_str().as_encoded_bytes().ends_with(b"/");
        match kind {
            EntryType::Regular | EntryType::Continuous if !is_folder => {
                self.file(&name, &mut entry)
            }
            EntryType::Regular | EntryType::Directory => self.folder.create_dir_all(&name),
            EntryType::Symlink => self.link(&name, known.link, &entry),
            _ => {
                self.left_out.push(written);
                Ok(())
            }
        }
    }

    fn file<R: Read>(&mut self, name: &Path, entry: &mut Entry<'_, R>) -> io::Result<()> {
        self.make_way(name)?;
        let mode = entry.header().mode()? & PERMISSIONS;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(mode);
        let mut file = self.folder.open_with(name, &options)?.into_std();
        let expected = entry.size();
        if io::copy(entry, &mut file)? != expected {
            return Err(broken("it breaks off"));
        }
        // A time before ours began is no time to keep.
        let time = Duration::from_secs(entry.header().mtime().unwrap_or_default());
        if let Some(time) = SystemTime::UNIX_EPOCH.checked_add(time) {
            file.set_times(FileTimes::new().set_modified(time))?;
        }
        Ok(())
    }

    fn link<R: Read>(
        &mut self,
        name: &Path,
        known: Option<Vec<u8>>,
        entry: &Entry<'_, R>,
    ) -> io::Result<()> {
        let target = known.or_else(|| entry.header().link_name_bytes().map(Into::into));
        let target = path(target.unwrap_or_default())?;
        if !link_stays(name, &target) {
            self.left_out.push(name.to_owned());
            return Ok(());
        }
        self.make_way(name)?;
        self.folder.symlink(target, name)
    }

    /// Makes the folders above `name`, and takes away what is there: a file is
    /// not written through a link of that name.
    fn make_way(&self, name: &Path) -> io::Result<()> {
        if let Some(parent) = name.parent().filter(|it| !it.as_os_str().is_empty()) {
            self.folder.create_dir_all(parent)?;
        }
        match self.folder.remove_file(name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// Names that are no text are none of a sandbox's.
fn path(bytes: Vec<u8>) -> io::Result<PathBuf> {
    let text = String::from_utf8(bytes).map_err(|_| broken("a name in it is not UTF-8"))?;
    Ok(PathBuf::from(text))
}

/// The parts of a name below the folder, without what means nothing. `None`
/// where it leads up.
fn below(written: &Path) -> Option<PathBuf> {
    let mut name = PathBuf::new();
    for part in written.components() {
        match part {
            Component::Normal(part) => name.push(part),
            // As tar does, which takes an absolute name as one below.
            Component::CurDir | Component::RootDir => {}
            Component::ParentDir | Component::Prefix(_) => return None,
        }
    }
    Some(name)
}

/// Whether a link leads to a place in the folder: one that leads out would
/// make whoever opens it later leave it. One that goes up after it went down
/// may have gone down by another link.
fn link_stays(name: &Path, target: &Path) -> bool {
    use Component::{CurDir, Normal, ParentDir};
    let mut depth = name.components().count().saturating_sub(1);
    let mut down = false;
    for part in target.components() {
        match part {
            Normal(_) => down = true,
            CurDir => {}
            ParentDir if depth > 0 && !down => depth -= 1,
            _ => return false,
        }
    }
    !target.as_os_str().is_empty()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use tar::{Builder, Header};

    use super::*;

    fn header(kind: EntryType, size: u64) -> Header {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(size);
        header.set_mode(0o4755);
        header.set_mtime(1_000);
        header
    }

    /// An archive of names as they stand, which a builder would refuse.
    #[derive(Default)]
    struct Hostile(Vec<u8>);

    impl Hostile {
        fn add(mut self, kind: EntryType, name: &str, link: Option<&str>, content: &[u8]) -> Self {
            let mut header = header(kind, content.len() as u64);
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            if let Some(link) = link {
                header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(link.as_bytes());
            }
            header.set_cksum();
            self.0.extend_from_slice(header.as_bytes());
            self.0.extend_from_slice(content);
            self.0.resize(self.0.len().next_multiple_of(512), 0);
            self
        }

        fn unpack(mut self, folder: &Path) -> io::Result<Vec<PathBuf>> {
            self.0.extend_from_slice(&[0; 1024]);
            unpack(&self.0[..], folder)
        }
    }

    #[test]
    fn nothing_is_written_outside_of_the_folder() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("in");
        let left_out = Hostile::default()
            .add(EntryType::Regular, "../up", None, b"x")
            .add(EntryType::Symlink, "out", Some("/etc"), b"")
            .add(EntryType::Symlink, "up", Some("a/../.."), b"")
            .add(EntryType::Symlink, "nowhere", None, b"")
            .add(EntryType::Link, "hard", Some("/etc/passwd"), b"")
            .add(EntryType::Fifo, "fifo", None, b"")
            .add(EntryType::Char, "device", None, b"")
            .add(EntryType::Regular, "out/file", None, b"y")
            .add(EntryType::Regular, "/absolute", None, b"z")
            .unpack(&folder)
            .unwrap();
        let names: Vec<_> = left_out.iter().map(|name| name.to_str().unwrap()).collect();
        assert_eq!(
            names,
            ["../up", "out", "up", "nowhere", "hard", "fifo", "device"]
        );
        assert!(!root.path().join("up").exists());
        // A folder of our own, as the link of that name was left out.
        assert_eq!(fs::read(folder.join("out/file")).unwrap(), b"y");
        assert_eq!(fs::read(folder.join("absolute")).unwrap(), b"z");
    }

    #[test]
    fn a_link_that_was_there_before_leads_nowhere_either() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("in");
        fs::create_dir(&folder).unwrap();
        fs::write(root.path().join("kept"), "kept").unwrap();
        symlink(root.path(), folder.join("link")).unwrap();
        symlink(root.path().join("kept"), folder.join("file")).unwrap();
        let through = Hostile::default().add(EntryType::Regular, "link/new", None, b"x");
        assert!(through.unpack(&folder).is_err());
        assert!(!root.path().join("new").exists());
        let over = Hostile::default().add(EntryType::Regular, "file", None, b"mine");
        over.unpack(&folder).unwrap();
        assert_eq!(fs::read(root.path().join("kept")).unwrap(), b"kept");
        assert_eq!(fs::read(folder.join("file")).unwrap(), b"mine");
    }

    #[test]
    fn a_mode_sets_no_user() {
        let folder = tempfile::tempdir().unwrap();
        let archive = Hostile::default().add(EntryType::Regular, "a", None, b"");
        archive.unpack(folder.path()).unwrap();
        let meta = fs::metadata(folder.path().join("a")).unwrap();
        assert_eq!(meta.permissions().mode() & 0o7000, 0);
        assert_ne!(meta.permissions().mode() & 0o100, 0);
        let modified = meta.modified().unwrap();
        assert_eq!(
            modified,
            SystemTime::UNIX_EPOCH + Duration::from_secs(1_000)
        );
    }

    #[test]
    fn a_long_name_is_taken_and_an_endless_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let long = ["d"; 100].join("/");
        let mut builder = Builder::new(Vec::new());
        builder
            .append_data(&mut header(EntryType::Regular, 1), &long, &b"x"[..])
            .unwrap();
        unpack(&builder.into_inner().unwrap()[..], folder.path()).unwrap();
        assert_eq!(fs::read(folder.path().join(&long)).unwrap(), b"x");
        let name = vec![b'a'; (64 << 10) + 1];
        for kind in [
            EntryType::GNULongName,
            EntryType::GNULongLink,
            EntryType::XHeader,
        ] {
            let endless = Hostile::default().add(kind, "x", None, &name);
            let why = endless.unpack(folder.path()).unwrap_err().to_string();
            assert!(
                why.contains("archive is refused") && why.contains("64 KiB"),
                "{why}"
            );
        }
    }

    #[test]
    fn an_archive_that_breaks_off_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let mut builder = Builder::new(Vec::new());
        builder
            .append_data(&mut header(EntryType::Regular, 2000), "a", &[7; 2000][..])
            .unwrap();
        let mut archive = builder.into_inner().unwrap();
        archive.truncate(1000);
        assert!(unpack(&archive[..], folder.path()).is_err());
    }
}
