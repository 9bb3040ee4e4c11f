//! The functions that `bc -l` adds.

use super::number::Number;

/// Digits computed beyond those that are asked for.
const GUARD: usize = 12;

fn half(number: &Number, scale: usize) -> Number {
    // Two is not zero.
    number
        .over(&Number::from(2), scale)
        .unwrap_or_else(Number::zero)
}

fn below(number: &Number, limit: &str) -> bool {
    let magnitude = if number.compare(&Number::zero()).is_lt() {
        number.negated()
    } else {
        number.clone()
    };
    magnitude.compare(&Number::parse(limit, 10)).is_lt()
}

/// The sum of terms until they are too small to count; `next` makes each of
/// the one before and its index.
fn series(first: Number, scale: usize, mut next: impl FnMut(&Number, i64) -> Number) -> Number {
    let (mut sum, mut term, mut index) = (first.clone(), first, 1);
    loop {
        term = next(&term, index);
        if term.with_scale(scale).is_zero() {
            return sum;
        }
        sum = sum.plus(&term);
        index += 1;
    }
}

fn divide(number: &Number, by: i64, scale: usize) -> Number {
    number
        .over(&Number::from(by), scale)
        .unwrap_or_else(Number::zero)
}

/// A function of the library; nothing if it has none of that name, or no value
/// for the number.
pub fn call(name: &str, x: &Number, scale: usize) -> Option<Number> {
    let work = scale + x.length() + GUARD;
    let value = match name {
        "e" => exponential(x, work),
        "l" => logarithm(x, work)?,
        "s" => sine(x, work),
        "c" => sine(&x.plus(&half(&pi(work), work)), work),
        "a" => arctangent(x, work),
        _ => return None,
    };
    Some(value.with_scale(scale))
}

fn exponential(x: &Number, scale: usize) -> Number {
    // The result may have many digits before the point.
    let whole = x.to_i64().unwrap_or(0).unsigned_abs() as usize;
    let scale = scale + whole / 2;
    let (mut small, mut halvings) = (x.with_scale(scale), 0);
    while !below(&small, ".5") {
        small = half(&small, scale);
        halvings += 1;
    }
    let mut value = series(Number::from(1).with_scale(scale), scale, |term, index| {
        divide(&term.times(&small, scale), index, scale)
    });
    for _ in 0..halvings {
        value = value.times(&value, scale).with_scale(scale);
    }
    value
}

fn logarithm(x: &Number, scale: usize) -> Option<Number> {
    if x.compare(&Number::zero()).is_le() {
        return None;
    }
    let one = Number::from(1);
    let (mut near, mut doublings) = (x.with_scale(scale), 0);
    while !below(&near.plus(&one.negated()), ".25") {
        near = near.root(scale)?;
        doublings += 1;
    }
    let ratio = near.plus(&one.negated()).over(&near.plus(&one), scale)?;
    let square = ratio.times(&ratio, scale);
    let mut power = ratio.clone();
    let mut value = series(ratio, scale, |_, index| {
        power = power.times(&square, scale);
        divide(&power, 2 * index + 1, scale)
    });
    for _ in 0..=doublings {
        value = value.plus(&value);
    }
    Some(value)
}

fn pi(scale: usize) -> Number {
    Number::from(4).times(&arctangent(&Number::from(1), scale), scale)
}

fn sine(x: &Number, scale: usize) -> Number {
    let turn = Number::from(2).times(&pi(scale), scale);
    let turns = x.over(&turn, 0).unwrap_or_else(Number::zero);
    let x = x
        .plus(&turns.times(&turn, scale).negated())
        .with_scale(scale);
    let square = x.times(&x, scale).negated();
    series(x, scale, |term, index| {
        divide(
            &term.times(&square, scale),
            2 * index * (2 * index + 1),
            scale,
        )
    })
}

fn arctangent(x: &Number, scale: usize) -> Number {
    let one = Number::from(1);
    let (mut small, mut doublings) = (x.with_scale(scale), 0);
    while !below(&small, ".2") {
        // tan(a/2) = tan(a) / (1 + sqrt(1 + tan(a)^2))
        let square = small.times(&small, scale);
        let root = one.plus(&square).root(scale).unwrap_or_else(Number::zero);
        small = small
            .over(&one.plus(&root), scale)
            .unwrap_or_else(Number::zero);
        doublings += 1;
    }
    let square = small.times(&small, scale).negated();
    let mut power = small.clone();
    let mut value = series(small, scale, |_, index| {
        power = power.times(&square, scale);
        divide(&power, 2 * index + 1, scale)
    });
    for _ in 0..doublings {
        value = value.plus(&value);
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(name: &str, x: &str) -> Option<String> {
        call(name, &Number::parse(x, 10), 20).map(|value| value.show(10))
    }

    #[test]
    fn functions_have_all_their_digits() {
        assert_eq!(shown("e", "1").as_deref(), Some("2.71828182845904523536"));
        assert_eq!(shown("l", "10").as_deref(), Some("2.30258509299404568401"));
        assert_eq!(shown("s", "1").as_deref(), Some(".84147098480789650665"));
        assert_eq!(shown("c", "1").as_deref(), Some(".54030230586813971740"));
        assert_eq!(shown("a", "1").as_deref(), Some(".78539816339744830961"));
        assert_eq!(shown("l", "0"), None);
        assert_eq!(shown("z", "0"), None);
    }
}
