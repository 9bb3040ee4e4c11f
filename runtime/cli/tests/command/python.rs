//! `python3` says and does what CPython 3.14 says and does.
//!
//! The literal outputs are CPython's.

use crate::harness::{Mote, Output};

mod children;
mod streams;

fn python(code: &str) -> Output {
    Mote::new().run(&["python3", "-c", code])
}

#[track_caller]
fn fails(output: Output, code: i32, stderr: &str) {
    assert_eq!(output.stderr, stderr, "{output:#?}");
    assert_eq!(output.code, code, "{output:#?}");
}

#[test]
fn code_after_c_runs_with_its_arguments() {
    let mote = Mote::new();
    let argv = [
        "python3",
        "-c",
        "import sys; print(sys.argv, repr(sys.path[0]))",
        "-x",
        "b c",
    ];
    assert_eq!(mote.run(&argv).ok(), "['-c', '-x', 'b c'] ''\n");
}

#[test]
fn a_script_sees_its_own_path_and_imports_its_neighbours() {
    let mote = Mote::new()
        .file(
            "app/main.py",
            "import sys, near\nprint(sys.argv, __file__, __name__, sys.path[0], near.WORD)\n",
        )
        .file("app/near.py", "WORD = 'found'\n");
    assert_eq!(
        mote.run(&["python3", "app/main.py", "a"]).ok(),
        "['app/main.py', 'a'] /workspace/app/main.py __main__ /workspace/app found\n"
    );
}

#[test]
fn a_package_runs_as_a_module() {
    let mote = Mote::new().file("pack/__init__.py", "").file(
        "pack/__main__.py",
        "import sys\nprint(sys.argv, __package__, sys.path[0])\n",
    );
    assert_eq!(
        mote.run(&["python3", "-m", "pack", "a"]).ok(),
        "['/workspace/pack/__main__.py', 'a'] pack /workspace\n"
    );
    fails(
        mote.run(&["python3", "-m", "nothing"]),
        1,
        "/usr/bin/python3: No module named nothing\n",
    );
}

#[test]
fn a_folder_and_an_archive_with_a_main_run() {
    let mote = Mote::new()
        .file("app/__main__.py", "import helper\nprint(helper.WORD)\n")
        .file("app/helper.py", "WORD = 'helped'\n");
    assert_eq!(mote.run(&["python3", "app"]).ok(), "helped\n");
    mote.run(&["python3", "-m", "zipapp", "app", "-o", "app.pyz"])
        .ok();
    assert_eq!(mote.run(&["python3", "app.pyz"]).ok(), "helped\n");
}

#[test]
fn a_script_may_come_from_stdin() {
    let script = "import sys\nprint(sys.argv, __name__)\n";
    let dash = Mote::new().stdin(script).run(&["python3", "-", "a"]);
    assert_eq!(dash.ok(), "['-', 'a'] __main__\n");
    let bare = Mote::new().stdin(script).run(&["python3"]);
    assert_eq!(bare.ok(), "[''] __main__\n");
}

#[test]
fn a_program_reads_its_stdin() {
    let mote = Mote::new().stdin("hello\nwörld");
    let argv = [
        "python3",
        "-c",
        "print(input()); import sys; print(repr(sys.stdin.read()))",
    ];
    assert_eq!(mote.run(&argv).ok(), "hello\n'wörld'\n");
}

#[test]
fn exit_statuses_are_the_programs_own() {
    for (code, status) in [
        ("raise SystemExit", 0),
        ("import sys; sys.exit(3)", 3),
        ("import sys; sys.exit(-1)", 255),
        ("import sys; sys.exit(256)", 0),
        ("import sys; sys.exit(True)", 1),
        ("import os; os._exit(7)", 7),
        ("exit(4)", 4),
    ] {
        let output = python(code);
        assert_eq!(
            (output.code, output.stderr.as_str()),
            (status, ""),
            "{code}"
        );
    }
    fails(
        python("import sys; sys.exit('no such luck')"),
        1,
        "no such luck\n",
    );
}

#[test]
fn a_traceback_shows_the_source_of_code_after_c() {
    let expected = r#"Traceback (most recent call last):
  File "<string>", line 3, in <module>
    f()
    ~^^
  File "<string>", line 2, in f
    1/0
    ~^~
ZeroDivisionError: division by zero
"#;
    fails(python("def f():\n  1/0\nf()"), 1, expected);
}

