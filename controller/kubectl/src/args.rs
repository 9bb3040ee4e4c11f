//! The command line as it was typed.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use k8s_openapi::jiff::Timestamp;

use crate::find::Name;

const EXAMPLES: &str = "\
Examples:
  kubectl mote exec work 'ls | wc -l'         a shell line in the sandbox work
  kubectl mote exec -it claim/task sh         a shell in the sandbox of a claim
  kubectl mote cp src work:src                a folder, with all in it
  kubectl mote logs work -f
  kubectl mote top -A

A sandbox in wasm is reached through the router, which takes the right to find its
pod and forward a port of it (get on services, list on pods, get and create on
pods/portforward in agent-sandbox-system), and one DNS label for a name; a sandbox in
a pod through that pod, as kubectl does it. Beside that it takes get on sandboxes
(list for ps and top), and get on sandboxclaims for claim/NAME.

A suspended sandbox with the annotation mote.dev/wake-on-traffic: \"true\" is woken.";

const EXEC_HELP: &str = "\
Exit status: the program's; 124 the time was up, 126 refused, 127 no such
program, 137 out of memory or output, 128+N ended by signal N, 1 the sandbox
cannot be used, 2 a mistake in the options, 125 it was not reached.

In a pod without sandboxd the program is run as `kubectl exec` would: it outlives
our end, and a signal.

Examples:
  kubectl mote exec work 'ls | wc -l'
  kubectl mote exec work -n team-a -- python3 build.py
  kubectl mote exec work -i 'sort > names' < names.txt
  kubectl mote exec work -it sh";

const COPY_HELP: &str = "\
A side in a sandbox is NAME:PATH or claim/NAME:PATH, below /workspace unless PATH
is absolute. A folder's content becomes that of the folder DST; of several SRC,
each keeps its name in it. - is stdin or stdout. Where DST ends with a slash or is
a bare NAME:, a file keeps its name.

In a pod without sandboxd PATH is one of the container, from its working folder
unless absolute, and the image needs tar, for files too; cat for a file that comes out
of it, and sh for stdin.

Examples:
  kubectl mote cp report.csv work:            to /workspace/report.csv
  kubectl mote cp a.txt b.txt work:in/
  kubectl mote cp work:out/plot.png .         into the current folder
  kubectl mote cp work:log.txt - | tail -3";

const LOGS_HELP: &str = "\
The log of a pod, or what the command of a session wrote, of which the last is kept:
half a mebibyte or 16,384 lines at least. With --tail and --since, the fewer lines of
both are printed.

Examples:
  kubectl mote logs work --tail 20
  kubectl mote logs work --since 5m --timestamps
  kubectl mote logs claim/task -f";

const LIST_HELP: &str = "\
In a pod without sandboxd it does not work: list with `kubectl mote exec work 'ls -l'`.

Examples:
  kubectl mote ls work
  kubectl mote ls work:src -o json | jq '.entries[].name'";

const PS_HELP: &str = "\
Examples:
  kubectl mote ps
  kubectl mote ps -A -o wide
  kubectl mote ps -l team=search -o name";

const TOP_HELP: &str = "\
q ends it. Where stdout is no terminal, one table is printed.

CPU% is what is used now, CPU what was used since the node host started, MEM the
most that one call of a session held, or what a pod holds now, LAST how long ago a
session was called. Sessions tell theirs by the router, pods by the metrics server; -
is what nobody tells. At most 200 sessions are asked.

Examples:
  kubectl mote top
  kubectl mote top -A --once -l team=search";

/// Use sandboxes of either tier: sessions in wasm, and pods.
#[derive(Debug, Parser)]
#[command(name = "kubectl mote", bin_name = "kubectl mote", version, after_help = EXAMPLES, max_term_width = 100)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// Which cluster, and as whom.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct ClusterArgs {
    /// Namespace of the sandbox; that of the context, if not given
    #[arg(
        short,
        long,
        global = true,
        value_name = "NAME",
        help_heading = "Cluster"
    )]
    pub(crate) namespace: Option<String>,
    /// File that says how the cluster is reached
    #[arg(long, global = true, value_name = "FILE", help_heading = "Cluster")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Context of that file
    #[arg(long, global = true, value_name = "NAME", help_heading = "Cluster")]
    pub(crate) context: Option<String>,
    /// Cluster of that file
    #[arg(long, global = true, value_name = "NAME", help_heading = "Cluster")]
    pub(crate) cluster: Option<String>,
    /// User of that file
    #[arg(long, global = true, value_name = "NAME", help_heading = "Cluster")]
    pub(crate) user: Option<String>,
    /// User to act as
    #[arg(
        long = "as",
        global = true,
        value_name = "USER",
        help_heading = "Cluster"
    )]
    pub(crate) act_as: Option<String>,
    /// Group to act as; may be repeated
    #[arg(
        long = "as-group",
        global = true,
        value_name = "GROUP",
        help_heading = "Cluster"
    )]
    pub(crate) act_as_groups: Vec<String>,
    /// Namespace of the router
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        help_heading = "Cluster",
        default_value = "agent-sandbox-system"
    )]
    pub(crate) router_namespace: String,
    /// File with a token, where the router asks for one
    #[arg(long, global = true, value_name = "FILE", help_heading = "Cluster")]
    pub(crate) router_token_file: Option<PathBuf>,
}

