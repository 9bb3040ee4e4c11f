//! Decimal numbers of any length, with the digits after the point that `bc`
//! says a result has.

use std::cmp::Ordering;

use num_bigint::BigInt;

/// Digits of a line of output; longer numbers go on in the next.
const LINE_DIGITS: usize = 68;

/// A number: its digits, and how many of them stand after the point.
#[derive(Clone, Debug)]
pub struct Number {
    digits: BigInt,
    scale: usize,
}

fn ten(power: usize) -> BigInt {
    BigInt::from(10).pow(u32::try_from(power).unwrap_or(u32::MAX))
}

impl Number {
    /// Zero.
    pub fn zero() -> Self {
        Self::from(0)
    }

    /// Reads digits of a base, with or without a point.
    pub fn parse(text: &str, base: u32) -> Self {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        // In every base the digits go up to F; a single one means itself.
        let digit = |letter: char| letter.to_digit(16).unwrap_or(0);
        let single = text.len() == 1;
        let value = |text: &str| {
            text.chars().fold(BigInt::ZERO, |sum, letter| {
                let digit = digit(letter);
                let digit = if single { digit } else { digit.min(base - 1) };
                sum * base + digit
            })
        };
        let scale = fraction.len();
        let mut digits = value(whole) * ten(scale);
        digits += value(fraction) * ten(scale) / BigInt::from(base).pow(scale as u32);
        Self { digits, scale }
    }

    /// Digits after the point.
    pub fn scale(&self) -> usize {
        self.scale
    }

    /// All digits that count.
    pub fn length(&self) -> usize {
        let digits = self.digits.magnitude().to_string().len();
        digits.max(self.scale)
    }

    /// Whether it is zero.
    pub fn is_zero(&self) -> bool {
        self.digits == BigInt::ZERO
    }

    /// The whole part as a machine's number, if it fits.
    pub fn to_i64(&self) -> Option<i64> {
        i64::try_from(&self.digits / ten(self.scale)).ok()
    }

    /// The same with so many digits after the point; what is beyond is cut.
    pub fn with_scale(&self, scale: usize) -> Self {
        let digits = if scale >= self.scale {
            &self.digits * ten(scale - self.scale)
        } else {
            &self.digits / ten(self.scale - scale)
        };
        Self { digits, scale }
    }

    /// The opposite number.
    pub fn negated(&self) -> Self {
        Self {
            digits: -&self.digits,
            scale: self.scale,
        }
    }

    /// The sum.
    pub fn plus(&self, other: &Self) -> Self {
        let scale = self.scale.max(other.scale);
        Self {
            digits: self.with_scale(scale).digits + other.with_scale(scale).digits,
            scale,
        }
    }

    /// The product, with the scale that `bc` gives it.
    pub fn times(&self, other: &Self, scale: usize) -> Self {
        let full = self.scale + other.scale;
        let product = Self {
            digits: &self.digits * &other.digits,
            scale: full,
        };
        product.with_scale(full.min(scale.max(self.scale).max(other.scale)))
    }

    /// The quotient; nothing if there is none.
    pub fn over(&self, other: &Self, scale: usize) -> Option<Self> {
        if other.is_zero() {
            return None;
        }
        let digits = &self.digits * ten(scale + other.scale) / (&other.digits * ten(self.scale));
        Some(Self { digits, scale })
    }

    /// What a division leaves.
    pub fn rest(&self, other: &Self, scale: usize) -> Option<Self> {
        let quotient = self.over(other, scale)?;
        let full = (scale + other.scale).max(self.scale);
        let product = Self {
            digits: &quotient.digits * &other.digits,
            scale: quotient.scale + other.scale,
        };
        Some(self.plus(&product.negated()).with_scale(full))
    }

    /// The power with a whole exponent.
    pub fn to_the(&self, exponent: i64, scale: usize) -> Option<Self> {
        let times = usize::try_from(exponent.unsigned_abs()).ok()?;
        let full = self.scale.checked_mul(times)?;
        let power = Self {
            digits: self.digits.pow(u32::try_from(times).ok()?),
            scale: full,
        };
        if exponent < 0 {
            return Self::from(1).over(&power, scale);
        }
        Some(power.with_scale(full.min(scale.max(self.scale))))
    }

