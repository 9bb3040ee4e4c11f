//! `kubectl mote exec -it`, at a terminal: who types sees what a shell at hand
//! would do.

use std::time::Duration;

use mote_e2e::Story;
use pty_process::{Command, Pty, Size};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Child;
use tokio::time::timeout;

use crate::{EACH, each_kind, path};

/// How long anything may take to be shown. It takes milliseconds, where nothing
/// else is going on.
const PATIENCE: Duration = Duration::from_secs(60);
/// As Ctrl-C is typed, and Ctrl-D.
const INTERRUPT: &str = "\x03";
const END: &str = "\x04";

/// A terminal at which `kubectl mote exec -it` runs.
struct Seat {
    name: &'static str,
    pty: Pty,
    kubectl: Child,
    shown: String,
}

impl Seat {
    /// A terminal of 30 lines of 100 characters, in a sandbox.
    fn at(story: &Story, name: &'static str, command: &[&str]) -> Self {
        let (pty, pts) = pty_process::open().unwrap();
        pty.resize(Size::new(30, 100)).unwrap();
        let kubectl = Command::new("kubectl")
            .env("PATH", path())
            .args(["mote", "-n", &story.namespace, "exec", "-it", name, "--"])
            .args(command)
            .kill_on_drop(true)
            .spawn(pts)
            .expect("kubectl in PATH");
        Self {
            name,
            pty,
            kubectl,
            shown: String::new(),
        }
    }

    async fn types(&mut self, keys: &str) {
        self.pty.write_all(keys.as_bytes()).await.unwrap();
    }

    /// Waits until `text` is shown; what comes before it is forgotten.
    async fn shows(&mut self, text: &str) {
        let mut piece = [0; 4096];
        while !self.shown.contains(text) {
            let read = timeout(PATIENCE, self.pty.read(&mut piece)).await;
            let Ok(Ok(count @ 1..)) = read else {
                panic!(
                    "{}: no {text:?} after {:?}: {read:?}",
                    self.name, self.shown
                );
            };
            self.shown
                .push_str(&String::from_utf8_lossy(&piece[..count]));
        }
        let (_, rest) = self.shown.split_once(text).unwrap();
        self.shown = rest.to_owned();
    }

    /// Its exit status.
    async fn ends(mut self) -> i32 {
        let mut rest = [0; 4096];
        // A terminal that nobody is at any more says so with an error.
        let read = async { while let Ok(1..) = self.pty.read(&mut rest).await {} };
        timeout(PATIENCE, read).await.expect("an end");
        let ended = timeout(PATIENCE, self.kubectl.wait()).await;
        ended.expect("an end").unwrap().code().unwrap()
    }
}

#[tokio::test]
async fn a_shell_is_used_at_a_terminal_in_each_kind_of_sandbox() {
    let story = each_kind().await;
    for name in EACH {
        let mut seat = Seat::at(&story, name, &["sh"]);
        // What is typed is shown, and differs from what it says.
        seat.types("x=4; echo be''gun $x\n").await;
        seat.shows("begun 4").await;
        seat.types("test -t 0 && test -t 1 && echo at a ter''minal\n")
            .await;
        seat.shows("at a terminal").await;
        // A line is mended before it is sent.
        seat.types("echo wrong\x7f\x7f\x7f\x7f\x7fri''ght\n").await;
        seat.shows("\nright").await;
        seat.types("exit $((x + 3))\n").await;
        assert_eq!(seat.ends().await, 7, "{name}");
    }
    story.end().await;
}

#[tokio::test]
async fn ctrl_c_ends_what_the_shell_runs_and_not_the_shell() {
    let story = each_kind().await;
    for name in EACH {
        let mut seat = Seat::at(&story, name, &["sh"]);
        seat.types("x=1; echo be''gun; sleep 1000\n").await;
        seat.shows("begun").await;
        seat.types(INTERRUPT).await;
        seat.types("echo af''ter $? $x\n").await;
        seat.shows("after 130 1").await;
        seat.types("echo half of a line").await;
        seat.types(INTERRUPT).await;
        seat.types("echo an''other\n").await;
        seat.shows("another").await;
        // Ctrl-D, as the shell's own input ends.
        seat.types(END).await;
        assert_eq!(seat.ends().await, 0, "{name}");
    }
    story.end().await;
}

#[tokio::test]
async fn ctrl_c_ends_a_program_that_is_alone_at_the_terminal() {
    let story = each_kind().await;
    for name in EACH {
        let line = "echo begun; sleep 1000";
        let mut seat = Seat::at(&story, name, &["sh", "-c", line]);
        seat.shows("begun").await;
        seat.types(INTERRUPT).await;
        assert_ne!(seat.ends().await, 0, "{name}");
    }
    story.end().await;
}

#[tokio::test]
async fn the_size_of_the_terminal_is_known_and_follows_the_window() {
    let story = each_kind().await;
    for name in EACH {
        let mut seat = Seat::at(&story, name, &["sh"]);
        seat.types("until [ \"$(stty size)\" = '30 100' ]; do sleep 0.1; done; echo as op''ened\n")
            .await;
        seat.shows("as opened").await;
        seat.pty.resize(Size::new(40, 120)).unwrap();
        seat.types(
            "until [ \"$(stty size)\" = '40 120' ]; do sleep 0.1; done; echo as re''sized\n",
        )
        .await;
        seat.shows("as resized").await;
        seat.types("exit\n").await;
        assert_eq!(seat.ends().await, 0, "{name}");
    }
    story.end().await;
}
