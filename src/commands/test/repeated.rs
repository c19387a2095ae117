//! What is told of several runs on one cluster: the worst of them, for one that passed afterwards takes nothing back.

use crate::exit;
use crate::result::RunResult;
use crate::verdict::Verdict;

/// The result that reports and messages are of: the worst, the last among equals. `signal`: the one that has ended the command, if any.
pub(super) fn to_tell(earlier: &[RunResult], last: &RunResult, signal: Option<u8>) -> RunResult {
    let all = || earlier.iter().chain([last]);
    let worst = Verdict::worst(all().map(|result| result.verdict));
    let mut told = all().rfind(|result| result.verdict == worst).unwrap_or(last).clone();
    let bad = all().filter(|result| result.verdict != Verdict::Passed).count();
    if bad > 0 && !earlier.is_empty() {
        let runs = earlier.len() + 1;
        told.notices.push(format!("{bad} of {runs} runs did not pass; this is {}", which(&told, last)));
    }
    told.exit_code = exit::of_run(worst, signal);
    told
}

/// Brings what telling has added to a result to the last run's, which is the one that is shown.
pub(super) fn noted(last: &mut RunResult, told: RunResult) {
    if told.run == last.run {
        *last = told;
    } else {
        let new = told.notices.into_iter().filter(|notice| !last.notices.contains(notice)).collect::<Vec<_>>();
        last.notices.extend(new);
    }
}

fn which(told: &RunResult, last: &RunResult) -> String {
    if told.run == last.run { "the last".to_owned() } else { format!("run {}, the worst", told.run) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn run(name: &str, verdict: Verdict) -> RunResult {
        let exit_code = exit::of_run(verdict, None);
        RunResult { run: name.to_owned(), verdict, exit_code, notices: Vec::new(), ..sample::all_passed() }
    }

    #[test]
    fn a_run_that_passes_takes_nothing_back() {
        let earlier = [run("a", Verdict::Failed), run("b", Verdict::Inconclusive)];
        let mut last = run("c", Verdict::Passed);
        let told = to_tell(&earlier, &last, None);
        assert_eq!((told.run.as_str(), told.verdict, told.exit_code), ("a", Verdict::Failed, exit::FAILED));
        assert_eq!(told.notices, ["2 of 3 runs did not pass; this is run a, the worst"]);
        noted(&mut last, told);
        assert_eq!((last.run.as_str(), last.notices.len()), ("c", 1), "the last run is shown, with the note");
    }

    #[test]
    fn among_equals_the_last_is_told() {
        let told = to_tell(&[run("a", Verdict::Failed)], &run("b", Verdict::Failed), None);
        assert_eq!(told.notices, ["2 of 2 runs did not pass; this is the last"]);
        let told = to_tell(&[run("a", Verdict::Passed)], &run("b", Verdict::Passed), None);
        assert_eq!((told.run.as_str(), told.notices.len()), ("b", 0));
        let alone = to_tell(&[], &run("a", Verdict::Failed), Some(15));
        assert_eq!((alone.notices.len(), alone.exit_code), (0, exit::of_run(Verdict::Failed, Some(15))));
    }
}
