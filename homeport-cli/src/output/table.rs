//! Owns tables: columns that line up, readable without colour. Never cuts a value.

use super::page::{Page, escape};

/// Rows under a head, each with as many cells as the head.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with this head.
    pub(crate) fn new(head: &[&str]) -> Self {
        Self { rows: vec![head.iter().map(|cell| (*cell).to_owned()).collect()] }
    }

    /// Adds a row; an empty cell is shown as `-`.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells = cells.into_iter().map(|cell| if cell.is_empty() { "-".to_owned() } else { escape(&cell) });
        self.rows.push(cells.collect());
    }

    /// Writes the table, with `indent` before each row.
    pub(crate) fn write(self, page: &mut Page, indent: &str) {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for row in &self.rows {
            let mut line = indent.to_owned();
            for (cell, width) in row.iter().zip(&widths) {
                line.push_str(cell);
                line.extend(std::iter::repeat_n(' ', width - cell.chars().count() + 2));
            }
            page.line(line.trim_end());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_no_line_ends_with_spaces() {
        let mut table = Table::new(&["NAME", "STATE"]);
        table.row(["ä".to_owned(), "x".to_owned()]);
        table.row(["longer-name".to_owned(), String::new()]);
        let mut page = Page::default();
        table.write(&mut page, "  ");
        assert_eq!(page.into_text(), "  NAME         STATE\n  ä            x\n  longer-name  -\n");
    }
}
