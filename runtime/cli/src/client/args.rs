//! The client verbs as they were typed.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

use crate::args::LimitArgs;

const CREATE_HELP: &str = "\
A sandbox has folders of its own, /workspace and /tmp, which last as long as it
does. What else it may reach is named here. Folders are those of the machine
that the server runs on.

Examples:
  mote create                                   a name is made up and printed
  mote create build --ttl 1h --memory 1Gi
  mote create data --ro /srv/data:/data -l team=search
  id=$(mote create) && mote exec $id 'echo hi'";

const EXEC_HELP: &str = "\
Exit status: the program's; 124 the time was up, 126 refused, 127 no such
program, 134 crashed, 137 out of memory, handles or output, 128+N ended by
signal N, 1 the server refused, 2 a mistake in the options, 125 no server.

Examples:
  mote exec work 'ls | wc -l'
  mote exec work -w src -e CI=1 -- python3 build.py
  mote exec work -i 'sort > names' < names.txt
  mote exec work -it sh
  mote exec work --transaction 'rm -r build && make'  all of its changes, or none
  mote exec work --only /data -- ./untrusted.wasm     nothing but /data
  mote exec work --context main -- python3 -c 'x = 1' variables last";

const COPY_HELP: &str = "\
One side is NAME:PATH, below /workspace unless PATH is absolute. A folder's
content becomes that of the folder DST. - is stdin or stdout. Where DST ends
with a slash or is a bare NAME:, a file keeps its name.

Examples:
  mote cp report.csv work:                 to /workspace/report.csv
  mote cp work:out/plot.png .              into the current folder
  mote cp src work:src                     a folder, with all in it
  mote cp work:log.txt - | tail -3
  tar c . | mote cp - work:all.tar";

const LIST_HELP: &str = "\
Examples:
  mote ls work
  mote ls work:src -o json | jq '.entries[].name'";

const PS_HELP: &str = "\
CPU is time spent; MEM is the most that one call held; LAST is how long ago the
sandbox was last called.

Examples:
  mote ps
  mote ps -l team=search -o wide
  mote ps -o name | xargs mote suspend";

const LOGS_HELP: &str = "\
A line for each call that ended, with the time. With --tail and --since, the last of
those since then.

Examples:
  mote logs work
  mote logs work --since 5m --tail 20
  mote logs work -f
  mote logs work -o json | jq 'select(.exit_code != 0)'";

const FORK_HELP: &str = "\
Examples:
  mote fork work                           a name is made up and printed
  mote fork work attempt-2 --ttl 10m";

const SUSPEND_HELP: &str = "\
What runs in it is ended. Its files stay.

Example:
  mote suspend work";

const RESUME_HELP: &str = "\
Example:
  mote resume work";

const REMOVE_HELP: &str = "\
Examples:
  mote rm work attempt-2
  mote rm -l team=search
  mote rm --all";

const TOP_HELP: &str = "\
q ends it. Where stdout is no terminal, one table is printed.

Examples:
  mote top
  mote top --once -l team=search";

/// What is asked of a server.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Create a sandbox on a server
    Create(Box<CreateArgs>),
    /// Run a command in a sandbox of a server
    Exec(Box<ExecArgs>),
    /// Copy files into a sandbox, or out of it
    Cp(CopyArgs),
    /// List files of a sandbox
    Ls(ListArgs),
    /// List sandboxes
    Ps(PsArgs),
    /// Show what was called in a sandbox
    Logs(LogsArgs),
    /// Create a sandbox with the files of another
    Fork(ForkArgs),
    /// Let sandboxes take no calls until they are resumed
    #[command(after_help = SUSPEND_HELP)]
    Suspend(NamesArgs),
    /// Let suspended sandboxes take calls again
    #[command(after_help = RESUME_HELP)]
    Resume(NamesArgs),
    /// Delete sandboxes, files and all
    Rm(RemoveArgs),
    /// Show sandboxes as they work
    Top(TopArgs),
}

