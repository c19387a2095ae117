//! How long something takes, from one measurement or several.

use serde::Serialize;

/// The least band around a single measurement, in hundredths of it.
const UNKNOWN_PERCENT: u64 = 25;
/// The least band around a single measurement, in milliseconds.
const UNKNOWN_LEAST: u64 = 250;
/// The least band around a median, in hundredths of it: clocks and schedulers.
const LEAST_PERCENT: u64 = 5;
/// The least band around a median, in milliseconds.
const LEAST: u64 = 100;
/// So many measurements tell something about their spread.
const ENOUGH: usize = 3;
/// Added to a time before its logarithm is taken, in milliseconds: what a time of a few milliseconds scatters by is not the cluster's.
const GRAIN: f64 = 100.0;
/// From so many measurements on, a stray one does not count: the spread is estimated from the median absolute deviation. Of fewer, two
/// that happen to be close together would make it look as if there was none.
const ROBUST: usize = 5;
/// The median absolute deviation times this is the standard deviation of a normal distribution
/// (<https://en.wikipedia.org/wiki/Median_absolute_deviation#Relation_to_standard_deviation>).
const NORMAL: f64 = 1.4826;
/// By how much that is too small for 5, 6, … measurements; beyond these, by n / (n - 0.8)
/// (Croux and Rousseeuw 1992, <https://doi.org/10.1007/978-3-662-26811-7_58>).
const FEW: [f64; 5] = [1.206, 1.200, 1.140, 1.129, 1.107];

/// The times of one step on one side, in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Spread {
    /// The number of measurements.
    pub runs: usize,
    /// The median.
    pub median_ms: u64,
    /// The shortest.
    pub least_ms: u64,
    /// The longest.
    pub most_ms: u64,
    /// What chance may add to the median.
    pub noise_ms: u64,
    /// What chance may make of the median at the least. It takes less away than it adds, as times scatter by factors.
    pub low_ms: u64,
    /// The variance of the logarithms of the measurements; 0 of a single one.
    #[serde(skip)]
    pub(super) variance: f64,
}

impl Spread {
    /// From measurements, with the least band; `None` of none.
    pub fn of(times: &[u64]) -> Option<Self> {
        let mut sorted = times.to_vec();
        sorted.sort_unstable();
        let (least_ms, most_ms) = (*sorted.first()?, *sorted.last()?);
        let logarithms: Vec<f64> = sorted.iter().map(|time| logarithm(*time)).collect();
        let spread = Self {
            runs: sorted.len(),
            median_ms: median(&sorted),
            least_ms,
            most_ms,
            noise_ms: 0,
            low_ms: 0,
            variance: variance(&logarithms),
        };
        Some(spread.with_noise(0.0))
    }

    /// With a band of `width`, in logarithms, to both sides of the median; never less than the least one.
    pub(super) fn with_noise(self, width: f64) -> Self {
        let median = self.median_ms;
        let least = if self.runs < ENOUGH {
            let apart = self.most_ms - self.least_ms;
            (median * UNKNOWN_PERCENT / 100).max(UNKNOWN_LEAST).max(apart)
        } else {
            (median * LEAST_PERCENT / 100).max(LEAST)
        };
        let middle = self.logarithm();
        Self {
            noise_ms: time(middle + width).saturating_sub(median).max(least),
            low_ms: time(middle - width).min(median.saturating_sub(least)),
            ..self
        }
    }

    /// The logarithm of the median.
    pub(super) fn logarithm(&self) -> f64 {
        logarithm(self.median_ms)
    }

    /// Whether it is longer than `other` by more than chance explains.
    pub fn is_longer_than(&self, other: &Self) -> bool {
        self.low_ms > other.median_ms + other.noise_ms
    }

    /// How many times as long as `other` it is, in hundredths; `None` where that took no time.
    pub fn percent_of(&self, other: &Self) -> Option<u64> {
        (other.median_ms > 0).then(|| (self.median_ms * 100 + other.median_ms / 2) / other.median_ms)
    }
}

