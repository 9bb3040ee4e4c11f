//! Names side by side.

/// Names in columns, filled downwards or across.
pub fn columns(names: &[String], width: usize, down: bool) -> Vec<String> {
    let widths: Vec<usize> = names.iter().map(|name| name.chars().count()).collect();
    let rows_of = |columns: usize| names.len().div_ceil(columns);
    let place = |index: usize, columns: usize| {
        if down {
            (index % rows_of(columns), index / rows_of(columns))
        } else {
            (index / columns, index % columns)
        }
    };
    let widths_of = |columns: usize| {
        let mut wide = vec![0; columns];
        for (index, &size) in widths.iter().enumerate() {
            if let Some(column) = wide.get_mut(place(index, columns).1) {
                *column = size.max(*column);
            }
        }
        wide
    };
    let fits = |columns: &usize| {
        let wide = widths_of(*columns);
        wide.iter().sum::<usize>() + 2 * (columns - 1) < width
    };
    let columns = (1..=names.len()).rev().find(fits).unwrap_or(1);
    let wide = widths_of(columns);
    let mut lines = vec![String::new(); rows_of(columns)];
    let mut filled = vec![0; lines.len()];
    for (index, (name, size)) in names.iter().zip(&widths).enumerate() {
        let (row, column) = place(index, columns);
        let start: usize = wide.iter().take(column).map(|width| width + 2).sum();
        if let (Some(line), Some(filled)) = (lines.get_mut(row), filled.get_mut(row)) {
            line.extend(std::iter::repeat_n(' ', start - *filled));
            line.push_str(name);
            *filled = start + size;
        }
    }
    lines
}

/// Names with commas between, as many to a line as go.
pub fn commas(names: &[String], width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let comma = if index + 1 < names.len() { "," } else { "" };
        match lines.last_mut() {
            Some(line) if line.len() + name.len() + 2 < width => {
                line.push_str(&format!(" {name}{comma}"));
            }
            _ => lines.push(format!("{name}{comma}")),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn columns_fill_downwards_or_across() {
        let names = names("a bbb cc d eeee");
        assert_eq!(columns(&names, 80, true), ["a  bbb  cc  d  eeee"]);
        assert_eq!(columns(&names, 12, true), ["a    d", "bbb  eeee", "cc"]);
        assert_eq!(columns(&names, 13, false), ["a  bbb   cc", "d  eeee"]);
        assert!(columns(&[], 80, true).is_empty());
    }

    #[test]
    fn commas_wrap_at_the_width() {
        assert_eq!(commas(&names("a b"), 80), ["a, b"]);
        assert_eq!(commas(&names("aaaa bbbb cc"), 10), ["aaaa,", "bbbb, cc"]);
    }
}