#[test]
fn a_traceback_goes_through_the_library_with_its_source() {
    let expected = r#"Traceback (most recent call last):
  File "/workspace/load.py", line 2, in <module>
    json.loads("x")
    ~~~~~~~~~~^^^^^
  File "/usr/lib/python3.14/json/__init__.py", line 346, in loads
    return _default_decoder.decode(s)
           ~~~~~~~~~~~~~~~~~~~~~~~^^^
  File "/usr/lib/python3.14/json/decoder.py", line 345, in decode
    obj, end = self.raw_decode(s, idx=_w(s, 0).end())
               ~~~~~~~~~~~~~~~^^^^^^^^^^^^^^^^^^^^^^^
  File "/usr/lib/python3.14/json/decoder.py", line 363, in raw_decode
    raise JSONDecodeError("Expecting value", s, err.value) from None
json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)
"#;
    let mote = Mote::new().file("load.py", "import json\njson.loads(\"x\")\n");
    fails(mote.run(&["python3", "load.py"]), 1, expected);
}

#[test]
fn a_module_that_fails_shows_runpy_as_cpython_does() {
    let expected = r#"Traceback (most recent call last):
  File "<frozen runpy>", line 198, in _run_module_as_main
  File "<frozen runpy>", line 88, in _run_code
  File "/workspace/broken.py", line 1, in <module>
    import nowhere
ModuleNotFoundError: No module named 'nowhere'
"#;
    let mote = Mote::new().file("broken.py", "import nowhere\n");
    fails(mote.run(&["python3", "-m", "broken"]), 1, expected);
}

#[test]
fn a_syntax_error_has_no_traceback() {
    let expected = "  File \"<string>\", line 1\n    print(\"a\n          ^\nSyntaxError: unterminated string literal (detected at line 1)\n";
    fails(python("print(\"a"), 1, expected);
}

#[test]
fn endless_recursion_is_an_exception() {
    let output = python("def f(): f()\ntry: f()\nexcept RecursionError as error: print(error)");
    assert_eq!(output.ok(), "maximum recursion depth exceeded\n");
}

#[test]
fn no_frame_lies_below_the_program() {
    assert_eq!(
        python("import sys; print(sys._getframe().f_back)").ok(),
        "None\n"
    );
}

#[test]
fn wrong_options_are_usage_errors() {
    let rest = "usage: python3 [option] ... [-c cmd | -m mod | file | -] [arg] ...\nTry `python -h' for more information.\n";
    let mote = Mote::new();
    fails(
        mote.run(&["python3", "-Z"]),
        2,
        &format!("Unknown option: -Z\n{rest}"),
    );
    fails(
        mote.run(&["python3", "--foo"]),
        2,
        &format!("unknown option --foo\n{rest}"),
    );
    fails(
        mote.run(&["python3", "-c"]),
        2,
        &format!("Argument expected for the -c option\n{rest}"),
    );
    let missing = mote.run(&["python3", "nope.py"]);
    assert_eq!(missing.code, 2);
    assert!(
        missing
            .stderr
            .starts_with("python3: can't open file '/workspace/nope.py': [Errno "),
        "{missing:?}"
    );
}

#[test]
fn the_version_is_told() {
    let told = Mote::new().run(&["python3", "-V"]).ok();
    assert!(told.starts_with("Python 3.14."), "{told}");
}

#[test]
fn options_may_be_combined() {
    let mote = Mote::new();
    let argv = [
        "python3",
        "-OBuc",
        "assert 0; import sys; print(sys.flags.optimize, sys.dont_write_bytecode)",
    ];
    assert_eq!(mote.run(&argv).ok(), "1 True\n");
    let argv = [
        "python3",
        "-W",
        "error",
        "-c",
        "import warnings\ntry: warnings.warn('x')\nexcept UserWarning: print('raised')",
    ];
    assert_eq!(mote.run(&argv).ok(), "raised\n");
}

#[test]
fn what_is_open_is_written_when_the_program_ends() {
    let mote = Mote::new();
    let code = "import atexit\natexit.register(print, 'bye')\nfile = open('out.txt', 'w')\nfile.write('kept')\ndef use(): return file\nprint('end')";
    assert_eq!(mote.run(&["python3", "-c", code]).ok(), "end\nbye\n");
    assert_eq!(mote.read("out.txt"), "kept");
}

