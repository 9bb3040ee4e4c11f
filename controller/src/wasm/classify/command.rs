//! What a session runs by itself: the container's command.

use k8s_openapi::api::core::v1::Container;
use mote_rpc::rules::{MAX_COMMAND_BYTES, MAX_COMMAND_WORDS};
use mote_rpc::v1::command::Restart;

use super::{Reader, empty};
use crate::wasm::images::{Origin, Programs};

/// What a session runs by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// The program and its arguments, with `$(NAME)` as it is written.
    pub argv: Vec<String>,
    /// What follows its end.
    pub restart: Restart,
}

/// What a pod's restart policy says; `None` for one that Kubernetes adds.
pub(super) fn restart(policy: Option<&str>) -> Option<Restart> {
    Some(match policy {
        None | Some("" | "Always") => Restart::Always,
        Some("OnFailure") => Restart::OnFailure,
        Some("Never") => Restart::Never,
        Some(_) => return None,
    })
}

impl Reader<'_> {
    /// The container's command, in an image of these programs.
    pub(super) fn command(
        &mut self,
        container: &Container,
        programs: &Programs,
    ) -> Option<Vec<String>> {
        let at = |field: &str| format!("containers[0].{field}");
        let (command, args) = (&container.command, &container.args);
        let asked = match (empty(command), empty(args)) {
            (true, true) => return None,
            (true, false) => "args",
            (false, _) => "command",
        };
        if self.must_know_image && programs.origin == Origin::Mapped {
            self.object(
                at(asked),
                "is written for an image of pods, in whose place a session would have programs of its own",
            );
        }
        for (field, says) in [("stdin", container.stdin), ("tty", container.tty)] {
            let why = "is not given to what a session runs by itself, which would find nobody there; leave it out";
            self.none(at(field), says != Some(true), why);
        }
        let mut argv: Vec<String> = command.iter().flatten().cloned().collect();
        if argv.is_empty() {
            // A component is what its image runs; built-in programs are many.
            if !programs.is_pulled() {
                self.object(
                    at("args"),
                    "follow no command, and an image of built-in programs has none of its own; set command",
                );
            }
            argv.push(programs.program().to_owned());
        }
        argv.extend(args.iter().flatten().cloned());
        self.words(at(asked), &argv);
        Some(argv)
    }

    /// Objects to words that no session can run, whatever variables stand for.
    fn words(&mut self, field: String, argv: &[String]) {
        let names_none = argv.first().is_none_or(String::is_empty);
        self.none(&field, !names_none, "names no program");
        let nul = argv.iter().any(|word| word.contains('\0'));
        self.none(&field, !nul, "has a NUL, which no program can be given");
        // What a dollar is in may become shorter.
        let plain = argv.iter().filter(|word| !word.contains('$'));
        let bytes: usize = plain.map(String::len).sum();
        self.none(
            &field,
            argv.len() <= MAX_COMMAND_WORDS && bytes <= MAX_COMMAND_BYTES,
            &format!(
                "has {} words and {bytes} bytes, and {MAX_COMMAND_WORDS} and {MAX_COMMAND_BYTES} are possible",
                argv.len()
            ),
        );
    }
}
