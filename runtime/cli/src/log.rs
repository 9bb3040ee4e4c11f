//! What the host library has to say, on stderr.

use std::fmt;

use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{DefaultFields, Format, FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent as _};
use tracing_subscriber::registry::LookupSpan;

/// The environment variable that chooses what is logged.
const VARIABLE: &str = "MOTE_LOG";
/// Warnings, and what is meant for whoever waits: the target `mote`.
const DEFAULT: &str = "warn,mote=info";
/// The target of what is meant for whoever waits.
const NOTICES: &str = "mote";

/// Prints events from here on. Whoever calls twice keeps the first.
pub(crate) fn start() {
    let filter = std::env::var(VARIABLE).unwrap_or_else(|_| DEFAULT.to_owned());
    let _ = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(EnvFilter::new(filter))
        .event_format(Lines)
        .try_init();
}

/// Notices as `mote: …`; all else as logs have it.
struct Lines;

impl<S> FormatEvent<S, DefaultFields> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, DefaultFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if event.metadata().target() != NOTICES {
            return Format::default().format_event(context, writer, event);
        }
        writer.write_str("mote: ")?;
        context.format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}
