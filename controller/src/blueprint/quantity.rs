//! Quantities of Kubernetes, told apart by value and not by spelling.

/// A billionth is the least that a quantity can tell.
const NANO: i32 = 9;
/// No quantity that means something is longer.
const MAX_LENGTH: usize = 40;

/// The value in billionths, if the text is a quantity and fits: `1`, `1000m`
/// and `1e0` are one value, as are `1Gi` and `1024Mi`.
pub(crate) fn nanos(text: &str) -> Option<i128> {
    if text.len() > MAX_LENGTH {
        return None;
    }
    let end = text
        .find(|c: char| !matches!(c, '0'..='9' | '.' | '+' | '-'))
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let (binary, decimal) = scale(suffix)?;
    let decimal = decimal + NANO - i32::try_from(fraction.len()).ok()?;
    let power = 10i128.checked_pow(decimal.unsigned_abs())?;
    let value = digits.checked_mul(1i128 << binary)?;
    if decimal >= 0 {
        value.checked_mul(power)
    } else {
        (value % power == 0).then(|| value / power)
    }
}

/// The powers of two and of ten that a suffix stands for.
fn scale(suffix: &str) -> Option<(u32, i32)> {
    Some(match suffix {
        "" => (0, 0),
        "n" => (0, -9),
        "u" => (0, -6),
        "m" => (0, -3),
        "k" => (0, 3),
        "M" => (0, 6),
        "G" => (0, 9),
        "T" => (0, 12),
        "P" => (0, 15),
        "E" => (0, 18),
        "Ki" => (10, 0),
        "Mi" => (20, 0),
        "Gi" => (30, 0),
        "Ti" => (40, 0),
        "Pi" => (50, 0),
        "Ei" => (60, 0),
        _ => (
            0,
            suffix.strip_prefix(['e', 'E'])?.parse::<i8>().ok()?.into(),
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_has_many_spellings() {
        for (one, other) in [
            ("1", "1000m"),
            ("1Gi", "1024Mi"),
            ("0.5", "500m"),
            ("1e3", "1k"),
            ("1.5Gi", "1536Mi"),
            ("1E2", "100"),
        ] {
            assert_eq!(nanos(one), nanos(other), "{one} {other}");
            assert!(nanos(one).is_some(), "{one}");
        }
        assert_ne!(nanos("1G"), nanos("1Gi"));
    }

    #[test]
    fn what_is_no_quantity_has_no_value() {
        for text in [
            "",
            "Gi",
            "1Q",
            "1.2.3",
            "--1",
            "1e",
            "1e999999999999",
            "1e-99",
            "9".repeat(39).as_str(),
            "½",
        ] {
            assert_eq!(nanos(text), None, "{text}");
        }
    }
}
