//! What of volumes and mounts makes sense, and what does not.

use mote_rpc::rules::{MAX_PART_BYTES, MAX_PARTS};

use super::*;

fn own(name: &str) -> v1::Volume {
    v1::Volume {
        name: name.to_owned(),
        source: Some(Source::EmptyDir(v1::EmptyDir { size_bytes: 0 })),
    }
}

fn sized(name: &str, size_bytes: u64) -> v1::Volume {
    v1::Volume {
        name: name.to_owned(),
        source: Some(Source::EmptyDir(v1::EmptyDir { size_bytes })),
    }
}

fn sent(name: &str, paths: &[&str]) -> v1::Volume {
    let file = |path: &&str| v1::File {
        path: (*path).to_owned(),
        content: b"text".to_vec(),
        mode: 0o644,
    };
    let files = paths.iter().map(file).collect();
    v1::Volume {
        name: name.to_owned(),
        source: Some(Source::Files(v1::Files { files })),
    }
}

fn mount(volume: &str, path: &str) -> v1::Mount {
    v1::Mount {
        volume: volume.to_owned(),
        path: path.to_owned(),
        ..v1::Mount::default()
    }
}

fn sub(volume: &str, path: &str, sub_path: &str, read_only: bool) -> v1::Mount {
    v1::Mount {
        sub_path: sub_path.to_owned(),
        read_only,
        ..mount(volume, path)
    }
}

/// Whether it is refused, by a sentence that says what to do.
fn is_refused(volumes: Vec<v1::Volume>, mounts: Vec<v1::Mount>, working_dir: &str) -> bool {
    match parse(volumes, mounts, working_dir) {
        Ok(_) => false,
        Err(told) => {
            assert!(told.contains(';') && !told.contains('\n'), "{told}");
            assert!(told.len() < 2_048, "{} bytes", told.len());
            true
        }
    }
}

#[test]
fn what_is_asked_for_is_what_a_session_has() {
    let volumes = vec![own("work"), sent("conf", &["b", "a/c"])];
    let mounts = vec![
        sub("work", "/data/", "x/y", true),
        sub("conf", "/etc/app", "a", false),
    ];
    let (outfit, files) = parse(volumes, mounts, "/data/deep").unwrap();
    assert_eq!(outfit.own().collect::<Vec<_>>(), ["work"]);
    assert_eq!(outfit.mounts[0].path.as_str(), "/data");
    assert!(outfit.mounts[1].read_only, "what was sent stays as it is");
    assert_eq!(outfit.folder().as_str(), "/data/deep");
    let paths: Vec<_> = files["conf"].iter().map(|file| &file.path).collect();
    assert_eq!(paths, ["a/c", "b"]);
}

#[test]
fn nothing_asked_for_is_a_plain_session() {
    let (outfit, files) = parse(Vec::new(), Vec::new(), "").unwrap();
    assert_eq!((outfit, files.len()), (crate::outfit::PLAIN.clone(), 0));
}

#[test]
fn paths_of_files_lead_nowhere_else() {
    let deepest = ["d"; MAX_PARTS].join("/");
    let longest = "x".repeat(MAX_PART_BYTES);
    for good in ["a", ".a", "a..b", &deepest, &longest] {
        assert!(!is_refused(vec![sent("v", &[good])], vec![], ""), "{good}");
    }
    let (deeper, longer) = (format!("{deepest}/d"), format!("{longest}x"));
    let long = [longest.as_str(); 5].join("/");
    for bad in [
        "", "/a", "a/", "a//b", "./a", "../a", "a/..", "..data", "a/..b", "a\0b", &deeper, &longer,
        &long,
    ] {
        assert!(is_refused(vec![sent("v", &[bad])], vec![], ""), "{bad}");
    }
    assert!(is_refused(vec![sent("v", &["a", "a"])], vec![], ""));
    assert!(is_refused(
        vec![sent("v", &["a/b", "a-b", "a"])],
        vec![],
        ""
    ));
}

#[test]
fn volumes_have_names_of_their_own_that_are_names() {
    let longest = "x".repeat(MAX_VOLUME_NAME_BYTES);
    assert!(!is_refused(vec![own(&longest), own("a-1")], vec![], ""));
    let longer = format!("{longest}x");
    for bad in ["", "a/b", "..", "A", "a_b", &longer] {
        assert!(is_refused(vec![own(bad)], vec![], ""), "{bad}");
    }
    assert!(is_refused(vec![own("a"), sent("a", &[])], vec![], ""));
    let unknown = v1::Volume {
        name: "a".to_owned(),
        source: None,
    };
    assert!(is_refused(vec![unknown], vec![], ""));
    let mut odd = sent("a", &["f"]);
    if let Some(Source::Files(files)) = &mut odd.source {
        files.files[0].mode = 0o1777;
    }
    assert!(is_refused(vec![odd], vec![], ""));
}

#[test]
fn mounts_lie_beside_each_other_and_beside_the_sessions_own_folders() {
    let at = |paths: &[&str]| {
        let mounts = paths.iter().map(|path| mount("v", path)).collect();
        is_refused(vec![own("v")], mounts, "")
    };
    assert!(!at(&["/data", "/data2", "/a/b", "/a/c"]));
    for bad in ["/", "/workspace/x", "/tmp/x", "data", "", "/a/../b"] {
        assert!(at(&[bad]), "{bad}");
    }
    for pair in [["/a", "/a"], ["/a", "/a/b"], ["/a/b", "/a"]] {
        assert!(at(&pair), "{pair:?}");
    }
    assert!(is_refused(vec![own("v")], vec![mount("w", "/a")], ""));
}

