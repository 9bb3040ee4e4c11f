use std::os::unix::fs::symlink;

use crate::testing::{Account, TestBackend};
use crate::{FileError, Found};

#[test]
fn an_upload_that_is_dropped_leaves_nothing() {
    let account = Account::new(100, 10);
    let backend = TestBackend::with_quota(account.clone());
    let files = backend.raw_files();
    let mut upload = files.upload("f", 0o644).unwrap();
    upload.write(b"old").unwrap();
    upload.finish().unwrap();
    let mut upload = files.upload("f", 0o644).unwrap();
    upload.write(&[0; 97]).unwrap();
    assert_eq!(account.used(), (100, 2));
    assert!(matches!(upload.write(b"x"), Err(FileError::Full(_))));
    drop(upload);
    assert_eq!(account.used(), (3, 1));
    assert_eq!(std::fs::read(backend.path().join("f")).unwrap(), b"old");
}

#[test]
fn folders_that_were_made_for_a_failed_upload_go_with_it() {
    let account = Account::new(100, 6);
    let backend = TestBackend::with_quota(account.clone());
    let files = backend.raw_files();
    std::fs::create_dir(backend.path().join("kept")).unwrap();
    let upload = files.upload("kept/a/b/f", 0o644).unwrap();
    std::fs::write(backend.path().join("kept/a/of a guest"), "").unwrap();
    drop(upload);
    // What is in use stays, and is counted.
    assert!(!backend.path().join("kept/a/b").exists());
    assert!(backend.path().join("kept/a").exists());
    assert_eq!(account.used(), (0, 1));
    // There is room for all of the folders, and not for the file.
    assert!(files.upload("1/2/3/4/5/f", 0o644).is_err());
    assert!(!backend.path().join("1").exists());
    assert_eq!(account.used(), (0, 1));
    files.upload("x/y/f", 0o644).unwrap().finish().unwrap();
    assert!(backend.path().join("x/y/f").exists());
}

#[test]
fn a_guest_gains_nothing_from_an_unfinished_file() {
    let account = Account::new(1000, 10);
    let backend = TestBackend::with_quota(account.clone());
    let mut upload = backend.raw_files().upload("f", 0o644).unwrap();
    upload.write(&[0; 100]).unwrap();
    // A guest empties it, as its own account would book.
    let entry = std::fs::read_dir(backend.path()).unwrap().next().unwrap();
    let temporary = std::fs::File::options()
        .write(true)
        .open(entry.unwrap().path());
    temporary.unwrap().set_len(0).unwrap();
    upload.write(&[0; 100]).unwrap();
    drop(upload);
    // What the guest freed is still booked here, and no more than that.
    assert_eq!(account.used(), (100, 0));
}

#[test]
fn what_was_left_unfinished_is_swept() {
    let account = Account::new(1000, 10);
    let backend = TestBackend::with_quota(account.clone());
    let files = backend.raw_files();
    for path in ["a/f", "g"] {
        let mut upload = files.upload(path, 0o644).unwrap();
        upload.write(b"1234").unwrap();
        std::mem::forget(upload);
    }
    files.upload("kept", 0o644).unwrap().finish().unwrap();
    assert_eq!(account.used(), (8, 4));
    files.sweep_temporary().unwrap();
    assert_eq!(account.used(), (0, 2));
}

#[test]
fn a_tree_of_any_depth_is_deleted() {
    let account = Account::new(1000, 10_000);
    let backend = TestBackend::with_quota(account.clone());
    let files = backend.raw_files();
    // Deeper than a path may be long.
    let mut at =
        cap_std::fs::Dir::open_ambient_dir(backend.path(), cap_std::ambient_authority()).unwrap();
    let name = "d".repeat(200);
    for _ in 0..100 {
        crate::Quota::grow(&*account, 0, 2).unwrap();
        at.create_dir(&name).unwrap();
        at.write("f", "").unwrap();
        at = at.open_dir(&name).unwrap();
    }
    files.remove(&name, true).unwrap();
    assert_eq!(account.used(), (0, 1));
}

#[test]
fn deleting_a_folder_leaves_what_its_links_lead_to() {
    let backend = TestBackend::new();
    let at = |path: &str| backend.path().join(path);
    std::fs::create_dir_all(at("d/e")).unwrap();
    std::fs::create_dir(at("kept")).unwrap();
    std::fs::write(at("kept/f"), "").unwrap();
    symlink("../kept", at("d/link")).unwrap();
    symlink("../../kept", at("d/e/link")).unwrap();
    backend.raw_files().remove("d", true).unwrap();
    assert!(at("kept/f").exists() && !at("d").exists());
}

#[test]
fn a_pipe_is_not_opened() {
    let backend = TestBackend::new();
    let path = backend.path().join("pipe");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &path,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    let found = backend.raw_files().find("pipe");
    assert!(matches!(found, Err(FileError::Special)));
    assert!(matches!(backend.raw_files().find(""), Ok(Found::Folder(_))));
}
