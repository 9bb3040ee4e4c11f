use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::files::Unlimited;

/// A root that programs see at `/workspace`.
fn tree() -> (TempDir, Files) {
    let dir = tempfile::tempdir().unwrap();
    let root = Dir::open_ambient_dir(dir.path(), ambient_authority()).unwrap();
    let files = Files::new(Arc::new(root), "/workspace", Arc::new(Unlimited));
    (dir, files)
}

fn resolved(files: &Files, path: &str) -> Option<String> {
    let path = files.resolve(path).ok()?;
    Some(path.to_str().unwrap().to_owned())
}

#[test]
fn links_are_followed_within_the_root() {
    let (dir, files) = tree();
    std::fs::create_dir_all(dir.path().join("d/e")).unwrap();
    std::fs::write(dir.path().join("d/f"), "").unwrap();
    for (link, target) in [
        ("relative", "d"),
        ("absolute", "/workspace/d"),
        ("up", "../workspace/d"),
        ("top", "/"),
        ("self", "/workspace"),
        ("d/e/back", "../../d/f"),
        ("chain", "relative/e/back"),
    ] {
        symlink(target, dir.path().join(link)).unwrap();
    }
    for (path, expected) in [
        ("relative/f", "d/f"),
        ("absolute/f", "d/f"),
        ("up/f", "d/f"),
        ("top/workspace/d", "d"),
        ("self", ""),
        ("self/self/d", "d"),
        ("d/e/back", "d/f"),
        ("chain", "d/f"),
        ("relative/new/file", "d/new/file"),
        ("no/such/file", "no/such/file"),
    ] {
        assert_eq!(resolved(&files, path).as_deref(), Some(expected), "{path}");
    }
}

#[test]
fn a_link_that_leads_out_is_refused() {
    let (dir, files) = tree();
    for (at, target) in [
        "/etc",
        "..",
        "../..",
        "/workspace-evil",
        "/",
        "../x/../workspacer",
    ]
    .iter()
    .enumerate()
    {
        let link = at.to_string();
        symlink(target, dir.path().join(&link)).unwrap();
        for path in [link.clone(), format!("{link}/new"), format!("{link}/a/b")] {
            let error = files.resolve(&path).unwrap_err();
            assert!(matches!(error, PathError::Escapes), "{target}: {error}");
        }
    }
}

#[test]
fn a_dangling_link_is_a_path_of_its_own() {
    let (dir, files) = tree();
    symlink("nowhere", dir.path().join("dangling")).unwrap();
    assert_eq!(resolved(&files, "dangling").as_deref(), Some("dangling"));
    assert_eq!(
        resolved(&files, "dangling/a").as_deref(),
        Some("dangling/a")
    );
}

#[test]
fn a_file_is_no_folder() {
    let (dir, files) = tree();
    std::fs::write(dir.path().join("f"), "").unwrap();
    symlink("f/..", dir.path().join("odd")).unwrap();
    for path in ["f/x", "odd"] {
        let Err(PathError::Io(error)) = files.resolve(path) else {
            panic!("{path}");
        };
        assert_eq!(error.kind(), io::ErrorKind::NotADirectory);
    }
}

#[test]
fn links_are_counted() {
    let (dir, files) = tree();
    symlink("round", dir.path().join("round")).unwrap();
    assert!(matches!(files.resolve("round"), Err(PathError::Links)));
    std::fs::write(dir.path().join("0"), "").unwrap();
    for at in 1..=LINKS + 1 {
        symlink((at - 1).to_string(), dir.path().join(at.to_string())).unwrap();
    }
    let (edge, past) = (LINKS.to_string(), (LINKS + 1).to_string());
    assert_eq!(resolved(&files, &edge).as_deref(), Some("0"));
    assert!(matches!(files.resolve(&past), Err(PathError::Links)));
}

/// What is at a path of a generated tree.
#[derive(Clone, Debug)]
enum Node {
    Folder,
    File,
    Link(String),
}

fn node() -> impl Strategy<Value = Node> {
    let target = r"(/workspace/|/|\.\./)?[abc](/([abc]|\.\.)){0,3}";
    prop_oneof![
        Just(Node::Folder),
        Just(Node::File),
        target.prop_map(Node::Link)
    ]
}

/// Puts up as much of `nodes` as fits together.
fn plant(root: &Path, nodes: &BTreeMap<String, Node>) {
    for (path, node) in nodes {
        let path = root.join(path);
        let _ = match node {
            Node::Folder => std::fs::create_dir(path),
            Node::File => std::fs::write(path, ""),
            Node::Link(target) => symlink(target, path),
        };
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The model is the kernel: below a folder that stands for the top, the
    /// path that was found is the same file as the one that was asked for.
    #[test]
    fn it_leads_where_the_kernel_goes(
        nodes in prop::collection::btree_map("[abc](/[abc]){0,2}", node(), 0..9),
        user in r"/?(([abc]|\.\.|workspace)/){0,4}[abc]",
    ) {
        let dir = tempfile::tempdir().unwrap();
        let top = Dir::open_ambient_dir(dir.path(), ambient_authority()).unwrap();
        top.create_dir("workspace").unwrap();
        plant(&dir.path().join("workspace"), &nodes);
        let root = Arc::new(top.open_dir("workspace").unwrap());
        let files = Files::new(root, "/workspace", Arc::new(Unlimited));
        let Ok(found) = files.resolve(&user) else { return Ok(()) };

        prop_assert!(found.components().all(|part| matches!(part, Component::Normal(_))));
        let names = path::below(&["workspace"], &user).unwrap();
        let asked = ["workspace"].iter().chain(&names).collect::<PathBuf>();
        let meta = |path: &Path| kernel(&top, path);
        prop_assert_eq!(meta(&asked), meta(&Path::new("workspace").join(&found)));
    }
}

/// Device-free identity of what the kernel finds at `path` if `top` is `/`.
fn kernel(top: &Dir, path: &Path) -> Option<u64> {
    use rustix::fs::{Mode, OFlags, ResolveFlags};
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let found = rustix::fs::openat2(top, path, flags, Mode::empty(), ResolveFlags::IN_ROOT).ok()?;
    Some(rustix::fs::fstat(found).ok()?.st_ino)
}
