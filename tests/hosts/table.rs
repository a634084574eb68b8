//! The table that the matrix prints: the mode that each cell took, and its result.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

/// What came out of all cells that were run. It is printed when the last cell is done with it.
pub(crate) struct Table {
    columns: Vec<&'static str>,
    rows: Mutex<BTreeMap<usize, Line>>,
}

#[derive(Default)]
struct Line {
    host: &'static str,
    /// By the bundle's name: the mode taken and the result.
    cells: BTreeMap<&'static str, String>,
}

/// A cell that is run.
pub(crate) struct Cell<'a> {
    table: &'a Table,
    number: usize,
    host: &'static str,
    bundle: &'static str,
    /// The mode taken, or what else the launcher did.
    pub(crate) taken: String,
    result: &'static str,
}

impl Table {
    /// Makes an empty table.
    pub(crate) fn new(columns: Vec<&'static str>) -> Table {
        Table { columns, rows: Mutex::default() }
    }

    fn text(&self) -> String {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        if rows.is_empty() {
            return text;
        }
        let mut line = |host: &str, cells: &mut dyn Iterator<Item = &str>| {
            // Writing to a string can't fail.
            let _ = write!(text, "\n{host:28}");
            for cell in cells {
                let _ = write!(text, " {cell:16}");
            }
            text.truncate(text.trim_end().len());
        };
        line("", &mut self.columns.iter().copied());
        for Line { host, cells } in rows.values() {
            let text = |column: &&'static str| cells.get(column).map_or("-", String::as_str);
            line(host, &mut self.columns.iter().map(text));
        }
        text.push_str("\n\n");
        text
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        print!("{}", self.text());
    }
}

impl<'a> Cell<'a> {
    /// Begins a cell of row `number`.
    pub(crate) fn new(
        table: &'a Table,
        number: usize,
        host: &'static str,
        bundle: &'static str,
    ) -> Cell<'a> {
        Cell { table, number, host, bundle, taken: "?".to_owned(), result: "FAILED" }
    }

    /// Everything was as expected.
    pub(crate) fn passed(mut self) {
        self.result = "ok";
    }
}

impl Drop for Cell<'_> {
    fn drop(&mut self) {
        let mut rows = self.table.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let line = rows.entry(self.number).or_default();
        line.host = self.host;
        line.cells.insert(self.bundle, format!("{} {}", self.taken, self.result));
    }
}
