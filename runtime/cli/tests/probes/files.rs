//! No file is reached but those below a granted folder.

use crate::harness::{Folder, Sandbox};

/// A folder `inside/` to grant, beside a file `secret` that is not.
fn beside_a_secret() -> Folder {
    Folder::with(&[
        ("secret", "secret"),
        ("inside/own", "own"),
        ("inside/sub/", ""),
    ])
}

pub mod escapes_by_dotdot {
    use super::*;
    use mote_artifacts::probes::ESCAPES_BY_DOTDOT;

    #[test]
    fn granted_works() {
        let outer = beside_a_secret();
        let sandbox = Sandbox::none().rw("/data", outer.at("inside"));
        for path in ["sub/../own", "./sub/./../sub/../own"] {
            let ran = sandbox.run(ESCAPES_BY_DOTDOT, &["/data", path]);
            assert!(ran.did().contains("read"), "{path}: {ran:?}");
        }
    }

    #[test]
    fn ungranted_is_denied() {
        let outer = beside_a_secret();
        let before = outer.snapshot();
        let sandbox = Sandbox::none().rw("/data", outer.at("inside"));
        for path in [
            "..",
            "../",
            "../secret",
            "./../secret",
            "sub/../../secret",
            "sub/../sub/../../secret",
            "../inside/own",
            "../new",
            "../../../../../../../../etc/passwd",
        ] {
            let ran = sandbox.run(ESCAPES_BY_DOTDOT, &["/data", path]);
            assert_eq!(ran.denied(), "not-permitted", "{path}");
        }
        assert_eq!(outer.snapshot(), before);
    }
}

pub mod escapes_by_absolute_path {
    use super::*;
    use mote_artifacts::probes::ESCAPES_BY_ABSOLUTE_PATH;

    #[test]
    fn granted_works() {
        let outer = beside_a_secret();
        let sandbox = Sandbox::none().ro("/data", outer.at("inside"));
        assert_eq!(
            sandbox.run(ESCAPES_BY_ABSOLUTE_PATH, &["/data/own"]).did(),
            "own"
        );
    }

    #[test]
    fn ungranted_is_denied() {
        let outer = beside_a_secret();
        let before = outer.snapshot();
        let sandbox = Sandbox::none().rw("/data", outer.at("inside"));
        let (secret, own) = (outer.at("secret"), outer.at("inside/own"));
        for path in [
            secret.to_str().unwrap(),
            own.to_str().unwrap(),
            "/etc/passwd",
            "/secret",
            "//etc/passwd",
        ] {
            sandbox.run(ESCAPES_BY_ABSOLUTE_PATH, &[path]).denied();
        }
        assert_eq!(outer.snapshot(), before);
    }
}

pub mod escapes_by_own_symlink {
    use super::*;
    use mote_artifacts::probes::ESCAPES_BY_OWN_SYMLINK;

    #[test]
    fn granted_works() {
        for target in ["own", "sub/../own", "./own"] {
            let outer = beside_a_secret();
            let sandbox = Sandbox::none().rw("/data", outer.at("inside"));
            let ran = sandbox.run(ESCAPES_BY_OWN_SYMLINK, &["/data", target]);
            assert!(ran.did().contains("read"), "{target}: {ran:?}");
        }
    }

    #[test]
    fn ungranted_is_denied() {
        let outer = beside_a_secret();
        let secret = outer.at("secret");
        let before = std::fs::read(&secret).unwrap();
        let sandbox = Sandbox::none().rw("/data", outer.at("inside"));
        for target in [
            "../secret",
            "..",
            "sub/../../secret",
            secret.to_str().unwrap(),
            "/",
            "/proc/self/root",
        ] {
            sandbox
                .run(ESCAPES_BY_OWN_SYMLINK, &["/data", target])
                .denied();
            // Whether the link itself may be made does not matter.
            let _ = std::fs::remove_file(outer.at("inside/link"));
        }
        assert_eq!(std::fs::read(&secret).unwrap(), before);
    }
}