/// What is to be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Run a command in a sandbox
    Exec(ExecArgs),
    /// Copy files into a sandbox, or out of it
    Cp(CopyArgs),
    /// Print the log of a sandbox
    Logs(LogsArgs),
    /// Show sandboxes as they work
    Top(TopArgs),
    /// List files of a sandbox
    Ls(ListArgs),
    /// List sandboxes
    Ps(PsArgs),
}

#[derive(Debug, clap::Args)]
#[command(after_help = EXEC_HELP)]
pub(crate) struct ExecArgs {
    /// The sandbox, or claim/NAME
    pub(crate) sandbox: Name,
    /// Pass stdin on
    #[arg(short = 'i', long, alias = "interactive")]
    pub(crate) stdin: bool,
    /// Give it this terminal; stdin is passed on too
    #[arg(short, long)]
    pub(crate) tty: bool,
    /// Working folder, below /workspace
    #[arg(short, long, value_name = "DIR")]
    pub(crate) workdir: Option<String>,
    /// Set an environment variable; without =VALUE to what it is here
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    pub(crate) env: Vec<String>,
    /// End it after so long
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) timeout: Option<Duration>,
    /// Container of a pod without sandboxd; its first, if not given
    #[arg(short, long, value_name = "NAME")]
    pub(crate) container: Option<String>,
    /// A shell line, if it is one word; else a program and its arguments
    #[arg(required = true, trailing_var_arg = true)]
    pub(crate) command: Vec<String>,
}

#[derive(Debug, clap::Args)]
#[command(after_help = COPY_HELP)]
pub(crate) struct CopyArgs {
    /// What is copied, and last where to: NAME:PATH, a path here, or -
    #[arg(required = true, num_args = 2.., value_name = "SRC… DST")]
    pub(crate) sides: Vec<OsString>,
    /// Container of a pod without sandboxd; its first, if not given
    #[arg(short, long, value_name = "NAME")]
    pub(crate) container: Option<String>,
}

#[derive(Clone, Debug, clap::Args)]
#[command(after_help = LOGS_HELP)]
pub(crate) struct LogsArgs {
    /// The sandbox, or claim/NAME
    pub(crate) sandbox: Name,
    /// Go on with what is written from now on
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Only so many lines from the end; -1 for all
    #[arg(long, value_name = "LINES", allow_negative_numbers = true, value_parser = lines)]
    pub(crate) tail: Option<Tail>,
    /// Only what was written in the last so long, such as 5s, 2m or 3h
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) since: Option<Duration>,
    /// Only what was written then or later, such as 2026-01-02T03:04:05Z
    #[arg(long, value_name = "WHEN", conflicts_with = "since")]
    pub(crate) since_time: Option<Timestamp>,
    /// Each line with the time when it was written
    #[arg(long)]
    pub(crate) timestamps: bool,
    /// Container of a pod; its first, if not given
    #[arg(short, long, value_name = "NAME")]
    pub(crate) container: Option<String>,
}

#[derive(Debug, clap::Args)]
#[command(after_help = LIST_HELP)]
pub(crate) struct ListArgs {
    /// The sandbox or claim/NAME, and which of its folders
    #[arg(value_name = "NAME[:PATH]")]
    pub(crate) place: String,
    /// What is printed
    #[arg(short = 'o', value_enum, value_name = "FORM", default_value_t)]
    pub(crate) form: TextForm,
}

