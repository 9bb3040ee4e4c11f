//! What the ledger says is what lies on the disk, whatever guests and the host
//! do, and no folder holds more than it may.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use mote_api::{ByteSize, Limits, Preopen};
use proptest::prelude::*;
use tempfile::TempDir;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    DescriptorFlags, ErrorCode, HostDescriptor, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::{FsError, FsResult};

use super::descriptor::now;
use super::*;
use crate::capability;
use crate::file_id::{FileId, file_id};

/// Bytes that all folders may hold together, and the one that may hold less.
const MAX_BYTES: u64 = 100;
const MAX_FOLDER_BYTES: u64 = 40;
const MAX_ENTRIES: u64 = 8;

/// Each guest path and its folder on the disk. The last two are one folder and
/// a folder in it, and may hold less than all.
const PLACES: [(&str, &str); 3] = [
    ("/workspace", "workspace"),
    ("/data", "data"),
    ("/part", "data/part"),
];
const PATHS: [&str; 5] = ["a", "b", "d", "d/a", "d/b"];

/// One of [`PATHS`] in one of [`PLACES`].
type Name = (usize, usize);

#[derive(Clone, Debug)]
enum Step {
    Write(Name, u64, usize),
    Append(Name, usize),
    SetSize(Name, u64),
    Truncate(Name),
    Unlink(Name),
    MakeFolder(Name),
    RemoveFolder(Name),
    Symlink(Name),
    Rename(Name, Name),
    Link(Name, Name),
    /// Opens it, and keeps it open.
    Keep(Name),
    /// Writes it, keeps it open, and takes its name away.
    Hide(Name, usize),
    WriteKept(usize, u64, usize),
    Drop(usize),
    /// As a file that the host itself takes in.
    Upload(Name, u64),
    /// The host opens it, and keeps it open, as for one who reads it slowly.
    Send(Name),
    /// The host has sent one of these.
    Sent(usize),
    /// All files that guests have open go, and what is there is counted anew.
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // A few names are used often, so that what is done to one comes together.
    let name = || {
        prop_oneof![
            2 => (0..2_usize, 0..2_usize),
            1 => (0..PLACES.len(), 0..PATHS.len()),
        ]
    };
    // Past each ceiling, and past the end of what is there.
    let (size, offset) = (|| 0..60_usize, || 0..50_u64);
    let step = prop_oneof![
        4 => (name(), offset(), size()).prop_map(|(n, o, s)| Step::Write(n, o, s)),
        2 => (name(), size()).prop_map(|(n, s)| Step::Append(n, s)),
        2 => (name(), 0..120_u64).prop_map(|(n, s)| Step::SetSize(n, s)),
        1 => name().prop_map(Step::Truncate),
        2 => name().prop_map(Step::Unlink),
        3 => name().prop_map(Step::MakeFolder),
        1 => name().prop_map(Step::RemoveFolder),
        1 => name().prop_map(Step::Symlink),
        4 => (name(), name()).prop_map(|(a, b)| Step::Rename(a, b)),
        3 => (name(), name()).prop_map(|(a, b)| Step::Link(a, b)),
        3 => name().prop_map(Step::Keep),
        3 => (name(), size()).prop_map(|(n, s)| Step::Hide(n, s)),
        3 => (0..4_usize, offset(), size()).prop_map(|(k, o, s)| Step::WriteKept(k, o, s)),
        4 => (0..4_usize).prop_map(Step::Drop),
        2 => (name(), 0..60_u64).prop_map(|(n, s)| Step::Upload(n, s)),
        3 => name().prop_map(Step::Send),
        3 => (0..4_usize).prop_map(Step::Sent),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..60)
}

/// A guest with its folders, and a disk below them.
struct Guest {
    root: TempDir,
    disk: Disk,
    files: Files,
    table: ResourceTable,
    /// In the order of [`PLACES`].
    dirs: Vec<Resource<Descriptor>>,
    kept: Vec<Resource<Descriptor>>,
    /// Files that the host has open, and whether they are of the folder that
    /// may hold less.
    sent: Vec<(Arc<fs::File>, HeldFile, bool)>,
}