pub mod escapes_by_planted_symlink {
    use super::*;
    use mote_artifacts::probes::ESCAPES_BY_PLANTED_SYMLINK;

    #[test]
    fn granted_works() {
        let outer = beside_a_secret();
        let inside = Sandbox::none().rw("/data", outer.at("inside"));
        outer.plant("inside/file", "own");
        outer.plant("inside/folder", "sub/..");
        for path in ["file", "folder/own"] {
            let ran = inside.run(ESCAPES_BY_PLANTED_SYMLINK, &["/data", path]);
            assert!(ran.did().contains("read"), "{path}: {ran:?}");
        }
    }

    #[test]
    fn ungranted_is_denied() {
        let outer = beside_a_secret();
        outer.plant("inside/file", "../secret");
        outer.plant("inside/folder", "..");
        outer.plant("inside/absolute", outer.at("secret"));
        outer.plant("inside/root", "/");
        outer.plant("inside/proc", "/proc/self/cwd");
        outer.plant("inside/chain", "file");
        outer.plant("inside/dangling", "../new");
        let before = outer.snapshot();
        let sandbox = Sandbox::none().rw("/data", outer.at("inside"));
        for path in [
            "file",
            "folder",
            "folder/secret",
            "absolute",
            "root",
            "root/etc/passwd",
            "proc",
            "chain",
            "dangling",
        ] {
            sandbox
                .run(ESCAPES_BY_PLANTED_SYMLINK, &["/data", path])
                .denied();
        }
        assert_eq!(outer.snapshot(), before);
    }

    #[test]
    fn a_program_behind_one_is_not_found() {
        let outer = Folder::with(&[("inside/", "")]);
        outer.plant("inside/tool.wasm", ESCAPES_BY_PLANTED_SYMLINK.file);
        let opened = Sandbox::none().ro("/data", outer.at("inside")).open();
        let argv = ["/data/tool.wasm".to_owned()];
        let rejection = crate::harness::rejection(opened.try_argv(&argv, Default::default()));
        assert!(matches!(rejection.exit_code(), 126 | 127), "{rejection:?}");
    }
}

pub mod escapes_by_hard_link {
    use super::*;
    use mote_artifacts::probes::ESCAPES_BY_HARD_LINK;

    #[test]
    fn granted_works() {
        let outer = beside_a_secret();
        let sandbox = Sandbox::none().rw("/data", outer.at("inside"));
        let ran = sandbox.run(ESCAPES_BY_HARD_LINK, &["/data", "own", "/data"]);
        assert_eq!(ran.did(), "wrote through the second name");
    }

    #[test]
    fn ungranted_is_denied() {
        let outer = beside_a_secret();
        outer.plant("inside/planted", "../secret");
        let before = outer.snapshot();
        let sandbox = Sandbox::none().rw("/data", outer.at("inside"));
        for path in ["../secret", "/etc/hostname", "planted/."] {
            sandbox
                .run(ESCAPES_BY_HARD_LINK, &["/data", path, "/data"])
                .denied();
        }
        assert_eq!(outer.snapshot(), before);
    }

    #[test]
    fn a_link_to_a_planted_symlink_reaches_nothing() {
        let outer = beside_a_secret();
        outer.plant("inside/planted", "../secret");
        let sandbox = Sandbox::none().rw("/data", outer.at("inside"));
        sandbox
            .run(ESCAPES_BY_HARD_LINK, &["/data", "planted", "/data"])
            .denied();
        assert_eq!(
            std::fs::read_to_string(outer.at("secret")).unwrap(),
            "secret"
        );
    }

    #[test]
    fn a_read_only_file_gets_no_name_where_it_could_be_written() {
        let outer = Folder::with(&[("read/own", "own"), ("write/", "")]);
        let before = outer.snapshot();
        let sandbox = Sandbox::none()
            .ro("/read", outer.at("read"))
            .rw("/write", outer.at("write"));
        let ran = sandbox.run(ESCAPES_BY_HARD_LINK, &["/read", "own", "/write"]);
        assert_eq!(ran.denied(), "not-permitted");
        assert_eq!(outer.snapshot(), before);
    }

