//! The command line as it was typed; [`crate::config`] gives it its meaning.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use crate::client::Verb;
use crate::failure::Failure;
use crate::node::{FolderArgs, NodeArgs};
use crate::report;
use crate::serve::ServeArgs;

const EXAMPLES: &str = "\
Examples:
  mote run 'grep -rn TODO . | sort | head -5'        a shell line over this folder, read-only
  mote run --rw . -- python3 build.py --fast         a script that may change this folder
  mote run --ro . --rw out:/out -- ./tool.wasm /out  a compiled component and two folders
  mote run --empty -- node -p '6 * 7'                nothing at all but the program
  mote inspect tool.wasm                             what it can ask for, before it runs
  mote create work && mote exec work 'date > now'    a sandbox of a server, which lasts";

const RUN_HELP: &str = "\
The sandbox holds what is named here, and nothing else. Without --ro, --rw and
--empty that is the current folder, read-only, at /workspace. Where nothing is
granted at /workspace or /tmp, the guest finds an empty folder there, which is
gone when mote ends. There is no network.

Limits unless set: --timeout 30s, --memory 512Mi, --disk 256Mi, --entries 65536,
--output 256Mi, --processes 16, --handles 4096.

Programs: sh (bash), python3 (python), js (node), and each file with a / in its
name that is a WebAssembly component or a WASI 0.1 module.

Exit status: the program's; 124 the time was up, 125 mote itself failed, 126
refused, 127 no such program, 134 crashed, 137 out of memory, handles or output,
128+N ended by signal N, 2 a mistake in the options.

Examples:
  mote run 'ls | wc -l'
  mote run --rw .:/workspace --timeout 5s -- python3 -c 'open(\"a\", \"w\")'
  mote run -e API_URL=http://localhost -e LANG -- ./tool.wasm
  mote run --json 'cat missing' | jq .stderr";

/// Runs tool code (a shell line, Python, JavaScript, a WebAssembly component)
/// in a sandbox that holds only what it was given.
#[derive(Debug, Parser)]
#[command(name = "mote", version, after_help = EXAMPLES, max_term_width = 100)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) places: PlacesArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, clap::Args)]
pub(crate) struct PlacesArgs {
    /// Folder of compiled code [env: MOTE_CACHE]
    #[arg(long, global = true, value_name = "DIR", help_heading = "Places")]
    pub(crate) cache: Option<PathBuf>,
    /// Folder with sh.wasm, python3.wasm and js.wasm [env: MOTE_USERLAND]
    #[arg(long, global = true, value_name = "DIR", help_heading = "Places")]
    pub(crate) userland: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a command in a sandbox
    Run(Box<RunArgs>),
    /// Say what a component can ask for, and how each of it is granted
    Inspect(InspectArgs),
    /// Compile components ahead of their first run
    Compile(CompileArgs),
    /// Keep sandboxes and let agents talk to them over HTTP and gRPC
    Serve(Box<ServeArgs>),
    /// Keep the sandboxes of a node of a Kubernetes cluster
    Node(Box<NodeArgs>),
    #[command(flatten)]
    Client(Verb),
    /// Print a completion script for a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Make the folder of a node host, and give it to a user
    #[command(hide = true)]
    NodeFolder(FolderArgs),
    /// The compiler process: a source on stdin, the answer on stdout
    #[command(hide = true)]
    CompileStdin {
        /// The folder of compiled code
        cache: PathBuf,
        /// Bytes of address space it may use
        memory: u64,
    },
}

