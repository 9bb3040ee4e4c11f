//! Ways around a bound that were found by trying; each is shut.

use std::fs;

use crate::harness::{Mote, mote, output, userland, warm_cache};

/// Files that a sandbox may add in these tests.
const ENTRIES: &str = "20";

#[test]
fn renaming_a_folder_or_a_link_onto_itself_earns_no_entries() {
    let program = "
import os
os.mkdir('folder')
os.symlink('nowhere', 'link')
for _ in range(500):
    os.rename('folder', 'folder')
    os.rename('link', 'link')
made = 0
try:
    for made in range(100):
        open(f'file{made}', 'w').close()
except OSError:
    pass
print(made)
";
    let sandbox = Mote::new().flag("--entries").flag(ENTRIES);
    let made = sandbox.run(&["python3", "-c", program]).ok();
    assert_eq!(made.trim(), "18");
}

#[test]
fn open_listings_of_folders_count_as_memory() {
    let program = "
import os
held = []
while True:
    held.append(os.scandir('/tmp'))
";
    let sandbox = Mote::new().flag("--memory").flag("64Mi").flag("--json");
    let ended = sandbox.run(&["python3", "-c", program]);
    assert_eq!(ended.code, 137, "{ended:?}");
    assert!(ended.stdout.contains(r#""reason":"memory""#), "{ended:?}");
}

#[test]
fn nobody_computes_on_while_a_program_is_compiled() {
    warm_cache();
    // An engine with a section of its own is another program, and takes
    // seconds to compile.
    let mut program = fs::read(userland().join("js.wasm")).unwrap();
    let nonce = std::process::id().to_string();
    let name = b"test";
    let length = u8::try_from(1 + name.len() + nonce.len()).unwrap();
    program.extend([0, length, u8::try_from(name.len()).unwrap()]);
    program.extend(name);
    program.extend(nonce.bytes());

    let sandbox = Mote::new().file("engine.wasm", program);
    let sandbox = sandbox.flag("--timeout").flag("1s").flag("--json");
    let line = "while :; do :; done & ./engine.wasm -e 1; wait";
    let ended = sandbox.sh(line);
    assert_eq!(ended.code, 124, "{ended:?}");
    let (_, after) = ended.stdout.split_once(r#""cpu_us":"#).unwrap();
    let cpu_us: u64 = after.split(',').next().unwrap().parse().unwrap();
    assert!(cpu_us < 2_000_000, "{ended:?}");
}

#[test]
fn no_guest_is_given_the_code_cache_to_write() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    let grant = |flag: &str| {
        let mut command = mote(&cache);
        let command = command
            .arg("run")
            .arg(flag)
            .arg(folder.path())
            .args(["--", "./m", "x"]);
        output(command, b"")
    };
    let refused = grant("--rw");
    assert_eq!(refused.code, 125, "{refused:?}");
    assert!(
        refused.stderr.contains("where no guest may write"),
        "{refused:?}"
    );
    assert_eq!(grant("--ro").code, 127);
}

#[test]
fn what_may_only_be_read_cannot_lie_in_a_folder_that_may_be_written() {
    let sandbox = Mote::bare().file("sub/f", "as it was");
    let sandbox = sandbox.flag("--rw").flag(".");
    let sandbox = sandbox.flag("--ro").flag("sub:/sub");
    let why = sandbox.sh("echo").failed(2);
    assert!(why.contains("it lies in"), "{why}");
    assert_eq!(sandbox.read("sub/f"), "as it was");
}

#[test]
fn a_deleted_file_that_is_open_by_another_name_still_takes_disk() {
    let program = "
import os
held = []
try:
    for n in range(12):
        with open('/out/f', 'wb') as file:
            file.write(bytes(900_000))
        held.append(open('/all/out/f', 'rb'))
        os.unlink('/out/f')
except OSError:
    pass
print(len(held))
";
    let sandbox = Mote::bare().file("out/keep", "");
    let sandbox = sandbox.flag("--ro").flag(".:/all");
    let sandbox = sandbox.flag("--rw").flag("out:/out");
    let sandbox = sandbox.flag("--disk").flag("1Mi");
    let held = sandbox.run(&["python3", "-c", program]).ok();
    assert_eq!(held.trim(), "1");
}

#[test]
fn a_component_with_endless_names_is_refused_at_once() {
    use wasm_encoder::{
        ComponentImportSection, ComponentTypeRef, ComponentTypeSection, PrimitiveValType,
    };
    let mut types = ComponentTypeSection::new();
    types
        .function()
        .params([("a", PrimitiveValType::U8)])
        .result(None);
    let mut imports = ComponentImportSection::new();
    for n in 0..60 {
        let name = format!("n{n}-{}", "x".repeat(90_000));
        imports.import(&name, ComponentTypeRef::Func(0));
    }
    let mut component = wasm_encoder::Component::new();
    component.section(&types).section(&imports);
    let sandbox = Mote::new().file("names.wasm", component.finish());
    let ended = sandbox.run(&["./names.wasm", "x"]);
    assert_eq!(ended.code, 126, "{ended:?}");
}

#[test]
fn a_limit_that_was_hit_is_named_even_if_the_program_ends_well() {
    let line = "yes | head -c 3000000 > big 2>/dev/null; true";
    let sandbox = Mote::new().flag("--disk").flag("1Mi").flag("--json");
    let told = sandbox.sh(line).ok();
    assert!(told.contains(r#""limits_hit":["disk"]"#), "{told}");
    let fine = Mote::new().flag("--json").sh("true").ok();
    assert!(!fine.contains("limits_hit"), "{fine}");
}

#[test]
fn a_status_of_its_own_is_kept_by_a_program_that_was_refused_memory() {
    let program = "
import sys
try:
    bytearray(10**9)
except MemoryError:
    sys.exit(3)
";
    let sandbox = Mote::new().flag("--memory").flag("64Mi");
    assert_eq!(sandbox.run(&["python3", "-c", program]).code, 3);
}

#[test]
fn a_working_directory_that_is_not_there_is_refused() {
    let why = Mote::new()
        .flag("-w")
        .flag("/workspace/no")
        .sh("pwd")
        .failed(2);
    assert!(why.contains("/workspace/no"), "{why}");
    assert_eq!(Mote::new().flag("-w").flag("/").sh("pwd").ok(), "/\n");
}