    #[test]
    fn no_file_gets_a_name_across_the_border_of_a_folder_with_a_size_of_its_own() {
        let outer = Folder::with(&[("a/own", "own"), ("b/own", "own")]);
        let before = outer.snapshot();
        let sandbox = Sandbox::none()
            .rw("/a", outer.at("a"))
            .rw("/b", outer.at("b"))
            .sized("/b", 1 << 20);
        for (from, to) in [("/a", "/b"), ("/b", "/a")] {
            let ran = sandbox.run(ESCAPES_BY_HARD_LINK, &[from, "own", to]);
            assert_eq!(ran.denied(), "cross-device");
        }
        assert_eq!(outer.snapshot(), before);
        let ran = sandbox.run(ESCAPES_BY_HARD_LINK, &["/b", "own", "/b"]);
        assert_eq!(ran.did(), "wrote through the second name");
    }
}

pub mod escapes_by_rename_across {
    use super::*;
    use mote_artifacts::probes::ESCAPES_BY_RENAME_ACROSS;

    fn two() -> Folder {
        Folder::with(&[("a/own", "own"), ("b/other", "other"), ("secret", "secret")])
    }

    #[test]
    fn granted_works() {
        let outer = two();
        let sandbox = Sandbox::none()
            .rw("/a", outer.at("a"))
            .rw("/b", outer.at("b"));
        assert_eq!(
            sandbox
                .run(ESCAPES_BY_RENAME_ACROSS, &["/a", "own", "/b", "own"])
                .did(),
            "moved it"
        );
        assert_eq!(std::fs::read_to_string(outer.at("b/own")).unwrap(), "own");
    }

    #[test]
    fn ungranted_is_denied() {
        let outer = two();
        let before = outer.snapshot();
        let sandbox = Sandbox::none()
            .ro("/a", outer.at("a"))
            .rw("/b", outer.at("b"));
        for args in [
            ["/a", "own", "/b", "own"],
            ["/a", "own", "/b", "other"],
            ["/b", "other", "/a", "other"],
            ["/b", "other", "/a", "own"],
            ["/b", "../secret", "/b", "secret"],
            ["/b", "other", "/b", "../stolen"],
            ["/b", "../a/own", "/b", "own"],
        ] {
            assert_eq!(
                sandbox.run(ESCAPES_BY_RENAME_ACROSS, &args).denied(),
                "not-permitted",
                "{args:?}"
            );
        }
        assert_eq!(outer.snapshot(), before);
    }

    #[test]
    fn nothing_crosses_the_border_of_a_folder_with_a_size_of_its_own() {
        let outer = two();
        std::fs::create_dir(outer.at("a/folder")).unwrap();
        let before = outer.snapshot();
        for sized in ["/a", "/b"] {
            let sandbox = Sandbox::none()
                .rw("/a", outer.at("a"))
                .rw("/b", outer.at("b"))
                .sized(sized, 1 << 20);
            for args in [
                ["/a", "own", "/b", "own"],
                ["/a", "own", "/b", "other"],
                ["/b", "other", "/a", "new"],
                ["/a", "folder", "/b", "folder"],
                ["/a", "own", "/b", "../a/stolen"],
            ] {
                let ran = sandbox.run(ESCAPES_BY_RENAME_ACROSS, &args);
                assert_eq!(ran.denied(), "cross-device", "{args:?}");
            }
        }
        assert_eq!(outer.snapshot(), before);
    }
}

pub mod escapes_from_a_moved_folder {
    use super::*;
    use mote_artifacts::probes::ESCAPES_FROM_A_MOVED_FOLDER;