#[derive(Debug, clap::Args)]
#[command(after_help = RUN_HELP)]
pub(crate) struct RunArgs {
    /// Grant a folder for reading; without :GUEST at /workspace
    #[arg(long, value_name = "HOST[:GUEST]", help_heading = "Grants")]
    pub(crate) ro: Vec<OsString>,
    /// Grant a folder for reading and writing; without :GUEST at /workspace
    #[arg(long, value_name = "HOST[:GUEST]", help_heading = "Grants")]
    pub(crate) rw: Vec<OsString>,
    /// Grant no folder, not even the current one
    #[arg(long, conflicts_with_all = ["ro", "rw"], help_heading = "Grants")]
    pub(crate) empty: bool,
    /// Set an environment variable; without =VALUE to what it is here
    #[arg(short, long, value_name = "NAME[=VALUE]", help_heading = "Grants")]
    pub(crate) env: Vec<OsString>,
    /// Which time it sees: real, none, or a fixed one such as 2026-01-02T03:04:05Z
    #[arg(
        long,
        value_name = "TIME",
        default_value = "real",
        help_heading = "Grants"
    )]
    pub(crate) clock: String,
    /// Which random bytes it sees: real, none, or a seed for always the same ones
    #[arg(
        long,
        value_name = "SEED",
        default_value = "real",
        help_heading = "Grants"
    )]
    pub(crate) random: String,

    #[command(flatten)]
    pub(crate) limits: LimitArgs,

    /// Working directory, as the guest sees it
    #[arg(short, long, value_name = "DIR", default_value = "/workspace")]
    pub(crate) workdir: String,
    /// Pass stdin on even if it is a terminal
    #[arg(short, long)]
    pub(crate) interactive: bool,
    /// Print the outcome and the output as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// Print a line of what it used on stderr
    #[arg(long)]
    pub(crate) usage: bool,
    /// A shell line, if it is one word; else a program and its arguments
    #[arg(required = true, trailing_var_arg = true)]
    pub(crate) command: Vec<OsString>,
}

/// Ceilings that people set; the others are as they are.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct LimitArgs {
    /// Wall-clock time a call may take
    #[arg(long, value_name = "TIME", help_heading = "Limits")]
    pub(crate) timeout: Option<String>,
    /// Memory it may hold, with all its children
    #[arg(long, value_name = "SIZE", help_heading = "Limits")]
    pub(crate) memory: Option<String>,
    /// Bytes it may add to its folders
    #[arg(long, value_name = "SIZE", help_heading = "Limits")]
    pub(crate) disk: Option<String>,
    /// Files and folders it may add
    #[arg(long, value_name = "N", help_heading = "Limits")]
    pub(crate) entries: Option<String>,
    /// Bytes it may write to stdout and stderr
    #[arg(long, value_name = "SIZE", help_heading = "Limits")]
    pub(crate) output: Option<String>,
    /// Programs it may run at once, itself included
    #[arg(long, value_name = "N", help_heading = "Limits")]
    pub(crate) processes: Option<String>,
    /// Files and streams one program may hold open
    #[arg(long, value_name = "N", help_heading = "Limits")]
    pub(crate) handles: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct InspectArgs {
    /// A component, or a WASI 0.1 module
    pub(crate) file: PathBuf,
    /// Print the manifest as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CompileArgs {
    /// Components, or WASI 0.1 modules
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
}

/// Prints the completion script for `shell`.
pub(crate) fn completions(shell: Shell) -> Result<u8, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut visible(), "mote", &mut script);
    report::print(&script)?;
    Ok(0)
}

/// The command line without what is hidden, which completions would show.
fn visible() -> clap::Command {
    let all = Args::command();
    let shown = all
        .get_subcommands()
        .filter(|command| !command.is_hide_set());
    clap::Command::new("mote")
        .args(all.get_arguments().cloned())
        .subcommands(shown.cloned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &[&str]) -> Args {
        Args::try_parse_from(line).unwrap()
    }

    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn options_after_the_program_are_the_programs_own() {
        let args = parse(&["mote", "run", "--json", "python3", "-c", "1", "--usage"]);
        let Command::Run(run) = args.command else {
            panic!("{args:?}")
        };
        assert!(run.json && !run.usage);
        assert_eq!(run.command, ["python3", "-c", "1", "--usage"]);
    }
}
