//! `packer inspect`: shows what a bundle contains, and why.

mod graph;
mod info;
mod largest;
mod report;
mod tree;
mod why;

use serde::Serialize;

use super::print;
use crate::cli;
use crate::error::Result;
use crate::source::bundle::Bundle;
use graph::Graph;
use largest::Largest;
use report::Report;
pub(super) use report::rule;
use tree::Tree;
use why::Why;

/// Prints what a bundle contains.
///
/// # Errors
///
/// If the file is not a bundle or is damaged, or `--why` names no store path of it.
pub(crate) fn inspect(options: &cli::Inspect) -> Result<()> {
    let bundle = Bundle::open(&options.bundle)?;
    if let Some(wanted) = &options.why {
        let graph = Graph::of(&bundle)?;
        let why = Why::new(&graph, wanted, &bundle.path)?;
        return show(options, &why, || why.text());
    }
    if options.tree {
        let tree = Tree::new(&Graph::of(&bundle)?);
        return show(options, &tree, || tree.text());
    }
    if let Some(count) = options.largest {
        let largest = Largest::new(&Graph::of(&bundle)?, count);
        return show(options, &largest, || largest.text());
    }
    let report = Report::new(&bundle)?;
    show(options, &report, || report.text())
}

fn show(
    options: &cli::Inspect,
    json: &impl Serialize,
    text: impl FnOnce() -> String,
) -> Result<()> {
    if options.json { print::json(json) } else { print::text(&text()) }
}
