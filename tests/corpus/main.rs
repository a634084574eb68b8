//! Relocation on programs that nobody here chose: each of nix/corpus and nix/source alone, and in a bundle.
//!
//! Each program is a test called `kind/program`. All are ignored: `make test-corpus` runs them, and writes what came out
//! into docs/relocation.md.

// Test code: a harness that can't do its work stops the test, and says why.
#![allow(clippy::expect_used, clippy::print_stdout)]

mod compare;
mod markov;
mod program;
mod table;

use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};

use table::Table;

/// Of a hundred programs that were not made to break, at most so many may be refused.
const REFUSED: usize = 3;

fn main() {
    let arguments = Arguments::from_args();
    let programs = program::all();
    let table = Arc::new(Table::new(&programs));
    let mut trials: Vec<Trial> = programs
        .into_iter()
        .map(|program| {
            let table = Arc::clone(&table);
            Trial::test(program.name(), move || {
                let (row, result) = compare::compare(&program)?;
                table.add(&program, &row);
                result.map_err(Into::into)
            })
        })
        .collect();
    trials.push(Trial::test("source-markov", || {
        markov::a_service_built_from_source_runs_relocated();
        Ok(())
    }));
    let trials = trials.into_iter().map(|trial| trial.with_ignored_flag(true)).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    if conclusion.num_passed + conclusion.num_failed > 0 {
        let (refused, all) = table.end();
        assert!(refused * 100 <= all * REFUSED, "{refused} of {all} closures are refused");
    }
    conclusion.exit();
}
