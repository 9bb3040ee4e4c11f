//! The log, on stderr.

use tracing_subscriber::EnvFilter;

use super::options::Options;

/// Starts to log as the flags say; `RUST_LOG`, where it is set, says more.
pub(super) fn start(options: &Options) {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new(level(&options.log_level)));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    if options.log_encoder == "json" {
        log.json().init();
    } else {
        log.with_ansi(false).init();
    }
}

/// The flag's words are those of zap, which knows numbers for what is finer
/// than `debug`.
fn level(word: &str) -> &str {
    match word {
        "error" | "panic" | "fatal" | "dpanic" => "error",
        "warn" => "warn",
        "info" => "info",
        "debug" | "1" => "info,mote_controller=debug",
        _ => "debug,mote_controller=trace",
    }
}
