//! The result of a part of the benchmarks.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::picture::Chart;
use crate::table::Table;

/// The result of one part.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) title: String,
    /// Figures with a limit; the report has them first.
    pub(crate) limits: Vec<Limit>,
    pub(crate) tables: Vec<Table>,
    pub(crate) charts: Vec<Chart>,
    /// Notes on the method, and on cases that could not be measured.
    pub(crate) notes: Vec<String>,
}

/// A figure and its limit.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Limit {
    what: String,
    measured: f64,
    limit: f64,
}

impl Part {
    pub(crate) fn new(title: &str) -> Part {
        Part {
            title: title.to_owned(),
            limits: Vec::new(),
            tables: Vec::new(),
            charts: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Adds a figure with its limit.
    pub(crate) fn limit(&mut self, what: impl Into<String>, measured: f64, limit: f64) {
        self.limits.push(Limit { what: what.into(), measured, limit });
    }

    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "## {}\n", self.title)?;
        if !self.limits.is_empty() {
            let mut table = Table::new("", &["ratio", "measured", "limit", ""]);
            for Limit { what, measured, limit } in &self.limits {
                let verdict = if measured <= limit { "met" } else { "**missed**" };
                let number = |value: &f64| format!("{value:.3}");
                table.row([what.clone(), number(measured), number(limit), verdict.to_owned()]);
            }
            writeln!(f, "{table}")?;
        }
        for table in &self.tables {
            writeln!(f, "{}:\n\n{table}", table.title)?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "- {note}"))
    }
}