    #[test]
    fn ungranted_is_denied() {
        let outer = Folder::with(&[("secret", "secret"), ("from/a/b/", ""), ("to/", "")]);
        let sandbox = Sandbox::none()
            .rw("/from", outer.at("from"))
            .rw("/to", outer.at("to"));
        let ran = sandbox.run(ESCAPES_FROM_A_MOVED_FOLDER, &["/from", "/to"]);
        // The move itself is granted.
        assert_eq!(ran.denied(), "moved, and no way up");
        assert!(outer.at("to/b").is_dir());
    }
}

pub mod reads_proc {
    use super::*;
    use mote_artifacts::probes::READS_PROC;

    #[test]
    fn granted_works() {
        let fake = Folder::with(&[("self/status", "not the kernel's")]);
        let sandbox = Sandbox::none().ro("/proc", fake.path());
        assert_eq!(sandbox.run(READS_PROC, &[]).did(), "not the kernel's");
    }

    #[test]
    fn ungranted_is_denied() {
        let folder = Folder::with(&[]);
        folder.plant("planted", "/proc");
        Sandbox::none().run(READS_PROC, &[]).denied();
        Sandbox::none()
            .rw("/data", folder.path())
            .run(READS_PROC, &[])
            .denied();
    }
}

pub mod opens_a_named_pipe {
    use super::*;
    use mote_artifacts::probes::OPENS_A_NAMED_PIPE;

    #[test]
    fn a_file_works() {
        let folder = Folder::with(&[("pipe", "a file")]);
        let sandbox = Sandbox::none().ro("/data", folder.path());
        assert_eq!(
            sandbox.run(OPENS_A_NAMED_PIPE, &["/data", "pipe"]).did(),
            "a file"
        );
    }

    #[test]
    fn a_pipe_does_not_keep_the_host_waiting() {
        let folder = Folder::with(&[]);
        let (directory, mode) = (rustix::fs::CWD, rustix::fs::Mode::RWXU);
        rustix::fs::mknodat(
            directory,
            folder.at("pipe"),
            rustix::fs::FileType::Fifo,
            mode,
            0,
        )
        .unwrap();
        for sandbox in [
            Sandbox::none().ro("/data", folder.path()),
            Sandbox::none().rw("/data", folder.path()),
        ] {
            sandbox.run(OPENS_A_NAMED_PIPE, &["/data", "pipe"]).denied();
        }
    }
}

pub mod reads_a_relative_path {
    use super::*;
    use mote_artifacts::probes::{MODULE_READS_A_FILE, READS_A_RELATIVE_PATH};

    fn folder() -> Folder {
        Folder::with(&[("own", "own"), ("sub/deep", "deep")])
    }

    #[test]
    fn granted_works_from_each_working_directory() {
        let folder = folder();
        let sandbox = Sandbox::none().ro("/data", folder.path());
        for probe in [READS_A_RELATIVE_PATH, MODULE_READS_A_FILE] {
            for (cwd, path, content) in [
                ("/data", "own", "own"),
                ("/data", "./sub/deep", "deep"),
                ("/data", "sub/../own", "own"),
                ("/data/sub", "deep", "deep"),
                ("/data/sub", "/data/own", "own"),
                ("/workspace", "/data/own", "own"),
            ] {
                let ran = sandbox.run_in(cwd, probe, &[path]);
                assert_eq!(ran.did(), content, "{path} in {cwd}: {}", probe.name);
            }
        }
    }

    #[test]
    fn ungranted_is_denied() {
        let outer = beside_a_secret();
        let sandbox = Sandbox::none().ro("/data", outer.at("inside"));
        for probe in [READS_A_RELATIVE_PATH, MODULE_READS_A_FILE] {
            for (cwd, path) in [
                ("/data", "../secret"),
                ("/data/sub", "../../secret"),
                ("/workspace", "own"),
                ("/", "secret"),
                ("/etc", "passwd"),
                ("/", "etc/passwd"),
            ] {
                sandbox.run_in(cwd, probe, &[path]).denied();
            }
        }
    }
}
