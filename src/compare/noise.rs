//! Whether two times differ by more than chance.
//!
//! Times scatter by factors, so all of this is in logarithms. Two or three runs say little about how much one step scatters: three values
//! that happen to be close together would make it look steady, and its next run slower. But all steps are measured on the same machines
//! at the same time, so that what they scatter by is known much better; each step's own variance is drawn towards that one, as the
//! moderated variance of Smyth 2004 is (<https://doi.org/10.2202/1544-6115.1027>).

use super::spread::{Spread, deviation, middle_of};

/// The common variance counts like that of so many runs more.
const PRIOR: f64 = 2.0;
/// A band is so many standard errors wide. A comparison has dozens of steps, so that what happens once in a thousand times is seen soon:
/// of 600 steps that nothing made slower, on two real clusters with three runs a side, one was 3.9 wide (docs/performance.md).
const WIDTH: f64 = 4.5;
/// With fewer degrees of freedom than this, runs of the same side do not tell how much they scatter.
const KNOWN: f64 = 8.0;
/// Fewer steps than this do not tell how much the sides scatter against each other.
const STEPS: usize = 5;

/// How much the times of a comparison scatter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Noise {
    /// The variance of the logarithms of a step's times, the median over all steps.
    common: f64,
}

impl Noise {
    /// From all steps of a comparison that were measured on both sides.
    ///
    /// Single runs say nothing of their scatter. Then it is taken from how differently the steps of the two sides compare: if all are
    /// twice as long that is no chance, if some are longer and some are shorter it is. A few steps that really became slower, or
    /// restless, move neither.
    pub fn of(pairs: &[(&Spread, &Spread)]) -> Self {
        if pairs.iter().map(|(a, b)| freedom(a) + freedom(b)).sum::<f64>() >= KNOWN {
            let repeated = pairs.iter().filter(|(a, b)| freedom(a) + freedom(b) > 0.0);
            let variances = repeated.map(|(a, b)| own(a, b) / (freedom(a) + freedom(b)));
            return Self { common: middle_of(variances.collect()) };
        }
        if pairs.len() < STEPS {
            return Self { common: 0.0 };
        }
        let differences = pairs.iter().map(|(a, b)| (b.logarithm() - a.logarithm()) / (share(a) + share(b)).sqrt());
        Self { common: deviation(differences.collect()).powi(2) }
    }

    /// Both times of a step, with what chance may do to them.
    pub fn around(self, a: Spread, b: Spread) -> (Spread, Spread) {
        let variance = (PRIOR * self.common + own(&a, &b)) / (PRIOR + freedom(&a) + freedom(&b));
        let around = |spread: Spread| {
            let width = WIDTH * (variance * share(&spread)).sqrt();
            spread.with_noise(width)
        };
        (around(a), around(b))
    }
}

/// The variance of a step's own runs on both sides, times its degrees of freedom.
fn own(a: &Spread, b: &Spread) -> f64 {
    freedom(a) * a.variance + freedom(b) * b.variance
}

/// The degrees of freedom: what runs tell about their scatter besides their middle.
#[allow(clippy::cast_precision_loss, reason = "the number of runs is far below what a float holds")]
fn freedom(spread: &Spread) -> f64 {
    spread.runs.saturating_sub(1) as f64
}

