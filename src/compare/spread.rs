//! How long something takes, from one measurement or several, and whether two such times differ by more than chance.

use serde::Serialize;

/// The band around a single measurement, whose spread nobody knows, in hundredths of it.
const UNKNOWN_PERCENT: u64 = 25;
/// The least band around a single measurement, in milliseconds.
const UNKNOWN_LEAST: u64 = 250;
/// The least band around a median, in hundredths of it: clocks and schedulers.
const LEAST_PERCENT: u64 = 5;
/// The least band around a median, in milliseconds.
const LEAST: u64 = 100;
/// How many standard deviations wide the band is; estimated from the median absolute deviation, which a stray value does not move
/// (<https://en.wikipedia.org/wiki/Median_absolute_deviation#Relation_to_standard_deviation>).
const WIDTH: f64 = 3.0 * 1.4826;
/// So many measurements tell something about their spread.
const ENOUGH: usize = 3;

/// The times of one step on one side, in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
    /// What chance may add to or take from the median.
    pub noise_ms: u64,
}

impl Spread {
    /// From measurements; `None` of none.
    pub fn of(times: &[u64]) -> Option<Self> {
        let mut sorted = times.to_vec();
        sorted.sort_unstable();
        let (least_ms, most_ms) = (*sorted.first()?, *sorted.last()?);
        let median_ms = median(&sorted);
        let noise_ms = if sorted.len() < ENOUGH {
            (median_ms * UNKNOWN_PERCENT / 100).max(UNKNOWN_LEAST).max(most_ms - least_ms)
        } else {
            let mut deviations: Vec<u64> = sorted.iter().map(|time| time.abs_diff(median_ms)).collect();
            deviations.sort_unstable();
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "times of days are far below what a float holds"
            )]
            let band = (median(&deviations) as f64 * WIDTH).round() as u64;
            band.max(median_ms * LEAST_PERCENT / 100).max(LEAST)
        };
        Some(Self { runs: sorted.len(), median_ms, least_ms, most_ms, noise_ms })
    }

    /// Whether it is longer than `other` by more than chance explains.
    pub fn is_longer_than(&self, other: &Self) -> bool {
        self.median_ms.saturating_sub(self.noise_ms) > other.median_ms + other.noise_ms
    }

    /// How many times as long as `other` it is, in hundredths; `None` where that took no time.
    pub fn percent_of(&self, other: &Self) -> Option<u64> {
        (other.median_ms > 0).then(|| (self.median_ms * 100 + other.median_ms / 2) / other.median_ms)
    }
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
        assert_eq!(spread(&[10_000]).noise_ms, 2_500);
        assert!(!spread(&[14_000]).is_longer_than(&spread(&[10_000])));
        assert!(spread(&[20_000]).is_longer_than(&spread(&[10_000])));
        assert!(!spread(&[300]).is_longer_than(&spread(&[20])), "milliseconds are never a regression");
    }

    #[test]
    fn several_measurements_know_their_own_noise() {
        let (steady, slower) = ([2_000, 2_010, 1_990, 2_005, 1_995], [2_600, 2_590, 2_610, 2_605, 2_600]);
        assert!(spread(&slower).is_longer_than(&spread(&steady)));
        assert!(!spread(&steady).is_longer_than(&spread(&slower)));
        // The same medians, but both jump about: chance.
        let (restless, other) = ([2_000, 1_200, 2_900, 2_400, 1_500], [2_600, 1_700, 3_400, 2_000, 3_000]);
        assert!(!spread(&other).is_longer_than(&spread(&restless)));
    }

    #[test]
    fn a_stray_value_moves_nothing() {
        let strayed = spread(&[2_000, 2_010, 60_000, 2_005, 1_995]);
        assert_eq!((strayed.median_ms, strayed.most_ms), (2_005, 60_000));
        assert!(!strayed.is_longer_than(&spread(&[1_990, 2_000, 2_010])));
    }

    #[test]
    fn ratios() {
        assert_eq!(spread(&[92_000]).percent_of(&spread(&[41_000])), Some(224));
        assert_eq!(spread(&[1]).percent_of(&spread(&[0])), None);
    }
}
