//! `mote serve`, and the verbs that ask it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Output, finish, mote, output, shared_cache, warm_cache};

/// A server of its own, which ends with the test.
pub(crate) struct Served {
    child: Child,
    pub(crate) url: String,
    state: TempDir,
}

impl Served {
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    fn with(flags: &[&str]) -> Self {
        warm_cache();
        let state = tempfile::tempdir().unwrap();
        let (child, url) = serve(state.path(), flags);
        Self { child, url, state }
    }

    /// `mote WORDS…`, which asks this server.
    fn command(&self, words: &[&str]) -> Command {
        let mut command = client(words);
        command.env("MOTE_SERVER", &self.url);
        command
    }

    fn ask(&self, words: &[&str]) -> Output {
        output(&mut self.command(words), b"")
    }

    /// A shell line in the sandbox `work`.
    fn sh(&self, line: &str) -> Output {
        self.ask(&["exec", "work", line])
    }

    fn json(&self, words: &[&str]) -> Value {
        serde_json::from_str(&self.ask(words).ok()).unwrap()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server, and its address.
fn serve(state: &Path, flags: &[&str]) -> (Child, String) {
    let mut child = mote(&shared_cache())
        .args(["serve", "--listen", "127.0.0.1:0", "--state"])
        .arg(state)
        .args(flags)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let line = first_line(child.stdout.take().unwrap());
    let url = line.strip_prefix("listening on ").unwrap();
    (child, url.to_owned())
}

/// A call of `mote` that no variable of the tester's sends elsewhere.
fn client(words: &[&str]) -> Command {
    let mut command = mote(&shared_cache());
    command.args(words);
    for name in ["MOTE_SERVER", "MOTE_TOKEN", "MOTE_TOKEN_FILE"] {
        command.env_remove(name);
    }
    command
}

fn first_line(from: ChildStdout) -> String {
    let mut lines = BufReader::new(from).lines();
    lines.next().unwrap().unwrap()
}

#[test]
fn a_sandbox_is_created_called_and_deleted() {
    let served = Served::start();
    assert_eq!(served.ask(&["create", "work", "-e", "A=b"]).ok(), "work\n");
    assert_eq!(served.sh("echo $A > f; cat f").ok(), "b\n");
    assert_eq!(served.sh("cat f").ok(), "b\n", "its files last");
    let listed = served.ask(&["ls", "work"]).ok();
    assert!(
        listed.contains("2 B") && listed.ends_with("f\n"),
        "{listed}"
    );
    assert_eq!(served.ask(&["rm", "work"]).ok(), "work\n");
    assert_eq!(served.ask(&["ps", "-o", "name"]).ok(), "");
}

#[test]
fn a_name_is_made_up_and_one_that_is_taken_is_refused() {
    let served = Served::start();
    let made = served.ask(&["create"]).ok();
    let line = served.ask(&["create", made.trim()]).failed(1);
    assert!(line.contains(made.trim()), "{line}");
    let asked = served.json(&["create", "other", "--ttl", "1h", "-o", "json"]);
    assert_eq!(
        (&asked["id"], &asked["state"]),
        (&"other".into(), &"ready".into())
    );
    assert!(asked["expires_at"].is_string(), "{asked}");
}

#[test]
fn the_exit_status_is_the_programs() {
    let served = Served::start();
    served.ask(&["create", "work"]).ok();
    assert_eq!(served.sh("exit 3").code, 3);
    let missing = served.ask(&["exec", "work", "--", "nonesuch", "x"]);
    assert!(missing.failed(127).contains("nonesuch"));
    let late = served.ask(&["exec", "work", "--timeout", "200ms", "while :; do :; done"]);
    assert!(late.failed(124).contains("deadline"));
    let gone = served.ask(&["exec", "gone", "ls"]).failed(1);
    assert!(gone.contains("there is no sandbox gone"), "{gone}");
}

#[test]
fn streams_pass_through() {
    let served = Served::start();
    served.ask(&["create", "work"]).ok();
    let both = served.sh("echo out; echo err >&2");
    assert_eq!(
        (both.stdout.as_str(), both.stderr.as_str()),
        ("out\n", "err\n")
    );
    let mut sorts = served.command(&["exec", "work", "-i", "sort"]);
    assert_eq!(output(&mut sorts, b"b\na\n").ok(), "a\nb\n");
    let unasked = output(&mut served.command(&["exec", "work", "cat"]), b"secret");
    assert_eq!(
        unasked.ok(),
        "",
        "stdin is passed on only where it is asked for"
    );
    let many = served.sh("seq 200000 | tail -1; seq 200000").ok();
    assert_eq!(many.lines().count(), 200_001);
}

#[test]
fn an_outcome_can_be_had_as_json() {
    let served = Served::start();
    served.ask(&["create", "work"]).ok();
    let outcome = served.ask(&["exec", "work", "-o", "json", "echo hi; exit 4"]);
    assert_eq!(outcome.code, 4);
    let value: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(
        (&value["stdout"], &value["code"]),
        (&"hi\n".into(), &4.into())
    );
}

#[test]
fn a_transaction_is_all_or_nothing_and_says_what() {
    let served = Served::start();
    served.ask(&["create", "work"]).ok();
    let run = |line| served.ask(&["exec", "work", "--transaction", line]);
    let kept = run("echo 1 > a; echo 1 > b");
    assert_eq!(kept.code, 0, "{kept:?}");
    assert!(
        kept.stderr.contains("A a\n") && kept.stderr.contains("kept"),
        "{kept:?}"
    );
    let undone = run("rm a; echo 2 > b; echo > c; exit 1");
    assert_eq!(undone.code, 1, "{undone:?}");
    for said in ["D a\n", "M b\n", "A c\n", "undone"] {
        assert!(undone.stderr.contains(said), "{undone:?}");
    }
    assert_eq!(served.sh("cat a b; ls").ok(), "1\n1\na\nb\n");
}

#[test]
fn a_call_may_hold_less_than_its_sandbox() {
    let data = tempfile::tempdir().unwrap();
    fs::write(data.path().join("d"), "data").unwrap();
    let path = data.path().to_str().unwrap();
    let served = Served::with(&["--allow-folder", path]);
    let grant = format!("{path}:/data");
    served.ask(&["create", "work", "--ro", &grant]).ok();
    served.sh("echo own > own; cat /data/d").ok();
    let only = [
        "exec",
        "work",
        "--only",
        "/data",
        "--",
        "sh",
        "-c",
        "cat /data/d",
    ];
    assert_eq!(served.ask(&only).ok(), "data");
    let less = ["exec", "work", "--only", "/data", "cat /workspace/own"];
    assert_ne!(served.ask(&less).code, 0);
    let refused = served
        .ask(&["create", "other", "--ro", "/etc:/etc"])
        .failed(1);
    assert!(refused.contains("--allow-folder"), "{refused}");
}

#[test]
fn files_and_folders_go_in_and_come_back() {
    let served = Served::start();
    served.ask(&["create", "work"]).ok();
    let here = tempfile::tempdir().unwrap();
    let big: Vec<u8> = (0..300_000u32).flat_map(u32::to_le_bytes).collect();
    fs::create_dir_all(here.path().join("in/deep")).unwrap();
    fs::write(here.path().join("in/deep/big"), &big).unwrap();
    fs::write(here.path().join("a b"), "one").unwrap();
    let copy = |from: &str, to: &str| {
        let mut command = served.command(&["cp", from, to]);
        output(command.current_dir(here.path()), b"from stdin")
    };
    copy("a b", "work:").ok();
    copy("in", "work:folder").ok();
    copy("-", "work:typed").ok();
    assert_eq!(
        served.sh("cat 'a b' typed; ls folder/deep").ok(),
        "onefrom stdinbig\n"
    );
    copy("work:folder", "out").ok();
    assert_eq!(fs::read(here.path().join("out/deep/big")).unwrap(), big);
    copy("work:folder/deep/big", "out").ok();
    assert_eq!(fs::read(here.path().join("out/big")).unwrap(), big);
    assert_eq!(copy("work:a b", "-").ok(), "one");
    assert!(
        copy("work:missing", "x")
            .failed(1)
            .contains("work:/workspace/missing")
    );
    assert!(!here.path().join("x").exists());
    assert!(
        copy("a b", "gone:")
            .failed(1)
            .contains("there is no sandbox gone")
    );
}

#[test]
fn a_fork_has_the_files_and_goes_its_own_way() {
    let served = Served::start();
    served.ask(&["create", "work", "-l", "team=a"]).ok();
    served.sh("echo old > f").ok();
    assert_eq!(served.ask(&["fork", "work", "other"]).ok(), "other\n");
    served.sh("echo new > f").ok();
    assert_eq!(served.ask(&["exec", "other", "cat f"]).ok(), "old\n");
}

#[test]
fn a_suspended_sandbox_takes_no_calls_until_it_is_resumed() {
    let served = Served::start();
    served.ask(&["create", "work"]).ok();
    assert_eq!(served.ask(&["suspend", "work"]).ok(), "work\n");
    assert!(served.sh("ls").failed(1).contains("resume"));
    assert!(served.ask(&["ps"]).ok().contains("suspended"));
    served.ask(&["resume", "work"]).ok();
    served.sh("ls").ok();
    let both = served.ask(&["suspend", "gone", "work", "lost"]);
    assert_eq!((both.code, both.stdout.as_str()), (1, "work\n"), "{both:?}");
    assert_eq!(both.stderr.lines().count(), 2, "{both:?}");
}

#[test]
fn sandboxes_are_selected_by_their_labels() {
    let served = Served::start();
    for (id, labels) in [("a", "team=x"), ("b", "team=x"), ("c", "team=y")] {
        served.ask(&["create", id, "-l", labels]).ok();
    }
    assert_eq!(
        served.ask(&["ps", "-l", "team=x", "-o", "name"]).ok(),
        "a\nb\n"
    );
    let all = served.json(&["ps", "-o", "json"]);
    assert_eq!(all["sandboxes"].as_array().unwrap().len(), 3);
    assert_eq!(served.ask(&["rm", "-l", "team=x"]).ok(), "a\nb\n");
    assert_eq!(served.ask(&["rm", "--all"]).ok(), "c\n");
    assert_eq!(served.ask(&["rm"]).code, 2);
}

#[test]
fn the_log_tells_what_was_called_and_goes_on_as_it_is() {
    let served = Served::start();
    served.ask(&["create", "work"]).ok();
    assert_eq!(served.sh("exit 3").code, 3);
    let log = served.ask(&["logs", "work"]).ok();
    assert!(
        log.contains("exit 3") && log.contains("sh -c 'exit 3'"),
        "{log}"
    );
    let line = served.ask(&["logs", "work", "-o", "json"]).ok();
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["exit_code"], 3);
    assert_eq!(served.sh("exit 4").code, 4);
    let last = served.ask(&["logs", "work", "--tail", "1"]).ok();
    assert!(
        last.contains("exit 4") && last.lines().count() == 1,
        "{last}"
    );
    let both = served.ask(&["logs", "work", "--since", "1h"]).ok();
    assert_eq!(both.lines().count(), 2, "{both}");
    let later = ["logs", "work", "--since-time", "2999-01-01T00:00:00Z"];
    assert_eq!(served.ask(&later).ok(), "");
    let mut follows = served.command(&["logs", "work", "-f", "--tail", "1"]);
    let mut follows = follows.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(follows.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().contains("exit 4"));
    assert_eq!(served.sh("exit 5").code, 5);
    assert!(lines.next().unwrap().unwrap().contains("exit 5"));
    served.ask(&["rm", "work"]).ok();
    assert!(lines.next().is_none(), "it ends with the sandbox");
    follows.wait().unwrap();
}

#[test]
fn a_signal_ends_the_program_too() {
    let served = Served::start();
    served.ask(&["create", "work"]).ok();
    let mut sleeps = served.command(&["exec", "work", "echo go; sleep 1000"]);
    let mut sleeps = sleeps
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    assert_eq!(first_line(sleeps.stdout.take().unwrap()), "go");
    kill_process(Pid::from_child(&sleeps), Signal::TERM).unwrap();
    assert_eq!(finish(sleeps, b"").code, 143);
    let log = served.ask(&["logs", "work"]).ok();
    assert!(log.contains("cancelled"), "{log}");
}

#[test]
fn top_shows_one_table_where_there_is_no_terminal() {
    let served = Served::start();
    served.ask(&["create", "rests"]).ok();
    served.ask(&["create", "work"]).ok();
    served
        .sh("i=0; while [ $i -lt 1000 ]; do i=$((i+1)); done")
        .ok();
    let table = served.ask(&["top"]).ok();
    let ids: Vec<_> = table.lines().map(|line| &line[..5]).collect();
    assert_eq!(ids, ["ID   ", "work ", "rests"], "{table}");
}

#[test]
fn a_token_is_asked_for_and_never_taken_from_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    let served = Served::with(&["--token-file", token.to_str().unwrap()]);
    for words in [&["create", "work"][..], &["exec", "work", "ls"]] {
        let line = served.ask(words).failed(1);
        assert!(line.contains("--token-file"), "{line}");
    }
    let with_token = |words: &[&str]| {
        let mut command = served.command(words);
        output(command.env("MOTE_TOKEN_FILE", &token), b"")
    };
    with_token(&["create", "work"]).ok();
    assert_eq!(with_token(&["exec", "work", "echo hi"]).ok(), "hi\n");
    assert_eq!(served.ask(&["ps", "--token", "x"]).code, 2);
}

#[test]
fn without_a_server_a_verb_says_how_to_start_one() {
    // Bound and not listened on: nobody else gets it meanwhile.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", taken.local_addr().unwrap());
    drop(taken);
    for words in [&["ps"][..], &["exec", "work", "ls"], &["cp", "work:a", "-"]] {
        let mut command = client(words);
        let line = output(command.env("MOTE_SERVER", &address), b"").failed(125);
        assert!(
            line.contains("mote serve") && line.contains(&address),
            "{line}"
        );
    }
}

#[test]
fn sandboxes_and_their_files_outlive_the_server() {
    let mut served = Served::start();
    served.ask(&["create", "work", "-l", "a=b"]).ok();
    served.sh("echo kept > f").ok();
    kill_process(Pid::from_child(&served.child), Signal::KILL).unwrap();
    served.child.wait().unwrap();
    (served.child, served.url) = serve(served.state.path(), &[]);
    assert_eq!(served.sh("cat f").ok(), "kept\n");
    assert_eq!(
        served.ask(&["ps", "-l", "a=b", "-o", "name"]).ok(),
        "work\n"
    );
}
