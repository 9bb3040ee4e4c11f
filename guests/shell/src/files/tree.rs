//! Whole files and trees: copied, moved from one disk to another, removed.

use std::io;

use super::{At, CHUNK_BYTES, io_error, write_from};
use crate::bindings::wasi::filesystem::types::{
    DescriptorFlags, DescriptorType, ErrorCode, OpenFlags,
};

/// Removes a file or an empty folder; with `recursive` a folder and all in it.
pub fn remove(at: &At<'_>, recursive: bool) -> io::Result<()> {
    match at.directory.unlink_file_at(&at.path) {
        // Systems differ in what they say of a folder.
        Err(ErrorCode::IsDirectory | ErrorCode::NotPermitted | ErrorCode::Access) => {
            remove_folder(at, recursive)
        }
        result => result.map_err(io_error),
    }
}

fn remove_folder(at: &At<'_>, recursive: bool) -> io::Result<()> {
    if recursive {
        for (kind, name) in children(at)? {
            let child = at.child(&name);
            match kind {
                DescriptorType::Directory => remove_folder(&child, true)?,
                _ => child
                    .directory
                    .unlink_file_at(&child.path)
                    .map_err(io_error)?,
            }
        }
    }
    at.directory.remove_directory_at(&at.path).map_err(io_error)
}

/// Copies the content of a file, a chunk at a time.
pub fn copy_file(from: &At<'_>, to: &At<'_>) -> io::Result<()> {
    let source = from.open(OpenFlags::empty(), DescriptorFlags::READ)?;
    let mut offset = 0;
    let mut target = None;
    loop {
        // Read first: a source that cannot be read leaves the target alone.
        let (chunk, end) = source.read(CHUNK_BYTES as u64, offset).map_err(io_error)?;
        let target = match &target {
            Some(target) => target,
            None => target.insert(to.open(
                OpenFlags::CREATE | OpenFlags::TRUNCATE,
                DescriptorFlags::WRITE,
            )?),
        };
        write_from(target, &chunk, offset)?;
        offset += chunk.len() as u64;
        if end {
            return Ok(());
        }
    }
}

/// Moves a file or a tree where the host cannot rename: copies, then removes.
pub fn move_over(from: &At<'_>, to: &At<'_>) -> io::Result<()> {
    copy_tree(from, to)?;
    remove(from, true)
}

fn copy_tree(from: &At<'_>, to: &At<'_>) -> io::Result<()> {
    let stat = from.stat()?;
    if stat.file_type.is_symlink() {
        let target = from.directory.readlink_at(&from.path).map_err(io_error)?;
        return to.directory.symlink_at(&target, &to.path).map_err(io_error);
    }
    if !stat.file_type.is_dir() {
        return copy_file(from, to);
    }
    to.directory
        .create_directory_at(&to.path)
        .map_err(io_error)?;
    for (_, name) in children(from)? {
        copy_tree(&from.child(&name), &to.child(&name))?;
    }
    Ok(())
}

fn children(at: &At<'_>) -> io::Result<Vec<(DescriptorType, String)>> {
    let folder = at.open(OpenFlags::DIRECTORY, DescriptorFlags::READ)?;
    let stream = folder.read_directory().map_err(io_error)?;
    let mut children = Vec::new();
    while let Some(entry) = stream.read_directory_entry().map_err(io_error)? {
        children.push((entry.type_, entry.name));
    }
    Ok(children)
}

impl At<'_> {
    fn child(&self, name: &str) -> At<'_> {
        At {
            directory: self.directory,
            path: format!("{}/{name}", self.path),
        }
    }
}
