//! Takes bashkit's published source, applies `patches/` in order and leaves the
//! result in `OUT_DIR` for `src/lib.rs` to include.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use diffy::patch_set::{FileOperation, ParseOptions, PatchSet};

/// The version that the patches were made for.
const PACKAGE: &str = concat!("bashkit-", env!("CARGO_PKG_VERSION"));

/// Where a package of jq has its definitions, and what they are called in the
/// result: the package only hands them out parsed, and patch 9 wants the text.
const JQ_DEFINITIONS: [(&str, &str); 2] = [
    ("jaq-core-", "src/builtins/jq/jaq_core_defs.jq"),
    ("jaq-std-", "src/builtins/jq/jaq_std_defs.jq"),
];

fn main() {
    println!("cargo::rerun-if-changed=patches");
    let metadata = metadata();
    let source = published(&metadata, PACKAGE);
    let copy = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("bashkit");
    if copy.exists() {
        fs::remove_dir_all(&copy).expect("OUT_DIR is ours");
    }
    // Documentation comments include files of the second.
    for folder in ["src", "docs"] {
        copy_folder(&source.join(folder), &copy.join(folder));
    }
    let mut patches: Vec<PathBuf> = entries(Path::new("patches")).collect();
    patches.sort();
    for patch in patches {
        apply(&patch, &copy);
    }
    for (package, target) in JQ_DEFINITIONS {
        let definitions = published(&metadata, package).join("src/defs.jq");
        let text = fs::read(definitions).expect("the package has definitions");
        fs::write(copy.join(target), text).expect("OUT_DIR is writable");
    }
    includable(&copy.join("src/lib.rs"));
}

/// What cargo says of the workspace's packages; it fetches what is missing.
fn metadata() -> String {
    let output = Command::new(env::var_os("CARGO").expect("cargo sets CARGO"))
        .args([
            "metadata",
            "--format-version=1",
            "--locked",
            "--manifest-path=../../Cargo.toml",
        ])
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "cargo metadata: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("cargo metadata is JSON")
}

/// Where cargo keeps the published source of the package whose folder's name
/// begins with `package`.
fn published(metadata: &str, package: &str) -> PathBuf {
    metadata
        .split('"')
        .filter_map(|text| text.strip_suffix("/Cargo.toml"))
        .map(PathBuf::from)
        .find(|folder| {
            let name = folder.file_name().and_then(OsStr::to_str);
            name.is_some_and(|name| name.starts_with(package))
        })
        .unwrap_or_else(|| panic!("the lock file names no {package}"))
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("OUT_DIR is writable");
    for entry in entries(from) {
        let target = to.join(entry.file_name().expect("an entry has a name"));
        if entry.is_dir() {
            copy_folder(&entry, &target);
        } else {
            // Not `fs::copy`: the registry's files may be read-only.
            fs::write(target, fs::read(&entry).expect("a readable source"))
                .expect("OUT_DIR is writable");
        }
    }
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(folder)
        .expect("a readable folder")
        .map(|entry| entry.expect("a readable folder").path())
}

fn apply(patch: &Path, root: &Path) {
    let name = patch.display();
    let text = fs::read_to_string(patch).expect("a readable patch");
    for file in PatchSet::parse(&text, ParseOptions::gitdiff()) {
        let file = file.unwrap_or_else(|error| panic!("{name}: {error}"));
        let operation = file.operation().strip_prefix(1);
        let (path, before) = match &operation {
            FileOperation::Create(path) => (root.join(path.as_ref()), String::new()),
            FileOperation::Modify { modified, .. } => {
                let path = root.join(modified.as_ref());
                let before = fs::read_to_string(&path)
                    .unwrap_or_else(|error| panic!("{name}: {modified}: {error}"));
                (path, before)
            }
            other => panic!("{name}: only changes and new files: {other:?}"),
        };
        let change = file.patch().as_text().expect("a text patch");
        let after = diffy::apply(&before, change)
            .unwrap_or_else(|error| panic!("{name}: {}: {error}", path.display()));
        fs::write(&path, after).expect("OUT_DIR is writable");
    }
}

/// Removes what may stand only at the top of a crate from its root, so that
/// another root can include it.
fn includable(root: &Path) {
    let text = fs::read_to_string(root).expect("bashkit has a root");
    let inner = |line: &&str| !line.starts_with("//!") && !line.starts_with("#![");
    let text: String = text
        .lines()
        .filter(inner)
        .flat_map(|line| [line, "\n"])
        .collect();
    fs::write(root, text).expect("OUT_DIR is writable");
}
