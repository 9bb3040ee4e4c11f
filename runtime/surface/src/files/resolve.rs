//! Where a caller's path leads on the disk, links followed.
//!
//! What this finds is advice: a guest may change the tree right after. What
//! then opens the path goes through the root's handle, which nothing leads
//! out of.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Component, Path, PathBuf};

use super::Files;
use super::path::{self, PathError};

/// How many links one path may lead through, as Linux itself has it.
const LINKS: u32 = 40;

impl Files {
    /// Where `user_path` leads: a path below the root with no link left in
    /// it, empty for the root itself. As far as there is no such file, the
    /// rest of the path is taken as it is written.
    ///
    /// Links are followed as programs see them, so an absolute one counts if
    /// it leads below the root's name. Blocks on the disk.
    ///
    /// # Errors
    /// It leads out of the root, or cannot be followed.
    pub fn resolve(&self, user_path: &str) -> Result<PathBuf, PathError> {
        let root = path::names(&self.name);
        self.resolve_below(Path::new(""), &path::below(&root, user_path)?)
    }

    /// Where `names` lead from the folder at `path`, one without links.
    pub(super) fn resolve_below(&self, path: &Path, names: &[&str]) -> Result<PathBuf, PathError> {
        let mut walk = Walk::new(self);
        walk.here.extend(path.iter().map(OsStr::to_owned));
        let mut names = names.iter();
        for name in names.by_ref() {
            let before = walk.here.clone();
            match walk.enter(OsStr::new(name)) {
                Err(PathError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                    walk.here = before;
                    walk.here.push(name.into());
                    break;
                }
                entered => entered?,
            }
        }
        walk.here.extend(names.map(OsString::from));
        walk.below().ok_or(PathError::Escapes)
    }

    /// Where `name` in the folder at `path`, one without links, leads.
    ///
    /// # Errors
    /// It leads nowhere, or out of the root.
    pub(super) fn resolve_in(&self, path: &Path, name: &OsStr) -> Result<PathBuf, PathError> {
        let mut walk = Walk::new(self);
        walk.here.extend(path.iter().map(OsStr::to_owned));
        walk.enter(name)?;
        walk.below().ok_or(PathError::Escapes)
    }
}

/// A walk over the tree as programs see it. Outside the root nothing is looked
/// at, and nothing is entered but the folders above it.
struct Walk<'a> {
    files: &'a Files,
    root: Vec<OsString>,
    /// Names from the top.
    here: Vec<OsString>,
    links: u32,
}

impl<'a> Walk<'a> {
    fn new(files: &'a Files) -> Self {
        let root: Vec<_> = path::names(&files.name)
            .into_iter()
            .map(OsString::from)
            .collect();
        Self {
            files,
            here: root.clone(),
            root,
            links: 0,
        }
    }

    /// Goes to `name` in the current folder, through all links.
    fn enter(&mut self, name: &OsStr) -> Result<(), PathError> {
        let mut pending = VecDeque::from([name.to_owned()]);
        while let Some(name) = pending.pop_front() {
            if name == ".." {
                self.here.pop();
                continue;
            }
            self.here.push(name);
            if !self.here.starts_with(&self.root) && !self.root.starts_with(&self.here) {
                return Err(PathError::Escapes);
            }
            let Some(path) = self.below().filter(|path| !path.as_os_str().is_empty()) else {
                continue;
            };
            let kind = self.files.root.symlink_metadata(&path)?.file_type();
            if kind.is_symlink() {
                let target = self.files.root.read_link_contents(&path)?;
                self.follow(&target, &mut pending)?;
            } else if !kind.is_dir() && !pending.is_empty() {
                return Err(io::Error::from(io::ErrorKind::NotADirectory).into());
            }
        }
        Ok(())
    }

    /// Puts `target` of the link that was just entered before what is pending.
    fn follow(&mut self, target: &Path, pending: &mut VecDeque<OsString>) -> Result<(), PathError> {
        self.links += 1;
        if self.links > LINKS {
            return Err(PathError::Links);
        }
        match target.is_absolute() {
            true => self.here.clear(),
            false => drop(self.here.pop()),
        }
        for part in target.components().rev() {
            match part {
                Component::Normal(name) => pending.push_front(name.to_owned()),
                Component::ParentDir => pending.push_front("..".into()),
                Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
            }
        }
        Ok(())
    }

    /// The current place below the root, if it is there.
    fn below(&self) -> Option<PathBuf> {
        Some(self.here.strip_prefix(&*self.root)?.iter().collect())
    }
}

#[cfg(test)]
mod tests;
