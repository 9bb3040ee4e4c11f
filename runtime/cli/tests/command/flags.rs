//! What the options of `mote run` do, and what is said of mistakes in them.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;

use crate::harness::{Mote, finish, mote, output, shared_cache};

fn words(words: &[&str]) -> crate::harness::Output {
    output(mote(&shared_cache()).args(words), b"")
}

#[test]
fn an_unknown_flag_is_named_in_one_line_with_the_nearest_known_one() {
    let line = words(&["run", "--timout", "1s", "ls"]).failed(2);
    assert!(
        line.starts_with("mote: unexpected argument '--timout'"),
        "{line}"
    );
    assert!(
        line.contains("'--timeout'") && line.contains("--help"),
        "{line}"
    );
}

#[test]
fn every_mistake_is_named_at_once() {
    let output = words(&[
        "run",
        "--memory",
        "lots",
        "--ro",
        "/missing/folder",
        "-w",
        "a\nb",
        "-e",
        "=",
        "ls",
    ]);
    assert_eq!(output.code, 2, "{output:#?}");
    for named in [
        "mote: --memory lots: ",
        "mote: --ro /missing/folder: ",
        "mote: environment variable \"\"",
    ] {
        assert_eq!(output.stderr.matches(named).count(), 1, "{output:#?}");
    }
}

#[test]
fn help_has_examples_and_ends_with_0() {
    for help in [words(&["--help"]), words(&["run", "--help"])] {
        assert!(help.stdout.contains("Examples:"), "{help:#?}");
        help.ok();
    }
}

#[test]
fn each_shell_gets_its_completions() {
    for shell in ["bash", "zsh", "fish"] {
        let script = words(&["completions", shell]).ok();
        assert!(
            script.contains("timeout") && script.contains("inspect"),
            "{shell}"
        );
        assert!(!script.contains("compile-stdin"), "{shell}");
    }
}

#[test]
fn one_word_is_a_shell_line_and_several_are_an_argv() {
    assert_eq!(Mote::new().run(&["echo a | tr a b"]).ok(), "b\n");
    assert_eq!(
        Mote::new()
            .run(&["js", "-p", "process.argv.length", "a b", "c"])
            .ok(),
        "3\n"
    );
}

#[test]
fn the_exit_status_is_the_programs() {
    assert_eq!(Mote::new().sh("exit 3").code, 3);
    assert_eq!(
        Mote::new().run(&["js", "-e", "process.exit(200)"]).code,
        200
    );
    assert_eq!(Mote::new().run(&["no-such-program", "x"]).code, 127);
}

#[test]
fn without_a_grant_the_current_folder_can_be_read_and_not_written() {
    let mote = Mote::bare().file("a.txt", "here\n");
    assert_eq!(mote.sh("cat a.txt").ok(), "here\n");
    assert_ne!(mote.sh("echo more >> a.txt").code, 0);
    assert_ne!(mote.sh("echo new > b.txt").code, 0);
    assert_eq!(mote.read("a.txt"), "here\n");
    assert!(!mote.workspace().join("b.txt").exists());
}

#[test]
fn with_empty_not_even_the_current_folder_is_there() {
    let mote = Mote::bare().file("a.txt", "here\n").flag("--empty");
    assert_eq!(mote.sh("ls -A").ok(), "");
    assert_eq!(mote.sh("echo private > b && cat b").ok(), "private\n");
    assert!(!mote.workspace().join("b").exists());
}

#[test]
fn a_folder_granted_for_writing_keeps_what_is_written() {
    let mote = Mote::new();
    mote.sh("mkdir d && echo one > d/f").ok();
    assert_eq!(mote.read("d/f"), "one\n");
    assert_eq!(mote.sh("cat d/f").ok(), "one\n");
}

#[test]
fn each_folder_has_its_guest_path_and_its_access() {
    let mote = Mote::bare()
        .file("in/a", "a\n")
        .file("out/b", "b\n")
        .flag("--ro")
        .flag("in:/in")
        .flag("--rw")
        .flag("out:/out");
    mote.sh("cat /in/a > /out/c").ok();
    assert_eq!(mote.read("out/c"), "a\n");
    assert_ne!(mote.sh("cat /out/b > /in/d").code, 0);
    assert_eq!(mote.sh("ls -A /workspace").ok(), "");
}

