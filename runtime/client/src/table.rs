//! Columns for people.

use crate::text::one_line;

/// Spaces between columns.
const GAP: usize = 2;

/// Rows of cells under a heading; each column as wide as its widest cell.
#[derive(Debug)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table of only its heading.
    pub fn new(heading: &[&str]) -> Self {
        let heading = heading.iter().map(|name| (*name).to_owned()).collect();
        Self {
            rows: vec![heading],
        }
    }

    /// Adds a row. What a cell holds cannot rewrite the terminal.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells = cells.into_iter().map(|cell| one_line(&cell));
        let shown = cells.map(|cell| {
            if cell.is_empty() {
                "-".to_owned()
            } else {
                cell
            }
        });
        self.rows.push(shown.collect());
    }

    /// The lines, with no space at their ends.
    pub fn lines(&self) -> Vec<String> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths);
            let padded = cells.map(|(cell, width)| format!("{cell:0$}", width + GAP));
            padded.collect::<String>().trim_end().to_owned()
        };
        self.rows.iter().map(line).collect()
    }

    /// The lines as text.
    pub fn text(&self) -> String {
        self.lines().join("\n") + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&["NAME", "B"]);
        table.row(["a-long-name".to_owned(), String::new()]);
        table.row(["ä\u{1b}[2J".to_owned(), "1".to_owned()]);
        assert_eq!(
            table.text(),
            "NAME         B\n\
             a-long-name  -\n\
             ä[2J         1\n"
        );
    }
}
