//! What was measured, as a table that can be put beside another.

use std::time::Duration;

/// One line of the table.
#[derive(Debug)]
pub struct Row {
    what: String,
    figure: String,
    target: String,
}

impl Row {
    /// The median, the 90th and the 99th of a hundred, and how many there were.
    pub fn times(what: &str, mut times: Vec<Duration>, target: &str) -> Self {
        times.sort_unstable();
        let at = |percent: usize| {
            let rank = (times.len() * percent).div_ceil(100).max(1);
            times
                .get(rank - 1)
                .map_or(f64::NAN, |time| time.as_secs_f64() * 1000.0)
        };
        let figure = format!(
            "{:.0} / {:.0} / {:.0} ms (p50/p90/p99 of {})",
            at(50),
            at(90),
            at(99),
            times.len()
        );
        Self::new(what, figure, target)
    }

    /// Anything else.
    pub fn new(what: &str, figure: impl Into<String>, target: &str) -> Self {
        Self {
            what: what.to_owned(),
            figure: figure.into(),
            target: target.to_owned(),
        }
    }
}

/// The rows as Markdown.
pub fn table(rows: &[Row]) -> String {
    let lines = rows.iter().map(
        |Row {
             what,
             figure,
             target,
         }| format!("| {what} | {figure} | {target} |\n"),
    );
    format!(
        "| what | measured | target |\n|---|---|---|\n{}",
        lines.collect::<String>()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_times() {
        let times = (1..=100).rev().map(Duration::from_millis).collect();
        assert_eq!(
            Row::times("", times, "").figure,
            "50 / 90 / 99 ms (p50/p90/p99 of 100)"
        );
        let one = vec![Duration::from_millis(7)];
        assert_eq!(
            Row::times("", one, "").figure,
            "7 / 7 / 7 ms (p50/p90/p99 of 1)"
        );
    }
}
