//! What the host library has to say, on stderr.

use std::fmt;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{Format, FormatEvent, FormatFields, Writer};
use tracing_subscriber::registry::LookupSpan;

/// The environment variable that chooses what is logged.
const VARIABLE: &str = "MOTE_LOG";
/// Warnings, and what is meant for whoever waits: the target `mote`.
const DEFAULT: &str = "warn,mote=info,mote_host=warn";
/// Of a server also what it does by itself.
const SERVER_DEFAULT: &str = "warn,mote=info,mote_node=info";
/// The target of what is meant for whoever waits.
const NOTICES: &str = "mote";
/// Sources from this size on take seconds to compile: about 1 MiB a second on
/// two cores.
const LONG_COMPILATION_BYTES: u64 = 2 << 20;

/// Prints events from here on. Whoever calls twice keeps the first.
pub(crate) fn start() {
    let filter = std::env::var(VARIABLE).unwrap_or_else(|_| DEFAULT.to_owned());
    let _ = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(EnvFilter::new(filter))
        .event_format(Lines)
        .try_init();
}

/// How the log of a server is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// A line for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Prints the events of a server from here on.
pub(crate) fn serve(format: LogFormat) {
    let filter = std::env::var(VARIABLE).unwrap_or_else(|_| SERVER_DEFAULT.to_owned());
    let lines = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(EnvFilter::new(filter));
    // Whoever calls twice keeps the first.
    let _ = match format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
}

/// Notices as `mote: …`; all else as logs have it.
struct Lines;

impl<S, F> FormatEvent<S, F> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    F: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, F>,
        writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if event.metadata().target() != NOTICES {
            return Format::default().format_event(context, writer, event);
        }
        let mut notice = Notice::default();
        event.record(&mut notice);
        notice.write(writer)
    }
}

/// What the host says of a program that it compiles.
#[derive(Default)]
struct Notice {
    program: String,
    bytes: u64,
}

impl Notice {
    fn write(&self, mut writer: Writer<'_>) -> fmt::Result {
        if self.bytes < LONG_COMPILATION_BYTES {
            return Ok(());
        }
        let Self { program, .. } = self;
        writeln!(
            writer,
            "mote: compiling {program}, once; this may take a minute, and the next call starts at once"
        )
    }
}

impl Visit for Notice {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "bytes" {
            self.bytes = value;
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "program" {
            value.clone_into(&mut self.program);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "program" {
            self.program = format!("{value:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(bytes: u64) -> String {
        let mut text = String::new();
        let program = "python3".to_owned();
        Notice { program, bytes }
            .write(Writer::new(&mut text))
            .unwrap();
        text
    }

    #[test]
    fn only_a_compilation_that_takes_long_is_worth_a_line() {
        assert_eq!(written(LONG_COMPILATION_BYTES - 1), "");
        let line = written(LONG_COMPILATION_BYTES);
        assert!(line.starts_with("mote: compiling python3, once;"), "{line}");
        assert_eq!(line.lines().count(), 1);
    }
}
