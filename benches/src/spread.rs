//! Many samples → one number, and how far they scatter.

use serde::{Deserialize, Serialize};

/// The median and the quartiles.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Spread {
    /// A quarter of the samples is below.
    pub(crate) low: f64,
    /// Half of the samples is below.
    pub(crate) median: f64,
    /// A quarter of the samples is above.
    pub(crate) high: f64,
}

impl Spread {
    /// Sorts the samples and takes three of them.
    pub(crate) fn of(samples: impl IntoIterator<Item = f64>) -> Spread {
        let mut samples: Vec<f64> = samples.into_iter().collect();
        assert!(!samples.is_empty(), "nothing was measured");
        samples.sort_by(f64::total_cmp);
        let at = |quarter: usize| samples[(samples.len() - 1) * quarter / 4];
        Spread { low: at(1), median: at(2), high: at(3) }
    }

    /// The same in another unit.
    pub(crate) fn scaled(self, factor: f64) -> Spread {
        let Spread { low, median, high } = self;
        Spread { low: low * factor, median: median * factor, high: high * factor }
    }
}
