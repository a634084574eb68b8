//! Commands that take turns: each round runs every one once, in another order.

use std::process::Command;
use std::time::Instant;

use tests::run;

use crate::spread::Spread;

/// A case: its name, and how to make its command.
pub(crate) type Case<'a> = (&'static str, Box<dyn Fn() -> Command + 'a>);

/// The seconds of each case in each round.
pub(crate) struct Turns(Vec<Vec<f64>>);

impl Turns {
    /// Runs the cases; `after` is told which one has ended.
    pub(crate) fn of(cases: &[Case<'_>], rounds: usize, mut after: impl FnMut(usize)) -> Turns {
        let mut seconds = vec![Vec::new(); cases.len()];
        // The first round only fills the page cache.
        for round in 0..=rounds {
            for turn in 0..cases.len() {
                let case = (turn + round) % cases.len();
                let begin = Instant::now();
                run(&mut cases[case].1()).expect_code(0);
                if round > 0 {
                    seconds[case].push(begin.elapsed().as_secs_f64());
                }
                after(case);
            }
        }
        Turns(seconds)
    }

    /// A case's time as a share of another's in the same round.
    pub(crate) fn ratio(&self, case: usize, other: usize) -> Spread {
        Spread::of(self.0[case].iter().zip(&self.0[other]).map(|(own, other)| own / other))
    }

    /// The cells of a case: its share of the first one's time, and its median in seconds.
    pub(crate) fn cells(&self, case: usize) -> [String; 2] {
        let share = self.ratio(case, 0);
        let median = Spread::of(self.0[case].iter().copied()).median;
        [
            format!("{:.2} ({:.2} – {:.2})", share.median, share.low, share.high),
            format!("{median:.2}"),
        ]
    }
}
