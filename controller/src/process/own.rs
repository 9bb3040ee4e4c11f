//! What the process is and costs: the standard metrics of any process, and the
//! build's facts.

use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::{Registry, Unit};

/// Makes `process_*` and `agent_sandbox_build_info` known to the registry.
pub(super) fn register(registry: &mut Registry) {
    registry.register_collector(Box::new(Process));
    let build = Family::<Vec<(&str, String)>, Gauge>::default();
    let facts = [
        ("git_version", env!("CARGO_PKG_VERSION").to_owned()),
        ("git_commit", String::new()),
        ("build_date", String::new()),
        // The names are those of dashboards that were there before Rust was.
        ("go_version", String::new()),
        ("compiler", "rustc".to_owned()),
        (
            "platform",
            format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
        ),
    ];
    build.get_or_create(&facts.into()).set(1);
    registry.register(
        "agent_sandbox_build_info",
        "What runs here; always 1",
        build,
    );
}

#[derive(Debug)]
struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        if let Some(seconds) = cpu_seconds() {
            let cpu = ConstCounter::new(seconds);
            let help = "Processor time used, in user and system mode";
            cpu.encode(encoder.encode_descriptor(
                "process_cpu",
                help,
                Some(&Unit::Seconds),
                cpu.metric_type(),
            )?)?;
        }
        if let Some(bytes) = resident_bytes() {
            let memory = ConstGauge::new(i64::try_from(bytes).unwrap_or(i64::MAX));
            let (name, help) = ("process_resident_memory", "Memory that is resident");
            memory.encode(encoder.encode_descriptor(
                name,
                help,
                Some(&Unit::Bytes),
                memory.metric_type(),
            )?)?;
        }
        Ok(())
    }
}

/// From `/proc/self/stat`: fields 14 and 15 are ticks in user and system mode.
fn cpu_seconds() -> Option<f64> {
    // The name in brackets may hold anything, brackets and spaces too.
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let ticks = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// From `/proc/self/statm`: the second field is pages.
fn resident_bytes() -> Option<u64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_ascii_whitespace().nth(1)?.parse().ok()?;
    pages.checked_mul(rustix::param::page_size() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_metrics_has_the_standard_names() {
        let mut registry = Registry::default();
        register(&mut registry);
        let mut page = String::new();
        prometheus_client::encoding::text::encode(&mut page, &registry).unwrap();
        for series in [
            "process_cpu_seconds_total ",
            "process_resident_memory_bytes ",
            "agent_sandbox_build_info{",
        ] {
            assert!(
                page.lines().any(|line| line.starts_with(series)),
                "{series} in {page}"
            );
        }
    }
}
