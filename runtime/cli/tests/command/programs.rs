//! From `argv[0]` to what runs.

use crate::harness::{Mote, userland};

/// Commands that bash has built in and systems have as programs too.
const BOTH: [&str; 8] = [
    "[", "echo", "false", "kill", "printf", "pwd", "test", "true",
];
/// What the host has as components.
const COMPONENTS: [&str; 6] = ["sh", "bash", "python3", "python", "node", "js"];

#[test]
fn a_shell_is_called_by_its_names() {
    let mote = Mote::new();
    for shell in [
        "sh",
        "bash",
        "/bin/sh",
        "/bin/bash",
        "/usr/bin/bash",
        "/usr/local/bin/sh",
    ] {
        let output = mote.run(&[shell, "-c", "echo $1; exit 3", "me", "a b"]);
        assert_eq!(
            (output.stdout.as_str(), output.code),
            ("a b\n", 3),
            "{shell}"
        );
    }
    assert_eq!(mote.run(&["bash", "-lc", "echo $PWD"]).ok(), "/workspace\n");
}

#[test]
fn interpreters_are_called_by_their_names() {
    let mote = Mote::new();
    for python in [
        &["python3"][..],
        &["python"],
        &["/usr/bin/python3"],
        &["/usr/bin/env", "python3"],
    ] {
        let argv = [python, &["-c", "print(1 + 1)"]].concat();
        assert_eq!(mote.run(&argv).ok(), "2\n", "{python:?}");
    }
    for node in [&["node"][..], &["js"], &["env", "A=1", "node"]] {
        let argv = [node, &["-e", "console.log(1 + 1)"]].concat();
        assert_eq!(mote.run(&argv).ok(), "2\n", "{node:?}");
    }
}

#[test]
fn commands_of_the_shell_need_no_shell() {
    let mote = Mote::new().file("f", "one\ntwo\n");
    assert_eq!(
        mote.run(&["echo", "hello world", "$HOME", "*"]).ok(),
        "hello world $HOME *\n"
    );
    assert_eq!(mote.run(&["ls", "-1"]).ok(), "f\n");
    assert_eq!(mote.run(&["/bin/cat", "f"]).ok(), "one\ntwo\n");
    assert_eq!(mote.run(&["/usr/bin/wc", "-l", "f"]).ok(), "2 f\n");
    assert_eq!(
        mote.run(&["timeout", "9", "xargs", "-a", "f", "echo"]).ok(),
        "one two\n"
    );
    assert_eq!(mote.run(&["sleep", "0"]).ok(), "");
    assert_eq!(mote.run(&["false", ""]).code, 1);
    let output = mote.run(&["cat", "nowhere"]);
    assert_eq!(output.stderr, "cat: nowhere: No such file or directory\n");
    assert_eq!(output.code, 1);
    // Other programs find them too.
    let line = "import subprocess; print(subprocess.check_output(['ls', '-1']).decode())";
    assert_eq!(mote.run(&["python3", "-c", line]).ok(), "f\n\n");
}

#[test]
fn another_name_is_not_found_before_anything_runs() {
    let mote = Mote::new();
    for name in [
        "nosuch",
        "/bin/nosuch",
        "/opt/ls",
        "cd",
        "export",
        "exit",
        "./ls",
        "workspace/ls",
    ] {
        assert_eq!(mote.run(&[name, "x"]).code, 127, "{name}");
    }
}

#[test]
fn the_list_of_commands_is_the_shells() {
    let line = "for name in $(compgen -c | sort -u); do \
                echo \"$name $(type -t -- \"$name\")\"; done";
    let output = Mote::new().sh(line).ok();
    let listed = |line: &str| {
        let (name, kind) = line.split_once(' ')?;
        let is = BOTH.contains(&name) || kind == "file" && !COMPONENTS.contains(&name);
        is.then(|| name.to_owned())
    };
    let mut expected: Vec<String> = output.lines().filter_map(listed).collect();
    expected.sort();
    let list = std::fs::read_to_string(userland().join("sh.commands")).unwrap();
    let list: Vec<&str> = list.lines().collect();
    assert_eq!(
        list, expected,
        "write the second to guests/shell/commands.txt"
    );
}
