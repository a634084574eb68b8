//! Summarises many samples: the median and the quartiles.

use serde::{Deserialize, Serialize};

/// The median and the quartiles.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Spread {
    /// The first quartile: a quarter of the samples is below it.
    pub(crate) low: f64,
    /// Half of the samples are below it.
    pub(crate) median: f64,
    /// The third quartile: a quarter of the samples is above it.
    pub(crate) high: f64,
}

impl Spread {
    /// Computes the median and the quartiles.
    pub(crate) fn of(samples: impl IntoIterator<Item = f64>) -> Spread {
        let mut samples: Vec<f64> = samples.into_iter().collect();
        assert!(!samples.is_empty(), "nothing was measured");
        samples.sort_by(f64::total_cmp);
        let at = |quarter: usize| samples[(samples.len() - 1) * quarter / 4];
        Spread { low: at(1), median: at(2), high: at(3) }
    }

    /// Converts the values to another unit.
    pub(crate) fn scaled(self, factor: f64) -> Spread {
        let Spread { low, median, high } = self;
        Spread { low: low * factor, median: median * factor, high: high * factor }
    }
}
