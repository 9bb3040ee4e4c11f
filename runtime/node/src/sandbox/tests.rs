//! What a sandbox does while the disk takes its time.

use std::fs::File;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::*;
use crate::node::tests::{make, open};

#[tokio::test]
async fn calls_do_not_wait_until_a_record_is_on_the_disk() {
    let state = tempfile::tempdir().unwrap();
    let node = open(state.path());
    let sandbox = make(&node, "a", "/workspace").await.unwrap();
    // A record is written beside its place first: there, to a pipe that nobody
    // reads yet.
    let home = std::fs::read_dir(state.path().join("state/sandboxes"));
    let home = home.unwrap().next().unwrap().unwrap().path();
    let pipe = home.join(".sandbox.json.new");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RWXU, 0).unwrap();
    let suspended = tokio::spawn({
        let sandbox = Arc::clone(&sandbox);
        async move { sandbox.suspend().await }
    });
    while sandbox.keeping.try_lock().is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(sandbox.admit().is_ok() && sandbox.told().is_some());
    drop(File::open(&pipe).unwrap());
    // A pipe is no disk on which the record would be safe.
    let kept = suspended.await.unwrap();
    assert!(matches!(kept, Err(LifeError::Store(_))));
    assert_eq!(sandbox.phase(), Phase::Ready);
    std::fs::remove_file(&pipe).unwrap();
    sandbox.suspend().await.unwrap();
    assert_eq!(sandbox.phase(), Phase::Suspended);
    assert!(sandbox.record().suspended);
}
