//! Durations as Go writes them: `5m0s`, `1h30m`, `250ms`, `1.5s`.

use std::time::Duration;

/// Units by name, in nanoseconds, longest first.
const UNITS: [(&str, u64); 8] = [
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ns", 1),
];
/// Digits after a point that can matter: an hour has 3.6 × 10¹² nanoseconds.
const FRACTION_DIGITS: usize = 15;

/// Reads a duration that is not negative. A number needs its unit, but for `0`.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let number = rest.find(|it: char| !it.is_ascii_digit() && it != '.')?;
        let (number, after) = rest.split_at_checked(number)?;
        let unit = after.find(|it: char| it.is_ascii_digit() || it == '.');
        let (unit, after) = after.split_at_checked(unit.unwrap_or(after.len()))?;
        let (_, nanos) = UNITS.iter().find(|(name, _)| *name == unit)?;
        total = total.checked_add(scaled(number, *nanos)?)?;
        rest = after;
    }
    (!text.is_empty()).then_some(Duration::from_nanos(total))
}

fn scaled(number: &str, nanos: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let whole: u64 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let fraction = fraction.get(..FRACTION_DIGITS).unwrap_or(fraction);
    let part: u128 = if fraction.is_empty() {
        0
    } else {
        fraction.parse().ok()?
    };
    let part = part * u128::from(nanos) / 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    whole
        .checked_mul(nanos)?
        .checked_add(u64::try_from(part).ok()?)
}

/// Writes a duration as Go prints it.
pub(super) fn show(duration: Duration) -> String {
    let (seconds, nanos) = (duration.as_secs(), duration.subsec_nanos());
    if seconds == 0 {
        return match nanos {
            0 => "0s".to_owned(),
            1..1_000 => format!("{nanos}ns"),
            1_000..1_000_000 => format!("{}µs", f64::from(nanos) / 1e3),
            _ => format!("{}ms", f64::from(nanos) / 1e6),
        };
    }
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    let hours = if hours > 0 {
        format!("{hours}h")
    } else {
        String::new()
    };
    let minutes = if seconds >= 60 {
        format!("{minutes}m")
    } else {
        String::new()
    };
    let fraction = if nanos > 0 {
        format!(".{nanos:09}")
    } else {
        String::new()
    };
    format!(
        "{hours}{minutes}{}{}s",
        seconds % 60,
        fraction.trim_end_matches('0')
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_go_reads_is_read() {
        for (text, millis) in [
            ("0", 0),
            ("0s", 0),
            ("5m0s", 300_000),
            ("1h", 3_600_000),
            ("250ms", 250),
            ("1.5s", 1_500),
            ("1h30m", 5_400_000),
            (".5s", 500),
            ("1.s", 1_000),
            ("+2s", 2_000),
            ("1500000µs", 1_500),
            ("2h45m30.25s", 9_930_250),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in [
            "",
            "5",
            "-5s",
            "5x",
            "s",
            ".s",
            "1..2s",
            "5 s",
            "1.2.3s",
            "é",
            "99999999999h",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn durations_are_shown_as_go_shows_them() {
        for text in [
            "0s",
            "250ms",
            "1.5s",
            "5m0s",
            "1h0m0s",
            "1m30s",
            "2h45m30.25s",
            "1.5µs",
        ] {
            assert_eq!(show(parse(text).unwrap()), text);
        }
    }

    proptest! {
        #[test]
        fn a_duration_that_is_shown_is_read_again(nanos in 0_u64..10_u64.pow(15)) {
            let duration = Duration::from_nanos(nanos);
            prop_assert_eq!(parse(&show(duration)), Some(duration));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,20}") {
            let _ = parse(&text);
        }
    }
}