#[test]
fn a_file_of_the_workspace_shadows_a_library_module() {
    let mote = Mote::new().file("calendar.py", "WORD = 'mine'\n");
    assert_eq!(
        mote.run(&["python3", "-c", "import calendar; print(calendar.WORD)"])
            .ok(),
        "mine\n"
    );
}

#[test]
fn packages_come_from_pythonpath_and_from_a_virtual_environment() {
    let mote = Mote::new()
        .file("lib/one.py", "WORD = 1\n")
        .file(
            ".venv/lib/python3.14/site-packages/two/__init__.py",
            "WORD = 2\n",
        )
        .flag("-e")
        .flag("PYTHONPATH=lib");
    assert_eq!(
        mote.run(&[
            "python3",
            "-c",
            "import one, two; print(one.WORD, two.WORD)"
        ])
        .ok(),
        "1 2\n"
    );
}

#[test]
fn random_numbers_and_times_are_of_this_call() {
    let code = "import os, random, secrets, tempfile, time, uuid\nprint(random.random(), secrets.token_hex(), uuid.uuid4(), os.urandom(8), tempfile.mktemp(), time.time_ns(), sep='\\n')";
    let (first, second) = (python(code).ok(), python(code).ok());
    for (one, other) in first.lines().zip(second.lines()) {
        assert_ne!(one, other);
    }
    assert_eq!(first.lines().count(), 6);
}

#[test]
fn the_environment_is_of_this_call() {
    let mote = Mote::new().flag("-e").flag("COLOUR=blue");
    assert_eq!(
        mote.run(&[
            "python3",
            "-c",
            "import os; print(os.environ['COLOUR'], os.getcwd())"
        ])
        .ok(),
        "blue /workspace\n"
    );
}

#[test]
fn the_whole_library_can_be_imported() {
    // What is listed needs what a sandbox lacks, and says so by name.
    let code = r#"
import importlib, pkgutil, sys
failed = {}
for name in sorted(sys.stdlib_module_names):
    if name in ("antigravity", "this", "idlelib", "tkinter", "turtle", "turtledemo", "ensurepip", "venv") or name.startswith("_"):
        continue
    try:
        importlib.import_module(name)
    except ImportError as error:
        failed[name] = str(error)
print(*failed, sep=" ")
"#;
    assert_eq!(
        python(code).ok(),
        "bz2 ctypes curses fcntl grp lzma mmap msvcrt nt pty pwd readline resource ssl syslog termios tty winreg winsound\n"
    );
}

#[test]
fn zones_sql_xml_and_archives_work() {
    let code = r#"
import datetime, gzip, sqlite3, xml.etree.ElementTree as tree, zoneinfo
print(datetime.datetime(2024, 7, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")).isoformat())
base = sqlite3.connect("data.db")
base.execute("create table t(a)")
base.executemany("insert into t values(?)", [(1,), (2,)])
base.commit()
print(base.execute("select sum(a) from t").fetchone())
print(tree.fromstring("<a><b>x</b></a>").find("b").text, gzip.decompress(gzip.compress(b"abc")))
"#;
    assert_eq!(
        python(code).ok(),
        "2024-07-01T00:00:00+02:00\n(3,)\nx b'abc'\n"
    );
}

#[test]
fn coroutines_and_thread_pools_run() {
    let code = r#"
import asyncio
from concurrent.futures import ThreadPoolExecutor
async def later(n):
    await asyncio.sleep(n / 100)
    print(n)
    return n
async def main():
    return await asyncio.gather(later(2), later(1), asyncio.to_thread(lambda: 3))
print(asyncio.run(main()))
with ThreadPoolExecutor() as pool:
    print(list(pool.map(str, [1, 2])))
"#;
    assert_eq!(python(code).ok(), "1\n2\n[2, 1, 3]\n['1', '2']\n");
}

#[test]
fn what_is_not_there_fails_by_name() {
    for (code, message) in [
        ("import ctypes", "No module named '_ctypes'"),
        ("import ssl", "No module named '_ssl'"),
        (
            "import threading; threading.Thread(target=print).start()",
            "can't start new thread",
        ),
        (
            "import subprocess; subprocess.run(['nowhere'])",
            "'nowhere'",
        ),
    ] {
        let output = python(code);
        assert_eq!(output.code, 1);
        assert!(output.stderr.trim_end().ends_with(message), "{output:#?}");
    }
}