/// Which sandboxes.
#[derive(Debug, clap::Args)]
pub(crate) struct WhichArgs {
    /// Of all namespaces
    #[arg(short = 'A', long)]
    pub(crate) all_namespaces: bool,
    /// Only those with these labels
    #[arg(short = 'l', long, value_name = "LABELS")]
    pub(crate) selector: Option<String>,
    /// What is printed
    #[arg(short = 'o', value_enum, value_name = "FORM", default_value_t)]
    pub(crate) form: TableForm,
}

#[derive(Debug, clap::Args)]
#[command(after_help = PS_HELP)]
pub(crate) struct PsArgs {
    #[command(flatten)]
    pub(crate) which: WhichArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = TOP_HELP)]
pub(crate) struct TopArgs {
    /// Only these
    pub(crate) sandboxes: Vec<Name>,
    /// Print one table, and end
    #[arg(long)]
    pub(crate) once: bool,
    #[command(flatten)]
    pub(crate) which: WhichArgs,
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
    /// All that is known
    Json,
}

/// How a listing is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum TextForm {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
}

/// How much of the end of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tail {
    All,
    Lines(u32),
}

/// A number of lines; as kubectl has it, -1 is all of them.
fn lines(text: &str) -> Result<Tail, String> {
    match text {
        "-1" => Ok(Tail::All),
        text => text
            .parse()
            .map(Tail::Lines)
            .map_err(|_| "it is no number of lines; write such as 20, or -1 for all".to_owned()),
    }
}

/// A span of time as people write it; a bare number is seconds.
fn time(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok();
    let seconds = seconds.and_then(|number| Duration::try_from_secs_f64(number).ok());
    seconds
        .or_else(|| humantime::parse_duration(text).ok())
        .filter(|time| !time.is_zero())
        .ok_or_else(|| "it is no time; write such as 30s, 1m or 250ms".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exec(line: &[&str]) -> ExecArgs {
        let words = ["kubectl mote", "exec"].iter().chain(line);
        match Args::try_parse_from(words).unwrap().verb {
            Verb::Exec(args) => args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn flags_after_the_commands_first_word_are_its_own() {
        let args = exec(&["work", "-i", "ls", "-t", "-n", "x"]);
        assert!(args.stdin && !args.tty);
        assert_eq!(args.command, ["ls", "-t", "-n", "x"]);
        let args = exec(&["work", "-it", "--", "sh", "-l"]);
        assert!(args.stdin && args.tty);
        assert_eq!(args.command, ["sh", "-l"]);
    }

    #[test]
    fn kubectls_flags_are_taken_on_either_side_of_the_verb() {
        for line in [
            &["kubectl mote", "-n", "a", "ps"],
            &["kubectl mote", "ps", "-n", "a"],
        ] {
            let args = Args::try_parse_from(line).unwrap();
            assert_eq!(args.cluster.namespace.as_deref(), Some("a"));
        }
    }

    #[test]
    fn a_time_has_a_unit_or_is_seconds() {
        assert_eq!(time("1.5"), Ok(Duration::from_millis(1_500)));
        assert_eq!(time("2m"), Ok(Duration::from_secs(120)));
        for wrong in ["0", "-1", "soon", "1e300"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_part_of_a_log_is_asked_for_as_of_kubectl() {
        let logs = |line: &[&str]| {
            let words = ["kubectl mote", "logs", "work"].iter().chain(line);
            match Args::try_parse_from(words).map(|args| args.verb) {
                Ok(Verb::Logs(args)) => Some(args),
                _ => None,
            }
        };
        let tail = |line: &[&str]| logs(line).map(|args| args.tail);
        assert_eq!(tail(&["--tail", "-1"]), Some(Some(Tail::All)));
        assert_eq!(tail(&["--tail=20"]), Some(Some(Tail::Lines(20))));
        assert_eq!(tail(&["--tail=-2"]), None);
        let since = logs(&["--since", "1h30m"]).and_then(|args| args.since);
        assert_eq!(since, Some(Duration::from_secs(5_400)));
        let when = "2026-01-02T03:04:05+02:00";
        let since = logs(&["--since-time", when]).and_then(|args| args.since_time);
        assert_eq!(since.unwrap().to_string(), "2026-01-02T01:04:05Z");
        assert!(logs(&["--since-time", "yesterday"]).is_none());
        assert!(logs(&["--since", "5m", "--since-time", when]).is_none());
    }

    #[test]
    fn a_copy_has_two_sides_at_least() {
        assert!(Args::try_parse_from(["kubectl mote", "cp", "a"]).is_err());
        assert!(Args::try_parse_from(["kubectl mote", "cp", "a", "b", "c:"]).is_ok());
    }
}
