//! A folder granted to read stays as it is.

use crate::harness::{Folder, Sandbox};

pub mod changes_a_folder {
    use super::*;
    use mote_artifacts::probes::CHANGES_A_FOLDER;

    const CHANGES: [&str; 22] = [
        "create",
        "create-to-read",
        "truncate-to-write",
        "truncate-to-read",
        "open-to-write",
        "set-size",
        "write",
        "write-by-stream",
        "append-by-stream",
        "set-times",
        "set-times-at",
        "set-times-of-link",
        "set-times-of-folder",
        "rename",
        "replace",
        "create-directory",
        "remove-directory",
        "unlink",
        "unlink-link",
        "link",
        "symlink",
        "create-below-handle",
    ];
    /// Opens and changes nothing.
    const NO_CHANGE: &str = "open-to-write";

    fn folder() -> Folder {
        let folder = Folder::with(&[("file", "content"), ("other", "other"), ("sub/", "")]);
        folder.plant("link", "file");
        folder
    }

    #[test]
    fn read_write_works() {
        for change in CHANGES {
            let folder = folder();
            let before = folder.snapshot();
            let sandbox = Sandbox::none().rw("/data", folder.path());
            assert_eq!(
                sandbox.run(CHANGES_A_FOLDER, &[change, "/data"]).did(),
                change
            );
            assert_eq!(folder.snapshot() == before, change == NO_CHANGE, "{change}");
        }
    }

    #[test]
    fn read_only_is_denied() {
        let folder = folder();
        let before = folder.snapshot();
        let sandbox = Sandbox::none().ro("/data", folder.path());
        for change in CHANGES {
            assert_eq!(
                sandbox.run(CHANGES_A_FOLDER, &[change, "/data"]).denied(),
                "not-permitted",
                "{change}"
            );
        }
        assert_eq!(folder.snapshot(), before);
    }

    #[test]
    fn a_writable_folder_within_a_read_only_one_opens_no_more_than_itself() {
        let outer = Folder::with(&[
            ("file", "content"),
            ("other", ""),
            ("sub/", ""),
            ("out/", ""),
        ]);
        outer.plant("link", "file");
        let sandbox = Sandbox::none()
            .ro("/data", outer.path())
            .rw("/out", outer.at("out"));
        let before = outer.snapshot();
        for change in CHANGES {
            sandbox.run(CHANGES_A_FOLDER, &[change, "/data"]).denied();
        }
        assert_eq!(outer.snapshot(), before);
    }
}
