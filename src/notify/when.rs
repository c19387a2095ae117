//! Whether a run is worth a message to somebody.

use crate::result::RunResult;
use crate::verdict::Verdict;

/// When a channel is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// After every run.
    Always,
    /// After every run that is not `OK`.
    Failure,
    /// After a run whose verdicts are others than those of the run before.
    Change,
}

/// The words of the setting `on`.
pub const WORDS: &[&str] = &["always", "failure", "change"];

impl When {
    /// Reads a word; `None` for any other.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "always" => Some(Self::Always),
            "failure" => Some(Self::Failure),
            "change" => Some(Self::Change),
            _ => None,
        }
    }

    /// Whether to tell of `now`, given the run before on the same cluster. Without one, everything is new.
    pub fn applies(self, now: &RunResult, before: Option<&RunResult>) -> bool {
        match self {
            Self::Always => true,
            Self::Failure => now.verdict != Verdict::Passed,
            Self::Change => before.is_none_or(|before| differs(now, before)),
        }
    }
}

/// Whether the verdict of the run, or of a check that ran both times, is another one, or a check that did not run before has not
/// passed. A check that recovers while another one breaks is a change, even though the run is as bad as before.
fn differs(now: &RunResult, before: &RunResult) -> bool {
    let ran = |run: &RunResult, name: &str| {
        let check = run.checks.iter().find(|check| check.name == name)?;
        (check.verdict != Verdict::Skipped).then_some(check.verdict)
    };
    let changed = |name: &str, verdict: Verdict| match ran(before, name) {
        Some(earlier) => earlier != verdict,
        None => verdict != Verdict::Passed,
    };
    let checks = now.checks.iter().filter(|check| check.verdict != Verdict::Skipped);
    now.verdict != before.verdict || checks.into_iter().any(|check| changed(&check.name, check.verdict))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn with(verdicts: &[(usize, Verdict)]) -> RunResult {
        let mut run = sample::every_verdict();
        for check in &mut run.checks {
            check.verdict = Verdict::Passed;
        }
        for &(index, verdict) in verdicts {
            run.checks[index].verdict = verdict;
        }
        run.verdict = Verdict::worst(run.checks.iter().map(|check| check.verdict));
        run
    }

    #[test]
    fn failure_means_everything_that_is_not_ok() {
        for (verdict, told) in [
            (Verdict::Passed, false),
            (Verdict::Failed, true),
            (Verdict::Inconclusive, true),
            (Verdict::Cancelled, true),
        ] {
            let run = with(&[(0, verdict)]);
            assert_eq!(When::Failure.applies(&run, None), told, "{verdict}");
            assert!(When::Always.applies(&run, None));
        }
        assert!(When::Failure.applies(&sample::run(Vec::new()), None), "nothing ran");
    }

    #[test]
    fn change_compares_the_run_and_each_check() {
        let (good, bad) = (with(&[]), with(&[(0, Verdict::Failed)]));
        let other = with(&[(1, Verdict::Failed)]);
        let changed = |now: &RunResult, before: &RunResult| When::Change.applies(now, Some(before));
        assert!(!changed(&good, &good) && !changed(&bad, &bad));
        assert!(changed(&bad, &good) && changed(&good, &bad));
        assert!(changed(&other, &bad), "another check is broken now");
        assert!(When::Change.applies(&good, None), "the first run");
    }

    #[test]
    fn a_check_that_one_of_the_runs_left_out_is_no_change_while_it_passes() {
        let (all, mut fewer) = (with(&[]), with(&[]));
        fewer.checks.truncate(2);
        assert!(!When::Change.applies(&all, Some(&fewer)) && !When::Change.applies(&fewer, Some(&all)));
        let skipped = with(&[(3, Verdict::Skipped)]);
        assert!(!When::Change.applies(&all, Some(&skipped)) && !When::Change.applies(&skipped, Some(&all)));
        let mut bad = with(&[(5, Verdict::Failed)]);
        bad.verdict = fewer.verdict;
        assert!(When::Change.applies(&bad, Some(&fewer)));
    }
}