fn bounded(held: u64) -> FolderLimit {
    FolderLimit {
        guests: vec!["/data".parse().unwrap(), "/part".parse().unwrap()],
        max: ByteSize::bytes(MAX_FOLDER_BYTES),
        held,
    }
}

impl Guest {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for (_, folder) in PLACES {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        let limits = Limits {
            disk: ByteSize::bytes(MAX_BYTES),
            disk_entries: MAX_ENTRIES,
            ..Limits::default()
        };
        // The folder that is granted on its own is a name in the other.
        let held = DiskUse {
            bytes: 0,
            entries: 1,
        };
        let disk = Disk::new(&limits, held, vec![bounded(0)]);
        let mut table = ResourceTable::new();
        let (files, dirs) = open(&root, &disk, &mut table);
        Self {
            root,
            disk,
            files,
            table,
            dirs,
            kept: Vec::new(),
            sent: Vec::new(),
        }
    }

    fn view(&mut self) -> FilesView<'_> {
        self.files.view(&mut self.table)
    }

    fn dir(&self, name: Name) -> Resource<Descriptor> {
        Resource::new_borrow(self.dirs[name.0].rep())
    }

    fn open(&mut self, name: Name, how: OpenFlags) -> FsResult<Resource<Descriptor>> {
        let (dir, path) = (self.dir(name), PATHS[name.1].to_owned());
        let flags = DescriptorFlags::READ | DescriptorFlags::WRITE;
        now(self
            .view()
            .open_at(dir, PathFlags::SYMLINK_FOLLOW, path, how, flags))
    }

    /// Does something with a file that is open for as long.
    fn with(
        &mut self,
        name: Name,
        how: OpenFlags,
        act: impl FnOnce(&mut FilesView<'_>, Resource<Descriptor>) -> FsResult<()>,
    ) -> FsResult<()> {
        let opened = self.open(name, how)?;
        let mut view = self.view();
        let done = act(&mut view, Resource::new_borrow(opened.rep()));
        view.drop(opened).unwrap();
        done
    }

    fn step(&mut self, step: &Step) -> FsResult<()> {
        let path = |name: Name| PATHS[name.1].to_owned();
        match *step {
            Step::Write(name, offset, size) => self.with(name, OpenFlags::CREATE, |view, fd| {
                now(view.write(fd, vec![1; size], offset)).map(drop)
            }),
            Step::Append(name, size) => self.with(name, OpenFlags::CREATE, |view, fd| {
                let stream = view.append_via_stream(fd)?;
                let mut stream = view.table.delete(stream)?;
                // It says "closed"; why, does not matter here.
                let _ = stream.write(vec![1; size].into());
                Ok(())
            }),
            Step::SetSize(name, size) => self.with(name, OpenFlags::CREATE, |view, fd| {
                now(view.set_size(fd, size))
            }),
            Step::Truncate(name) => self.with(name, OpenFlags::TRUNCATE, |_, _| Ok(())),
            Step::Unlink(name) => {
                let dir = self.dir(name);
                now(self.view().unlink_file_at(dir, path(name)))
            }
            Step::MakeFolder(name) => {
                let dir = self.dir(name);
                now(self.view().create_directory_at(dir, path(name)))
            }
            Step::RemoveFolder(name) => {
                let dir = self.dir(name);
                now(self.view().remove_directory_at(dir, path(name)))
            }
            Step::Symlink(name) => {
                let dir = self.dir(name);
                // To the other side, and to a file beside it.
                let target = ["../data/a", "a"][name.1 % 2].to_owned();
                now(self.view().symlink_at(dir, target, path(name)))
            }
            Step::Rename(from, to) => {
                let (old, new) = (self.dir(from), self.dir(to));
                now(self.view().rename_at(old, path(from), new, path(to)))
            }
            Step::Link(from, to) => {
                let (old, new) = (self.dir(from), self.dir(to));
                let flags = PathFlags::empty();
                now(self.view().link_at(old, flags, path(from), new, path(to)))
            }
            Step::Keep(name) => {
                let kept = self.open(name, OpenFlags::CREATE)?;
                self.kept.push(kept);
                Ok(())
            }
            Step::Hide(name, size) => {
                let kept = self.open(name, OpenFlags::CREATE)?;
                let fd = Resource::new_borrow(kept.rep());
                self.kept.push(kept);
                now(self.view().write(fd, vec![1; size], 0))?;
                self.step(&Step::Unlink(name))
            }
            Step::WriteKept(at, offset, size) => {
                let Some(kept) = self.kept.get(at).map(Resource::rep) else {
                    return Ok(());
                };
                let kept = Resource::new_borrow(kept);
                now(self.view().write(kept, vec![1; size], offset)).map(drop)
            }
            Step::Drop(at) => {
                if !self.kept.is_empty() {
                    let kept = self.kept.remove(at % self.kept.len());
                    self.view().drop(kept).unwrap();
                }
                Ok(())
            }
            Step::Upload(name, size) => {
                self.upload(name, size);
                Ok(())
            }
            Step::Send(name) => {
                self.send(name);
                Ok(())
            }
            Step::Sent(at) => {
                if !self.sent.is_empty() {
                    self.sent.remove(at % self.sent.len());
                }
                Ok(())
            }
            Step::Restart => {
                self.restart();
                Ok(())
            }
        }
    }

    /// As the surfaces do: booked first, then written beside its place.
    fn upload(&self, name: Name, size: u64) {
        let (guest, folder) = PLACES[name.0];
        let disk = self.disk.at(&guest.parse().unwrap());
        let to = self.root.path().join(folder).join(PATHS[name.1]);
        let into = fs::symlink_metadata(to.parent().unwrap());
        // It follows no link that leads elsewhere.
        if fs::symlink_metadata(&to).is_ok() || !into.is_ok_and(|it| it.is_dir()) {
            return;
        }
        if disk.grow(size, 1).is_ok() {
            fs::write(&to, vec![1; usize::try_from(size).unwrap()]).unwrap();
        }
    }

    fn send(&mut self, name: Name) {
        let (guest, folder) = PLACES[name.0];
        let disk = self.disk.at(&guest.parse().unwrap());
        let path = self.root.path().join(folder).join(PATHS[name.1]);
        if !fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_file()) {
            return;
        }
        let file = Arc::new(fs::File::open(path).unwrap());
        let held = disk.hold(&file).unwrap();
        self.sent.push((file, held, name.0 > 0));
    }

    fn restart(&mut self) {
        self.kept.clear();
        self.table = ResourceTable::new();
        (self.files, self.dirs) = open(&self.root, &self.disk, &mut self.table);
        let (all, folder) = (self.on_disk(""), self.on_disk("data"));
        let all = DiskUse {
            bytes: all.bytes,
            entries: all.entries - 2,
        };
        self.disk.set(all, &[folder.bytes]);
    }

    /// What the tree holds, and files without a name that are open.
    fn on_disk(&self, below: &str) -> DiskUse {
        let mut held = DiskUse::default();
        let mut files = BTreeMap::new();
        walk(&self.root.path().join(below), &mut |meta| {
            held.entries += 1;
            if meta.is_file() {
                files.insert(file_id(meta), meta.len());
            }
        });
        held.bytes = files.values().sum();
        held
    }

    /// The sizes of open files that have no name any more, of one side.
    fn nameless(&self, folder: bool) -> u64 {
        let mut files = BTreeMap::<FileId, u64>::new();
        for fd in &self.kept {
            let Descriptor::File(file) = self.table.get(fd).unwrap() else {
                continue;
            };
            let meta = file.file.metadata().unwrap();
            if meta.nlink() == 0 && self.files.folders.contains_key(&fd.rep()) == folder {
                files.insert(file_id(&meta), meta.len());
            }
        }
        for (file, _, bounded) in &self.sent {
            let meta = file.metadata().unwrap();
            if meta.nlink() == 0 && *bounded == folder {
                files.insert(file_id(&meta), meta.len());
            }
        }
        files.values().sum()
    }

    fn check(&self, after: &Step) {
        let (all, data) = (self.on_disk(""), self.on_disk("data"));
        let folder = data.bytes + self.nameless(true);
        let bytes = all.bytes + self.nameless(false) + self.nameless(true);
        // The folders that are granted, but the one in another, are no entries.
        let truth = (bytes, all.entries - 2, folder);
        let DiskUse { bytes, entries } = self.disk.used();
        let told = (bytes, entries, self.files.ledger.used_in(Folder(0)));
        assert_eq!(told, truth, "after {after:?}: told, and on the disk");
        assert!(truth.0 <= MAX_BYTES && truth.1 <= MAX_ENTRIES, "{truth:?}");
        assert!(truth.2 <= MAX_FOLDER_BYTES, "{truth:?} after {after:?}");
    }
}

