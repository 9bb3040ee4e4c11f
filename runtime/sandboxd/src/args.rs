//! The command line: sandboxd's flags, in Go's spelling too.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

/// Bytes of a piece of output if the flag is 0: a page, as sandboxd has it.
const DEFAULT_CHUNK: usize = 4096;
/// Largest piece of output that a backend may tell of.
const MAX_CHUNK: usize = 64 * 1024;

/// Serves the sandbox protocols over processes of this machine or container.
///
/// Whoever reaches the ports can run programs and change files as this
/// process could: bind them where only the sandbox's owner comes. Flags are
/// those of sandboxd; -flag and --flag mean the same.
#[derive(Debug, Parser)]
#[command(name = "mote-sandboxd", version)]
pub struct Args {
    /// Address to listen on.
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0")]
    pub listen_host: IpAddr,
    /// The three ports.
    #[command(flatten)]
    pub ports: Ports,
    /// Directory that files and working directories are confined to; made if
    /// it is missing.
    #[arg(long, value_name = "DIR", default_value = "/workspace")]
    pub root_dir: PathBuf,
    /// Variables whose names begin so are told at /v1/metadata, but for those
    /// that hint at a secret.
    #[arg(long, value_name = "PREFIX", default_value = "SANDBOX_")]
    pub metadata_env_prefix: String,
    /// Time for requests and programs to end after SIGTERM, such as 10s or
    /// 1m30s.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
    pub shutdown_timeout: Duration,
    /// Time after which a connection without requests is closed.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = humantime::parse_duration)]
    pub http_idle_timeout: Duration,
    /// Most bytes in a piece of streamed output, up to 65536; 0 is 4096.
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    stream_chunk_size: usize,
}

/// The ports to listen on; 0 switches one off.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Ports {
    /// Port of the gRPC ProcessService; 0 switches it off.
    #[arg(long = "grpc-port", value_name = "PORT", default_value_t = 9090)]
    pub grpc: u16,
    /// Port of the files and health REST API; 0 switches it off.
    #[arg(long = "rest-port", value_name = "PORT", default_value_t = 8080)]
    pub rest: u16,
    /// Port of the python-runtime HTTP API, whose directory is that of the
    /// variable SANDBOX_BASE_DIR, or --root-dir; 0 switches it off.
    #[arg(long = "runtime-port", value_name = "PORT", default_value_t = 8888)]
    pub runtime: u16,
}

impl Args {
    /// Reads a command line in either spelling.
    ///
    /// # Errors
    /// It is none, or asks for help.
    pub fn read(line: impl Iterator<Item = OsString>) -> Result<Self, clap::Error> {
        Self::try_parse_from(line.map(double_dash))
    }

    /// Most bytes in a piece of output.
    pub fn chunk(&self) -> usize {
        match self.stream_chunk_size {
            0 => DEFAULT_CHUNK,
            bytes => bytes.min(MAX_CHUNK),
        }
    }
}

/// Go's `-flag` as `--flag`; `-h` stays.
fn double_dash(argument: OsString) -> OsString {
    match argument.to_str().and_then(|text| text.strip_prefix('-')) {
        Some(flag) if flag.len() > 1 && !flag.starts_with('-') => format!("--{flag}").into(),
        _ => argument,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Args, clap::Error> {
        let words = std::iter::once("mote-sandboxd").chain(line.split_whitespace());
        Args::read(words.map(OsString::from))
    }

    #[test]
    fn the_defaults_are_those_of_sandboxd() {
        let args = read("").unwrap();
        assert_eq!(args.listen_host.to_string(), "0.0.0.0");
        let Ports {
            grpc,
            rest,
            runtime,
        } = args.ports;
        assert_eq!((grpc, rest, runtime), (9090, 8080, 8888));
        assert_eq!(args.root_dir, PathBuf::from("/workspace"));
        assert_eq!(args.metadata_env_prefix, "SANDBOX_");
        assert_eq!(args.shutdown_timeout, Duration::from_secs(10));
        assert_eq!(args.http_idle_timeout, Duration::from_secs(60));
        assert_eq!(args.chunk(), DEFAULT_CHUNK);
    }

    #[test]
    fn both_spellings_of_a_flag_are_understood() {
        for line in [
            "--grpc-port=7 --shutdown-timeout=1m30s",
            "-grpc-port=7 -shutdown-timeout=1m30s",
            "--grpc-port 7 --shutdown-timeout 1m30s",
            "-grpc-port 7 -shutdown-timeout 1m30s",
        ] {
            let args = read(line).unwrap();
            assert_eq!(args.ports.grpc, 7, "{line}");
            assert_eq!(args.shutdown_timeout, Duration::from_secs(90), "{line}");
        }
    }

    #[test]
    fn a_piece_of_output_has_at_most_what_an_event_may() {
        assert_eq!(read("-stream-chunk-size 1").unwrap().chunk(), 1);
        assert_eq!(read("-stream-chunk-size 65537").unwrap().chunk(), MAX_CHUNK);
    }

    #[test]
    fn what_is_no_flag_is_an_error() {
        for line in [
            "--grpc-port=x",
            "--grpc-port=65536",
            "--shutdown-timeout=10",
            "-x",
            "y",
        ] {
            assert!(read(line).is_err(), "{line}");
        }
    }
}