/// Which server is asked.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct ServerArgs {
    /// Address of the server [env: MOTE_SERVER] [default: http://127.0.0.1:7070]
    #[arg(long, value_name = "URL", help_heading = "Server")]
    pub(crate) server: Option<String>,
    /// File with the server's token [env: MOTE_TOKEN_FILE, or MOTE_TOKEN itself]
    #[arg(long, value_name = "FILE", help_heading = "Server")]
    pub(crate) token_file: Option<PathBuf>,
}

/// How a sandbox that was made is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum MadeForm {
    /// Its name
    #[default]
    Name,
    /// All the server tells of it
    Json,
}

/// How a table is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum TableForm {
    /// Columns
    #[default]
    Table,
    /// More columns
    Wide,
    /// Only names, a line each
    Name,
    /// All the server tells
    Json,
}

/// How a log, a listing or a call is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum TextForm {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
}

/// How long a sandbox lasts, and what is noted of it.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct LifeArgs {
    /// Note a label; may be repeated
    #[arg(short, long = "label", value_name = "NAME=VALUE")]
    pub(crate) labels: Vec<String>,
    /// Let it rest after so long without a call; the next call wakes it
    #[arg(long, value_name = "TIME")]
    pub(crate) idle_timeout: Option<String>,
    /// Delete it after so long, files and all
    #[arg(long, value_name = "TIME")]
    pub(crate) ttl: Option<String>,
}

#[derive(Debug, clap::Args)]
#[command(after_help = CREATE_HELP)]
pub(crate) struct CreateArgs {
    /// Its name; one is made up if there is none
    pub(crate) id: Option<String>,
    /// Grant a folder of the server's machine for reading
    #[arg(long, value_name = "HOST:GUEST", help_heading = "Grants")]
    pub(crate) ro: Vec<OsString>,
    /// Grant a folder of the server's machine for reading and writing
    #[arg(long, value_name = "HOST:GUEST", help_heading = "Grants")]
    pub(crate) rw: Vec<OsString>,
    /// Set an environment variable; without =VALUE to what it is here
    #[arg(short, long, value_name = "NAME[=VALUE]", help_heading = "Grants")]
    pub(crate) env: Vec<OsString>,
    /// Which time it sees: real, or a fixed one such as 2026-01-02T03:04:05Z
    #[arg(long, value_name = "TIME", help_heading = "Grants")]
    pub(crate) clock: Option<String>,
    /// Which random bytes it sees: real, or a seed for always the same ones
    #[arg(long, value_name = "SEED", help_heading = "Grants")]
    pub(crate) random: Option<String>,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
    /// The programs in it
    #[arg(long, value_name = "NAME")]
    pub(crate) image: Option<String>,
    #[command(flatten)]
    pub(crate) life: LifeArgs,
    /// What is printed
    #[arg(short = 'o', value_enum, value_name = "FORM", default_value_t)]
    pub(crate) form: MadeForm,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = EXEC_HELP)]
pub(crate) struct ExecArgs {
    /// The sandbox's name
    pub(crate) id: String,
    /// Pass stdin on
    #[arg(short, long)]
    pub(crate) interactive: bool,
    /// Give it this terminal; stdin is passed on too
    #[arg(short = 't', long = "tty")]
    pub(crate) terminal: bool,
    /// Working directory, below /workspace
    #[arg(short, long, value_name = "DIR")]
    pub(crate) workdir: Option<String>,
    /// Set an environment variable; without =VALUE to what it is here
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    pub(crate) env: Vec<OsString>,
    /// Let it reach only this folder of the sandbox's; may be repeated
    #[arg(long, value_name = "GUEST")]
    pub(crate) only: Vec<String>,
    /// Keep its changes of files only if it ends with status 0, and list them
    #[arg(long)]
    pub(crate) transaction: bool,
    /// Run in the long-lived interpreter of this name
    #[arg(long, value_name = "NAME")]
    pub(crate) context: Option<String>,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
    /// Print a line of what it used on stderr
    #[arg(long)]
    pub(crate) usage: bool,
    /// Pass the output on, or print it with the outcome as one JSON object
    #[arg(short = 'o', value_enum, value_name = "FORM", default_value_t)]
    pub(crate) form: TextForm,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    /// A shell line, if it is one word; else a program and its arguments
    #[arg(required = true, trailing_var_arg = true)]
    pub(crate) command: Vec<OsString>,
}

