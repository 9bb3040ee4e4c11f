//! Folders and every way to reach what lies behind a path.

use crate::bindings::wasi::filesystem::preopens::get_directories;
use crate::bindings::wasi::filesystem::types::{
    Descriptor, DescriptorFlags, ErrorCode, NewTimestamp, OpenFlags, PathFlags,
};

/// The preopened directory at `guest`.
///
/// # Panics
/// There is none: the test is wrong.
pub fn preopen(guest: &str) -> Descriptor {
    let found = get_directories()
        .into_iter()
        .find(|(_, path)| path == guest);
    found
        .unwrap_or_else(|| panic!("nothing is preopened at {guest}"))
        .0
}

/// Opens `path` to read and, if that is permitted, to write.
pub fn open(directory: &Descriptor, path: &str) -> Result<Descriptor, ErrorCode> {
    let with =
        |flags| directory.open_at(PathFlags::SYMLINK_FOLLOW, path, OpenFlags::empty(), flags);
    with(DescriptorFlags::READ | DescriptorFlags::WRITE).or_else(|_| with(DescriptorFlags::READ))
}

/// The first bytes of a file, as text.
pub fn head(file: &Descriptor) -> Result<String, ErrorCode> {
    let (bytes, _) = file.read(64, 0)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Tries every operation that follows `path` to what it names.
pub fn reach(directory: &Descriptor, path: &str) -> Result<String, String> {
    let follow = PathFlags::SYMLINK_FOLLOW;
    let open = |oflags, flags| directory.open_at(follow, path, oflags, flags);
    first_success([
        ("stat", directory.stat_at(follow, path).map(drop)),
        ("hash", directory.metadata_hash_at(follow, path).map(drop)),
        (
            "read",
            open(OpenFlags::empty(), DescriptorFlags::READ)
                .and_then(|file| head(&file))
                .map(drop),
        ),
        (
            "list",
            open(OpenFlags::DIRECTORY, DescriptorFlags::READ).map(drop),
        ),
        (
            "set-times",
            directory.set_times_at(follow, path, NewTimestamp::NoChange, NewTimestamp::Now),
        ),
        (
            "write",
            open(OpenFlags::empty(), DescriptorFlags::WRITE)
                .and_then(|file| file.write(b"overwritten", 0))
                .map(drop),
        ),
        (
            "create",
            open(OpenFlags::CREATE, DescriptorFlags::WRITE).map(drop),
        ),
    ])
}

/// Tries every operation on the name `path` itself.
pub fn alter(directory: &Descriptor, path: &str) -> Result<String, String> {
    let made = format!("{path}/made");
    first_success([
        ("readlink", directory.readlink_at(path).map(drop)),
        ("create-directory", directory.create_directory_at(&made)),
        ("symlink", directory.symlink_at("anywhere", &made)),
        (
            "link",
            directory.link_at(PathFlags::empty(), path, directory, "linked"),
        ),
        ("rename", directory.rename_at(path, directory, "renamed")),
        ("unlink", directory.unlink_file_at(path)),
        ("remove-directory", directory.remove_directory_at(path)),
    ])
}

/// The operations that succeeded, or why the first did not.
fn first_success<const N: usize>(
    tried: [(&str, Result<(), ErrorCode>); N],
) -> Result<String, String> {
    let worked: Vec<_> = tried
        .iter()
        .filter(|(_, result)| result.is_ok())
        .map(|(name, _)| *name)
        .collect();
    if !worked.is_empty() {
        return Ok(worked.join(" "));
    }
    let why = tried.iter().find_map(|(_, result)| result.err());
    Err(why.map_or("nothing", |why| why.name()).to_owned())
}