#[test]
fn over_a_folder_that_sessions_have_is_all_of_a_volume_of_their_own_and_no_other() {
    let v = || vec![sized("v", 5)];
    let (outfit, _) = parse(v(), vec![mount("v", "/tmp/")], "").unwrap();
    assert_eq!(outfit.own().count(), 0, "it has no folder besides");
    assert_eq!(outfit.over_own("v").unwrap().as_str(), "/tmp");
    let both = |n| match n {
        0 => mount("v", "/workspace"),
        _ => mount("w", "/tmp"),
    };
    let two = vec![own("v"), sized("w", 1)];
    assert!(!is_refused(two, vec![both(0), both(1)], ""));
    for mounts in [
        vec![sub("v", "/workspace", "x", false)],
        vec![sub("v", "/workspace", "", true)],
        vec![mount("v", "/workspace"), mount("v", "/tmp")],
        vec![mount("v", "/workspace"), mount("v", "/workspace")],
        vec![mount("v", "/data"), mount("v", "/tmp")],
    ] {
        assert!(is_refused(v(), mounts.clone(), ""), "{mounts:?}");
    }
    let files = vec![sent("v", &["f"])];
    assert!(is_refused(files, vec![mount("v", "/workspace")], ""));
}

#[test]
fn a_size_is_that_of_all_places_where_its_volume_is_seen() {
    let volumes = vec![own("w"), sized("v", 5)];
    let mounts = vec![
        mount("w", "/w"),
        mount("v", "/a"),
        sub("v", "/b", "x", false),
    ];
    let (outfit, _) = parse(volumes, mounts, "").unwrap();
    let bounded: Vec<_> = outfit.bounded().collect();
    let [(volume, seen)] = &bounded[..] else {
        panic!("{bounded:?}")
    };
    assert_eq!((volume.name.as_str(), volume.max_bytes), ("v", 5));
    let seen: Vec<_> = seen.iter().map(GuestPath::as_str).collect();
    assert_eq!(seen, ["/a", "/b"]);
}

#[test]
fn a_sub_path_is_a_folder_of_its_volume() {
    let of_files = |sub_path: &str| {
        let mounts = vec![sub("v", "/a", sub_path, true)];
        is_refused(vec![sent("v", &["d/e/f", "g"])], mounts, "")
    };
    assert!(!of_files("d") && !of_files("d/e") && !of_files(""));
    assert!(of_files("g") && of_files("d/e/f") && of_files("x") && of_files("../v"));
    let of_own = |sub_path| is_refused(vec![own("v")], vec![sub("v", "/a", sub_path, false)], "");
    assert!(!of_own("not/there/yet") && of_own("/abs") && of_own("../w"));
}

#[test]
fn what_is_to_be_read_alone_is_not_to_be_changed_elsewhere() {
    let pair = |read: &str, write: &str| {
        let mounts = vec![sub("v", "/r", read, true), sub("v", "/w", write, false)];
        is_refused(vec![own("v")], mounts, "")
    };
    assert!(pair("", "") && pair("a", "") && pair("a/b", "a") && pair("a", "a"));
    assert!(!pair("a", "b") && !pair("ab", "a") && !pair("", "a") && !pair("a", "a/b"));
}

#[test]
fn programs_begin_in_a_folder_of_the_session() {
    let begin = |path: &str| is_refused(vec![own("v")], vec![mount("v", "/data")], path);
    for good in ["/workspace", "/workspace/app/", "/tmp", "/data", "/data/x"] {
        assert!(!begin(good), "{good}");
    }
    for bad in ["/", "/srv", "app", "/workspace/..", "/datax"] {
        assert!(begin(bad), "{bad}");
    }
}

#[test]
fn there_is_as_much_as_may_be_and_no_more() {
    let volumes = |count| (0..count).map(|n| own(&format!("v{n}"))).collect();
    assert!(!is_refused(volumes(MAX_VOLUMES), vec![], ""));
    assert!(is_refused(volumes(MAX_VOLUMES + 1), vec![], ""));
    let mounts = |count| {
        let mounts = (0..count).map(|n| mount("v", &format!("/m{n}")));
        is_refused(vec![own("v")], mounts.collect(), "")
    };
    assert!(!mounts(MAX_MOUNTS) && mounts(MAX_MOUNTS + 1));
    let files = |count: usize| {
        let paths: Vec<_> = (0..count / 2).map(|n| n.to_string()).collect();
        let paths: Vec<_> = paths.iter().map(String::as_str).collect();
        let rest = ["x"; 1];
        let rest = if count.is_multiple_of(2) {
            &[][..]
        } else {
            &rest
        };
        is_refused(
            vec![sent("a", &paths), sent("b", &paths), sent("c", rest)],
            vec![],
            "",
        )
    };
    assert!(!files(MAX_FILES) && files(MAX_FILES + 1));
    let bytes = |count: usize| {
        let mut volume = sent("a", &["f"]);
        if let Some(Source::Files(files)) = &mut volume.source {
            files.files[0].content = vec![0; count];
        }
        is_refused(vec![volume], vec![], "")
    };
    assert!(!bytes(MAX_FILE_BYTES) && bytes(MAX_FILE_BYTES + 1));
}
