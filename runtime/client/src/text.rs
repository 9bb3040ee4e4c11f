//! Sizes, times and other people's words, as one line of a terminal.

use std::time::Duration;

/// Line ends become spaces, other control characters, which could rewrite a
/// terminal, are left out.
pub fn one_line(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    words.chars().filter(|c| !c.is_control()).collect()
}

/// An error and its causes, each only where it adds something.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

/// Three digits at most matter to a reader.
pub fn time(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match time.as_micros() {
        0..1_000 => format!("{} µs", time.as_micros()),
        1_000..1_000_000 => digits(seconds * 1e3, "ms"),
        _ => digits(seconds, "s"),
    }
}

/// Bytes, in the unit that says most.
pub fn size(bytes: u64) -> String {
    /// The precision is lost far below the digits shown.
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    fn scaled(bytes: u64, shift: u32) -> f64 {
        bytes as f64 / (1u64 << shift) as f64
    }
    match bytes {
        0..1_024 => format!("{bytes} B"),
        1_024..1_048_576 => digits(scaled(bytes, 10), "KiB"),
        1_048_576..1_073_741_824 => digits(scaled(bytes, 20), "MiB"),
        _ => digits(scaled(bytes, 30), "GiB"),
    }
}

fn digits(value: f64, unit: &str) -> String {
    let decimals = match value {
        ..10.0 => 2,
        10.0..100.0 => 1,
        _ => 0,
    };
    format!("{value:.decimals$} {unit}")
}

/// Thousandths of one processor, in percent.
pub fn percent(permille: u64) -> String {
    format!("{}.{}%", permille / 10, permille % 10)
}

/// Seconds in the one unit that says most. What is to come by a wrong clock is
/// now.
pub fn age(seconds: i64) -> String {
    match seconds.max(0) {
        seconds @ 0..120 => format!("{seconds}s"),
        seconds @ 120..7_200 => format!("{}m", seconds / 60),
        seconds @ 7_200..172_800 => format!("{}h", seconds / 3_600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_cannot_rewrite_the_terminal() {
        assert_eq!(one_line("a\n  b\u{1b}[2J\r"), "a b[2J");
    }

    #[test]
    fn times_and_sizes_keep_three_digits() {
        assert_eq!(time(Duration::from_micros(7)), "7 µs");
        assert_eq!(time(Duration::from_millis(250)), "250 ms");
        assert_eq!(time(Duration::from_millis(1_500)), "1.50 s");
        assert_eq!(size(1_023), "1023 B");
        assert_eq!(size(3 << 30), "3.00 GiB");
        assert_eq!(percent(125), "12.5%");
    }

    #[test]
    fn an_age_has_one_unit() {
        for (seconds, text) in [
            (-5, "0s"),
            (119, "119s"),
            (120, "2m"),
            (7_199, "119m"),
            (7_200, "2h"),
            (172_799, "47h"),
            (172_800, "2d"),
        ] {
            assert_eq!(age(seconds), text);
        }
    }

    #[test]
    fn a_cause_that_the_error_names_already_is_not_repeated() {
        let cause = std::io::Error::other("disk on fire");
        let error = anyhow::Error::new(cause).context("failed to read: disk on fire");
        assert_eq!(chain(&*error), "failed to read: disk on fire");
        let error = error.context("no answer");
        assert_eq!(chain(&*error), "no answer: failed to read: disk on fire");
    }
}
