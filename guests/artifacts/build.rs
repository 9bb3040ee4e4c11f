//! Lists the probes by their sources, so that none is forgotten, and
//! translates those that are written as WebAssembly text.
//!
//! The others take the guests' toolchain: `scripts/build-guests probes` builds
//! them, and a test that finds one missing says so.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A probe's source, and where its component lies once it is built.
type Probe = (PathBuf, PathBuf);

fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()?;
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    let built = root.join("target/guests-out");
    let texts = out.join("probes");

    let mut probes: Vec<Probe> = listed(&root.join("guests/probes/src/bin"), "rs")?
        .into_iter()
        .map(|source| built_as(&built.join("probes"), source))
        .collect();
    fs::create_dir_all(&texts)?;
    for source in listed(&root.join("guests/probes/wat"), "wat")? {
        let (source, file) = built_as(&texts, source);
        fs::write(&file, wat::parse_file(&source)?)?;
        probes.push((source, file));
    }
    probes.sort();
    fs::write(out.join("probes.rs"), table(&probes)?)?;

    let folders = [
        (
            "BUILT_PROBES",
            "What `scripts/build-guests probes` built.",
            built.join("probes"),
        ),
        ("TEXT_PROBES", "Probes written as text.", texts),
        (
            "TOOLS",
            "What `scripts/build-guests tools` built.",
            built.join("tools"),
        ),
        (
            "USERLAND",
            "`sh.wasm`, `python3.wasm` and `js.wasm`.",
            root.join("target/userland"),
        ),
    ];
    let constant =
        |(name, doc, folder)| format!("/// {doc}\npub const {name}: &str = {folder:?};\n");
    Ok(fs::write(
        out.join("folders.rs"),
        folders.map(constant).concat(),
    )?)
}

/// The files with this extension; cargo watches the folder for new ones.
fn listed(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|has| has == extension) {
            found.push(path);
        }
    }
    Ok(found)
}

fn built_as(folder: &Path, source: PathBuf) -> Probe {
    let file = folder.join(name_of(&source)).with_extension("wasm");
    (source, file)
}

fn name_of(path: &Path) -> &str {
    path.file_stem()
        .and_then(|name| name.to_str())
        .unwrap_or_default()
}

/// A constant for each probe, documented by the first lines of its source, and
/// the macro that names them all.
fn table(probes: &[Probe]) -> Result<String> {
    let (mut constants, mut calls) = (String::new(), String::new());
    for (source, file) in probes {
        let name = name_of(source);
        let text = fs::read_to_string(source)?;
        let comment = |line| {
            ["//!", ";;"]
                .iter()
                .find_map(|mark| str::strip_prefix(line, mark))
        };
        for line in text.lines().map_while(comment) {
            constants += &format!("///{line}\n");
        }
        constants += &format!(
            "pub const {}: Probe = Probe {{ name: {name:?}, file: {file:?} }};\n",
            name.to_uppercase()
        );
        calls += &format!("        $each!({name});\n");
    }
    Ok(format!(
        "{constants}
/// Calls a macro with the name of each probe, as an identifier.
#[macro_export]
macro_rules! foreach_probe {{
    ($each:ident) => {{
{calls}    }};
}}
"
    ))
}