    /// The square root; nothing for a number below zero.
    pub fn root(&self, scale: usize) -> Option<Self> {
        if self.digits < BigInt::ZERO {
            return None;
        }
        let scale = scale.max(self.scale);
        let digits = self.with_scale(2 * scale).digits.sqrt();
        Some(Self { digits, scale })
    }

    /// How the two compare.
    pub fn compare(&self, other: &Self) -> Ordering {
        let scale = self.scale.max(other.scale);
        self.with_scale(scale)
            .digits
            .cmp(&other.with_scale(scale).digits)
    }

    /// The number as `bc` prints it in a base.
    pub fn show(&self, base: u32) -> String {
        let magnitude = BigInt::from(self.digits.magnitude().clone());
        let (unit, sign) = (
            ten(self.scale),
            if self.digits < BigInt::ZERO { "-" } else { "" },
        );
        let (whole, mut fraction) = (&magnitude / &unit, magnitude % &unit);
        if self.is_zero() {
            return "0".to_owned();
        }
        let mut text = sign.to_owned();
        if base == 10 {
            if whole != BigInt::ZERO {
                text.push_str(&whole.to_string());
            }
            if self.scale > 0 {
                text.push_str(&format!(".{:0>1$}", fraction.to_string(), self.scale));
            }
            return wrapped(&text);
        }
        let wide = base > 16;
        let digit = |value: &BigInt| match wide {
            true => format!(" {value:02}"),
            false => value.to_str_radix(16).to_uppercase(),
        };
        let mut digits = Vec::new();
        let mut left = whole;
        while left != BigInt::ZERO {
            digits.push(digit(&(&left % base)));
            left /= base;
        }
        text.extend(digits.into_iter().rev());
        if self.scale > 0 {
            text.push('.');
            // As many digits as tell apart what the decimal ones do.
            let mut precision = BigInt::from(1);
            while precision < unit {
                fraction *= base;
                text.push_str(&digit(&(&fraction / &unit)));
                fraction %= &unit;
                precision *= base;
            }
        }
        wrapped(&text)
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Self {
            digits: value.into(),
            scale: 0,
        }
    }
}

fn wrapped(text: &str) -> String {
    if text.len() <= LINE_DIGITS + 1 {
        return text.to_owned();
    }
    let chunks: Vec<String> = text
        .as_bytes()
        .chunks(LINE_DIGITS)
        .map(|chunk| String::from_utf8_lossy(chunk).into_owned())
        .collect();
    chunks.join("\\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        Number::parse(text, 10)
    }

    fn shown(number: Option<Number>) -> Option<String> {
        number.map(|number| number.show(10))
    }

    #[test]
    fn results_are_cut_not_rounded() {
        let (five, three) = (number("5"), number("3"));
        assert_eq!(shown(five.over(&three, 0)), Some("1".to_owned()));
        assert_eq!(shown(five.over(&three, 2)), Some("1.66".to_owned()));
        assert_eq!(
            shown(five.negated().over(&three, 2)),
            Some("-1.66".to_owned())
        );
        assert_eq!(shown(number("2").over(&three, 2)), Some(".66".to_owned()));
        assert_eq!(shown(five.over(&Number::zero(), 2)), None);
        assert_eq!(number("1.5").times(&number("2.25"), 0).show(10), "3.37");
        assert_eq!(number("1.10").plus(&number("1")).show(10), "2.10");
        assert_eq!(shown(number("7").rest(&three, 0)), Some("1".to_owned()));
        assert_eq!(shown(number("2").root(5)), Some("1.41421".to_owned()));
        assert_eq!(shown(number("2").to_the(-2, 4)), Some(".2500".to_owned()));
    }

    #[test]
    fn numbers_have_any_length_and_base() {
        let big = number("2").to_the(100, 0).expect("a power");
        assert_eq!(big.show(10), "1267650600228229401496703205376");
        assert_eq!(number("255").show(16), "FF");
        assert_eq!(Number::parse("FF", 16).show(10), "255");
        assert_eq!(Number::parse("1011", 2).show(10), "11");
        let long = number("2").to_the(300, 0).expect("a power").show(10);
        assert_eq!(long.find("\\\n"), Some(LINE_DIGITS));
    }
}