fn open(
    root: &TempDir,
    disk: &Disk,
    table: &mut ResourceTable,
) -> (Files, Vec<Resource<Descriptor>>) {
    use preopens::Host as _;
    let ledger = disk.ledger(false);
    let preopens: Arc<[_]> = PLACES
        .iter()
        .map(|(guest, folder)| {
            let opened = capability::open(&Preopen {
                guest: guest.parse().unwrap(),
                host: root.path().canonicalize().unwrap().join(folder),
                access: Access::ReadWrite,
            });
            let opened = opened.unwrap();
            let folder = ledger.folder(&opened.guest);
            opened.within(folder)
        })
        .collect();
    let budget = Budget::new(Limits::default());
    let mut files = Files::new(preopens, None, ledger, budget);
    let dirs = files.view(table).get_directories().unwrap();
    (files, dirs.into_iter().map(|(fd, _)| fd).collect())
}

fn walk(folder: &Path, see: &mut impl FnMut(&Metadata)) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let meta = entry.metadata().unwrap();
        see(&meta);
        if meta.is_dir() {
            walk(&entry.path(), see);
        }
    }
}

fn is_across(error: &FsError) -> bool {
    matches!(error.downcast_ref(), Some(ErrorCode::CrossDevice))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn both_accounts_are_what_lies_on_the_disk_whatever_is_done(steps in steps()) {
        let mut guest = Guest::new();
        for step in &steps {
            let done = guest.step(step);
            if let Step::Rename(from, to) | Step::Link(from, to) = step {
                let apart = (from.0 == 0) != (to.0 == 0);
                prop_assert_eq!(done.is_err_and(|error| is_across(&error)), apart);
            }
            guest.check(step);
        }
    }
}