#[test]
fn the_environment_holds_what_was_given_and_nothing_else() {
    let see = |flags: &[&str]| {
        let mote = flags.iter().fold(Mote::new(), Mote::flag);
        let mut command = mote.command();
        command
            .env("SECRET", "s3cret")
            .args(["--", "echo [$A] [$SECRET] $HOME $USER"]);
        output(&mut command, b"").ok()
    };
    assert_eq!(see(&[]), "[] [] /workspace user\n");
    assert_eq!(
        see(&["-e", "A=b c", "-e", "SECRET"]),
        "[b c] [s3cret] /workspace user\n"
    );
    assert_eq!(see(&["-e", "HOME=/tmp"]), "[] [] /tmp user\n");
}

#[test]
fn the_working_directory_is_where_it_was_asked_for() {
    let mote = Mote::new().file("sub/f", "").flag("-w").flag("sub");
    assert_eq!(mote.sh("pwd; ls").ok(), "/workspace/sub\nf\n");
}

#[test]
fn a_fixed_clock_and_a_seed_make_calls_repeatable() {
    let mote = Mote::new()
        .flag("--clock")
        .flag("2026-01-02T03:04:05Z")
        .flag("--random")
        .flag("7");
    let script = "console.log(new Date().toISOString().slice(0, 19), require('crypto').randomBytes(8).toString('hex'))";
    let first = mote.run(&["js", "-e", script]).ok();
    assert!(first.starts_with("2026-01-02T03:04:05 "), "{first}");
    assert_eq!(mote.run(&["js", "-e", script]).ok(), first);
    let real = Mote::new().run(&["js", "-e", script]).ok();
    assert_ne!(real, first);
}

#[test]
fn a_program_that_needs_what_is_not_granted_is_refused_by_name() {
    for capability in ["clock", "random"] {
        let mote = Mote::new().flag(format!("--{capability}")).flag("none");
        let line = mote.run(&["js", "-p", "1"]).failed(126);
        assert!(line.contains(&format!("capability {capability}")), "{line}");
        assert!(line.contains(&format!("--{capability} real")), "{line}");
    }
}

#[test]
fn a_limit_that_was_hit_is_named_by_its_option() {
    let hit = |flag: &str, value: &str, argv: &[&str], code: i32| {
        let output = Mote::new().flag(flag).flag(value).run(argv);
        assert_eq!(output.code, code, "{output:#?}");
        let last = output.stderr.lines().last().unwrap_or_default().to_owned();
        assert!(
            last.starts_with("mote: ") && last.contains(&format!("{flag} is ")),
            "{last}"
        );
    };
    hit("--timeout", "200ms", &["js", "-e", "for(;;);"], 124);
    hit(
        "--output",
        "1k",
        &["js", "-e", "for(;;) console.log('y')"],
        137,
    );
}

#[test]
fn usage_is_one_line_after_the_output() {
    let output = Mote::new()
        .file("f", "x".repeat(2048))
        .flag("--usage")
        .sh("cat f > g; echo done");
    assert_eq!(output.stdout, "done\n");
    let line = output.failed(0);
    assert!(line.starts_with("mote: exit 0, wall "), "{line}");
    for part in ["cpu ", "memory ", "read 2.0", "written 2.0"] {
        assert!(line.contains(part), "{part} in {line}");
    }
}

fn json(mote: &Mote, argv: &[&str]) -> serde_json::Value {
    let output = mote.run(argv);
    assert_eq!(output.stdout.lines().count(), 1, "{output:#?}");
    serde_json::from_str(&output.stdout).unwrap()
}

#[test]
fn json_is_the_outcome_and_the_output_in_one_object() {
    let mote = Mote::new().flag("--json");
    let value = json(&mote, &["echo out; echo err >&2; exit 4"]);
    assert_eq!(value["reason"], "exited");
    assert_eq!(value["exit_code"], 4);
    assert_eq!(value["stdout"], "out\n");
    assert_eq!(value["stderr"], "err\n");
    assert_eq!(value["stdout_bytes"], 4);
    assert!(value["usage"]["wall_us"].as_u64().unwrap() > 0);
    assert_eq!(mote.sh("exit 4").code, 4);
}