#[allow(clippy::cast_precision_loss, reason = "times of days are far below what a float holds")]
fn logarithm(time_ms: u64) -> f64 {
    (time_ms as f64 + GRAIN).ln()
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "no less than 0; what is too great for a time becomes the greatest"
)]
fn time(logarithm: f64) -> u64 {
    (logarithm.exp() - GRAIN).max(0.0).round() as u64
}

/// The variance of sorted values; 0 of one.
#[allow(clippy::cast_precision_loss, reason = "the number of runs is far below what a float holds")]
fn variance(sorted: &[f64]) -> f64 {
    let count = sorted.len() as f64;
    if sorted.len() < ROBUST {
        let mean = sorted.iter().sum::<f64>() / count;
        return sorted.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0).max(1.0);
    }
    let few = FEW.get(sorted.len() - ROBUST).copied().unwrap_or(count / (count - 0.8));
    (deviation(sorted.to_vec()) * few).powi(2)
}

/// The standard deviation, as the median absolute deviation tells it: values that stray do not move it.
pub(super) fn deviation(values: Vec<f64>) -> f64 {
    let deviations = {
        let middle = middle_of(values.clone());
        values.into_iter().map(|value| (value - middle).abs()).collect()
    };
    middle_of(deviations) * NORMAL
}

/// The middle of sorted values; of two middles their mean.
fn median(sorted: &[u64]) -> u64 {
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => 0,
        count if count % 2 == 1 => sorted[middle],
        _ => u64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// The middle of values; of two middles their mean; 0 of none.
pub(super) fn middle_of(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        count if count % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(times: &[u64]) -> Spread {
        Spread::of(times).unwrap()
    }

    #[test]
    fn nothing_measured_is_nothing_known() {
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn a_single_measurement_has_a_wide_band() {
        let single = spread(&[10_000]);
        assert_eq!((single.noise_ms, single.low_ms), (2_500, 7_500));
        assert!(!spread(&[14_000]).is_longer_than(&single));
        assert!(spread(&[20_000]).is_longer_than(&single));
        assert!(!spread(&[300]).is_longer_than(&spread(&[20])), "milliseconds are never a regression");
    }

    #[test]
    fn noise_is_a_factor() {
        let noisy = spread(&[2_000, 2_000, 2_000]).with_noise(2.0_f64.ln());
        assert_eq!((noisy.noise_ms, noisy.low_ms), (2_100, 950));
        let steady = spread(&[2_000, 2_000, 2_000]).with_noise(0.0);
        assert_eq!((steady.noise_ms, steady.low_ms), (100, 1_900), "the least band stays");
        assert_eq!(spread(&[0, 0, 0]).with_noise(9.0).low_ms, 0);
        assert_eq!(spread(&[2_000]).with_noise(f64::MAX).noise_ms, u64::MAX - 2_000);
    }

    #[test]
    fn two_that_are_close_by_chance_do_not_look_steady() {
        // Of real runs: the median absolute deviation of the first is 3 ms.
        assert!(spread(&[2_554, 2_557, 4_060]).variance > 0.05);
        assert!(spread(&[2_554, 2_557, 2_600]).variance < 0.001);
        assert!((spread(&[2_500]).variance).abs() < f64::EPSILON);
    }

    #[test]
    fn a_stray_value_moves_nothing() {
        let strayed = spread(&[2_000, 2_010, 60_000, 2_005, 1_995]);
        assert_eq!((strayed.median_ms, strayed.most_ms), (2_005, 60_000));
        assert!(strayed.variance < 0.001, "{strayed:?}");
        assert!(!strayed.is_longer_than(&spread(&[1_990, 2_000, 2_010])));
    }

    #[test]
    fn ratios() {
        assert_eq!(spread(&[92_000]).percent_of(&spread(&[41_000])), Some(224));
        assert_eq!(spread(&[1]).percent_of(&spread(&[0])), None);
    }
}