#[test]
fn output_that_a_guest_takes_the_name_of_counts_until_it_is_written() {
    let mut guest = Guest::new();
    let Files {
        preopens,
        ledger,
        budget,
        ..
    } = &guest.files;
    let (name, output) = Overflow::create(&preopens[0], "stdout", ledger, budget).unwrap();
    output.append(&[1; 10]).unwrap();
    let dir = guest.dir((0, 0));
    now(guest.view().unlink_file_at(dir, name)).unwrap();
    assert_eq!(guest.disk.used().bytes, 10);
    output.append(&[1; 20]).unwrap();
    assert_eq!(guest.disk.used().bytes, 30);
    drop(output);
    assert_eq!(guest.disk.used().bytes, 0);
}

#[test]
fn at_a_folders_limit_there_is_room_and_one_over_there_is_none_there_alone() {
    let mut guest = Guest::new();
    let (folder, beside) = ((1, 0), (0, 0));
    let full = usize::try_from(MAX_FOLDER_BYTES).unwrap();
    assert!(guest.step(&Step::Write(folder, 0, full)).is_ok());
    let over = guest.step(&Step::Write(folder, full as u64, 1));
    let told = over.unwrap_err();
    assert!(matches!(
        told.downcast_ref(),
        Some(ErrorCode::InsufficientSpace)
    ));
    assert!(guest.step(&Step::Write(beside, 0, full)).is_ok());
    let budget = &guest.files.budget;
    assert_eq!(budget.hits(), ["folder"]);
    assert_eq!(budget.full_folder().unwrap().as_str(), "/data");
    // What is left for all is less than what is left for the folder.
    assert!(guest.step(&Step::Truncate(folder)).is_ok());
    assert!(guest.step(&Step::Write(beside, 0, 80)).is_ok());
    assert!(guest.step(&Step::Write(folder, 0, 30)).is_err());
    assert_eq!(guest.files.budget.hits(), ["disk", "folder"]);
    assert_eq!(guest.files.budget.full_folder(), None);
}