#[derive(Debug, clap::Args)]
#[command(after_help = COPY_HELP)]
pub(crate) struct CopyArgs {
    /// What is copied: NAME:PATH, a path here, or -
    #[arg(value_name = "SRC")]
    pub(crate) from: OsString,
    /// Where to: NAME:PATH, a path here, or -
    #[arg(value_name = "DST")]
    pub(crate) to: OsString,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = LIST_HELP)]
pub(crate) struct ListArgs {
    /// The sandbox, and which of its folders
    #[arg(value_name = "NAME[:PATH]")]
    pub(crate) place: String,
    /// What is printed
    #[arg(short = 'o', value_enum, value_name = "FORM", default_value_t)]
    pub(crate) form: TextForm,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = PS_HELP)]
pub(crate) struct PsArgs {
    /// Only those with this label; may be repeated
    #[arg(short, long = "label", value_name = "NAME=VALUE")]
    pub(crate) labels: Vec<String>,
    /// What is printed
    #[arg(short = 'o', value_enum, value_name = "FORM", default_value_t)]
    pub(crate) form: TableForm,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = LOGS_HELP)]
pub(crate) struct LogsArgs {
    /// The sandbox's name
    pub(crate) id: String,
    /// Go on with what is called from now on
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Only so many lines from the end; -1 for all
    #[arg(long, value_name = "LINES", allow_hyphen_values = true)]
    pub(crate) tail: Option<String>,
    /// Only calls that ended in the last so long, such as 5s, 2m or 3h
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Only calls that ended then or later, such as 2026-01-02T03:04:05Z
    #[arg(long, value_name = "WHEN", conflicts_with = "since")]
    pub(crate) since_time: Option<String>,
    /// What is printed
    #[arg(short = 'o', value_enum, value_name = "FORM", default_value_t)]
    pub(crate) form: TextForm,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = FORK_HELP)]
pub(crate) struct ForkArgs {
    /// The sandbox whose files are copied
    pub(crate) id: String,
    /// The new one's name; one is made up if there is none
    pub(crate) new: Option<String>,
    #[command(flatten)]
    pub(crate) life: LifeArgs,
    /// What is printed
    #[arg(short = 'o', value_enum, value_name = "FORM", default_value_t)]
    pub(crate) form: MadeForm,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Of verbs that do one thing to each sandbox.
#[derive(Debug, clap::Args)]
pub(crate) struct NamesArgs {
    /// The sandboxes' names
    #[arg(required = true)]
    pub(crate) ids: Vec<String>,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = REMOVE_HELP)]
pub(crate) struct RemoveArgs {
    /// The sandboxes' names
    #[arg(required_unless_present_any = ["all", "labels"])]
    pub(crate) ids: Vec<String>,
    /// All there are, or all with the label
    #[arg(long, conflicts_with = "ids")]
    pub(crate) all: bool,
    /// All with this label; may be repeated
    #[arg(
        short,
        long = "label",
        value_name = "NAME=VALUE",
        conflicts_with = "ids"
    )]
    pub(crate) labels: Vec<String>,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = TOP_HELP)]
pub(crate) struct TopArgs {
    /// Print one table, and end
    #[arg(long)]
    pub(crate) once: bool,
    /// Only those with this label; may be repeated
    #[arg(short, long = "label", value_name = "NAME=VALUE")]
    pub(crate) labels: Vec<String>,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}