/// By how much the middle of several runs scatters less than a single one.
#[allow(clippy::cast_precision_loss, reason = "the number of runs is far below what a float holds")]
fn share(spread: &Spread) -> f64 {
    1.0 / spread.runs.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(times: &[u64]) -> Spread {
        Spread::of(times).unwrap()
    }

    /// Of each step the judgement: whether B is longer (1), shorter (-1) or neither.
    fn judged(steps: &[(&[u64], &[u64])]) -> Vec<i8> {
        let pairs: Vec<(Spread, Spread)> = steps.iter().map(|(a, b)| (spread(a), spread(b))).collect();
        let noise = Noise::of(&pairs.iter().map(|(a, b)| (a, b)).collect::<Vec<_>>());
        let judge = |(a, b): (Spread, Spread)| {
            let (a, b) = noise.around(a, b);
            i8::from(b.is_longer_than(&a)) - i8::from(a.is_longer_than(&b))
        };
        pairs.into_iter().map(judge).collect()
    }

    #[test]
    fn steady_steps_show_a_small_difference() {
        let (steady, slower) = ([2_000, 2_010, 1_990, 2_005, 1_995], [2_600, 2_590, 2_610, 2_605, 2_600]);
        assert_eq!(judged(&[(&steady, &slower)]), [1]);
        assert_eq!(judged(&[(&slower, &steady)]), [-1]);
        // The same medians, but both jump about: chance.
        assert_eq!(judged(&[(&[2_000, 1_200, 2_900, 2_400, 1_500], &[2_600, 1_700, 3_400, 2_000, 3_000])]), [0]);
    }

    /// Steps of two real clusters without a difference, on a busy machine. Each was called slower or faster by a band of three standard
    /// deviations from the median absolute deviation of its own three runs.
    #[test]
    fn three_runs_that_are_close_by_chance_are_no_difference() {
        let real: [(&[u64], &[u64]); 8] = [
            (&[4_060, 2_554, 2_557], &[1_943, 3_425, 3_426]),
            (&[3_626, 3_324, 1_355], &[887, 11, 158]),
            (&[2_415, 788, 751], &[2_652, 245, 180]),
            (&[4_076, 3_485, 3_477], &[4_327, 3_398, 4_331]),
            (&[1_409, 275, 338], &[1_362, 103, 1_376]),
            (&[306, 326, 89], &[240, 51, 52]),
            (&[3_390, 3_150, 5_887], &[2_144, 2_136, 6_377]),
            (&[4_765, 928, 1_100], &[2_926, 2_321, 2_920]),
        ];
        assert_eq!(judged(&real), [0; 8]);
    }

    /// A step that now takes anything from 2 to 17 s where it took 0.2 s: restless as it is, it is slower.
    #[test]
    fn a_restless_step_is_slower_when_every_run_of_it_is() {
        let steady: (&[u64], &[u64]) = (&[2_000, 2_300, 1_900], &[2_100, 1_950, 2_200]);
        let restless: (&[u64], &[u64]) = (&[220, 310, 150], &[2_100, 10_000, 17_000]);
        assert_eq!(judged(&[steady, steady, restless, steady, steady]), [0, 0, 1, 0, 0]);
    }

    /// Steps of two real clusters on a busy machine, one of whose controllers may send two requests a second.
    #[test]
    fn a_steady_step_that_became_slower_is_found_among_restless_ones() {
        let real: [(&[u64], &[u64]); 7] = [
            (&[2_415, 788, 751], &[2_652, 245, 180]),
            (&[1_954, 1_861, 2_311], &[11_574, 11_503, 11_516]),
            (&[1_812, 1_372, 33], &[1_553, 3_546, 112]),
            (&[438, 274, 73], &[44, 96, 66]),
            (&[4_076, 3_485, 3_477], &[4_327, 3_398, 4_331]),
            (&[306, 326, 89], &[240, 51, 52]),
            (&[3_390, 3_150, 5_887], &[2_144, 2_136, 6_377]),
        ];
        assert_eq!(judged(&real), [0, 1, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn single_runs_know_the_noise_from_all_steps() {
        let single = |times: &'static [(u64, u64)]| -> Vec<i8> {
            let slices: Vec<([u64; 1], [u64; 1])> = times.iter().map(|&(a, b)| ([a], [b])).collect();
            judged(&slices.iter().map(|(a, b)| (a.as_slice(), b.as_slice())).collect::<Vec<_>>())
        };
        // Up and down by factors: chance. All the same but for one: no chance.
        assert_eq!(single(&[(1_000, 3_000), (4_000, 2_800), (900, 1_300), (5_000, 2_000), (2_000, 2_600)]), [0; 5]);
        assert_eq!(
            single(&[(1_000, 1_050), (4_000, 4_000), (900, 880), (5_000, 5_200), (2_000, 5_500)]),
            [0, 0, 0, 0, 1]
        );
        // All of them twice as long is no chance either.
        assert_eq!(single(&[(1_000, 2_500), (4_000, 8_800), (2_900, 6_300), (5_000, 11_000), (2_000, 4_500)]), [1; 5]);
        // Too few to tell: the least band alone.
        assert_eq!(single(&[(1_000, 3_000), (4_000, 1_500)]), [1, -1]);
    }
}