#[test]
fn json_loses_no_byte_that_is_no_text() {
    let script = "process.stdout.write(Buffer.from([0xff, 0xfe, 0xfd]))";
    let value = json(&Mote::new().flag("--json"), &["js", "-e", script]);
    assert_eq!(value["stdout_base64"], "//79");
    assert!(value.get("stdout").is_none());
}

#[test]
fn json_keeps_a_mebibyte_and_counts_the_rest() {
    let script = "process.stdout.write('x'.repeat((1 << 20) + 7))";
    let value = json(&Mote::new().flag("--json"), &["js", "-e", script]);
    assert_eq!(value["stdout"].as_str().unwrap().len(), 1 << 20);
    assert_eq!(value["stdout_bytes"], (1 << 20) + 7);
    assert_eq!(value["stdout_truncated"], true);
}

#[test]
fn json_says_why_nothing_ran() {
    let value = json(&Mote::new().flag("--json"), &["./missing.wasm", "x"]);
    assert_eq!(value["exit_code"], 127);
    assert!(
        value["rejected"]
            .as_str()
            .unwrap()
            .contains("./missing.wasm")
    );
}

#[test]
fn stdin_goes_in_and_output_comes_out_unchanged() {
    let bytes: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let mote = Mote::new();
    let mut command = mote.command();
    command
        .args(["--", "cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let sent = bytes.clone();
    let feeder = std::thread::spawn(move || stdin.write_all(&sent).unwrap());
    let mut came = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut came).unwrap();
    feeder.join().unwrap();
    assert!(child.wait().unwrap().success());
    assert!(
        came == bytes,
        "{} of {} bytes came",
        came.len(),
        bytes.len()
    );
}

#[test]
fn output_streams_while_the_program_waits_for_more_input() {
    let mote = Mote::new();
    let mut command = mote.command();
    command.args([
        "--",
        "python3",
        "-c",
        "print(input(), flush=True); print(input())",
    ]);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    child.stdin.as_mut().unwrap().write_all(b"one\n").unwrap();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "one\n");
    child.stdin.as_mut().unwrap().write_all(b"two\n").unwrap();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "one\ntwo\n");
    finish(child, b"").ok();
}

#[test]
fn stdout_and_stderr_keep_their_order_where_they_go_to_one_place() {
    let mote = Mote::new();
    let (mut reader, writer) = std::io::pipe().unwrap();
    let script = "import sys\nfor i in range(20):\n  print('o', i, flush=True)\n  print('e', i, file=sys.stderr, flush=True)";
    let mut command = mote.command();
    command
        .args(["--", "python3", "-c", script])
        .stdin(Stdio::null());
    command.stdout(writer.try_clone().unwrap()).stderr(writer);
    let mut child = command.spawn().unwrap();
    drop(command);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    child.wait().unwrap();
    let expected: String = (0..20).map(|i| format!("o {i}\ne {i}\n")).collect();
    assert_eq!(text, expected);
}

#[test]
fn input_that_never_ends_holds_nothing_up() {
    let mote = Mote::new();
    let mut command = mote.command();
    command.args(["--", "echo done"]);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let open = child.stdin.take();
    assert_eq!(finish(child, b"").ok(), "done\n");
    drop(open);
}

#[test]
fn a_program_that_reads_no_input_leaves_all_of_it_to_who_comes_next() {
    for (flags, argv) in [
        (&[][..], &["echo done"][..]),
        (&["--json"], &["echo done"]),
        (&[], &["python3", "-c", "print('done')"]),
        (&[], &["js", "-e", "console.log('done')"]),
    ] {
        let (mut shared, mut feed) = std::io::pipe().unwrap();
        feed.write_all(b"one\ntwo\n").unwrap();
        drop(feed);
        let mote = Mote::new();
        let mut command = mote.command();
        command.args(flags).arg("--").args(argv);
        command
            .stdin(shared.try_clone().unwrap())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let said = finish(command.spawn().unwrap(), b"").ok();
        assert!(said.contains("done"), "{said}");
        let mut left = String::new();
        shared.read_to_string(&mut left).unwrap();
        assert_eq!(left, "one\ntwo\n", "{argv:?}");
    }
}
