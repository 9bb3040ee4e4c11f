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
