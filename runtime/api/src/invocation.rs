use serde::{Deserialize, Serialize};

use crate::{GuestPath, Limits};

/// A request to run tool code in a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invocation {
    /// The program and its arguments. A name without `/` is a built-in
    /// component (`sh`, `python3`, `js`, `node`), one with `/` a component
    /// file as the guest sees it.
    pub argv: Vec<String>,
    /// Variables on top of the session's; a name given here wins.
    #[serde(default)]
    pub env: Vec<(String, String)>,
    /// The working directory.
    #[serde(default = "GuestPath::workspace")]
    pub cwd: GuestPath,
    /// Guest paths of the session's preopens that the call gets; `None` is
    /// all of them.
    #[serde(default)]
    pub preopens: Option<Vec<GuestPath>>,
    /// Ceilings for this call; only those below the session's have effect.
    #[serde(default)]
    pub limits: Option<Limits>,
}

impl Invocation {
    /// Runs `argv` with nothing else changed.
    pub fn new(argv: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            argv: argv.into_iter().map(Into::into).collect(),
            env: Vec::new(),
            cwd: GuestPath::workspace(),
            preopens: None,
            limits: None,
        }
    }

    /// Runs `line` in the shell.
    pub fn shell(line: impl Into<String>) -> Self {
        Self::new(["sh".to_owned(), "-c".to_owned(), line.into()])
    }
}
