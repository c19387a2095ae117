//! The end of the story: one row per check, what to do next, and the verdict of the whole run.

use super::line::{Line, Tone, sign};
use super::reason;
use super::text::{Layout, TIME};
use crate::clock;
use crate::result::{CheckResult, RunResult};
use crate::verdict::Verdict;

/// The columns of the verdicts.
const VERDICT: usize = 13;
/// The columns of the number of steps.
const STEPS: usize = 7;
/// The columns of the number of requests to the API server.
const REQUESTS: usize = 10;

/// The summary of a run.
pub(crate) fn lines(layout: &Layout, result: &RunResult) -> Vec<Line> {
    let mut lines = vec![Line::empty(), heading(layout)];
    for check in &result.checks {
        lines.push(row(layout, check));
        lines.extend(why(layout.width, check));
        lines.extend(check.cleanup.iter().flat_map(|cleanup| reason::survivors(layout.width, cleanup)));
    }
    for notice in &result.notices {
        lines.push(Line::of(Tone::Doubt, "note: ").and(Tone::Plain, notice));
    }
    lines.push(Line::empty());
    lines.extend(verdict(layout.width, result));
    lines
}

/// How many checks had which verdict, the worst first: `1 failed, 2 passed`.
pub(crate) fn counts(result: &RunResult) -> String {
    let order = [Verdict::Failed, Verdict::Inconclusive, Verdict::Cancelled, Verdict::Passed, Verdict::Skipped];
    let count = |verdict| (verdict, result.checks.iter().filter(|check| check.verdict == verdict).count());
    let counts = order.into_iter().map(count).filter(|(_, count)| *count > 0);
    let counts = counts.map(|(verdict, count)| format!("{count} {verdict}")).collect::<Vec<_>>();
    if counts.is_empty() { "no checks".to_owned() } else { counts.join(", ") }
}

fn heading(layout: &Layout) -> Line {
    Line::of(Tone::Plain, "  ")
        .column(Tone::Faint, "CHECK", layout.check + 1)
        .column(Tone::Faint, "VERDICT", VERDICT)
        .right(Tone::Faint, "STEPS", STEPS)
        .right(Tone::Faint, "TIME", TIME)
        .right(Tone::Faint, "CLEAN-UP", TIME)
        .right(Tone::Faint, "REQUESTS", REQUESTS)
}

fn row(layout: &Layout, check: &CheckResult) -> Line {
    let tone = Tone::of(check.verdict);
    let line = Line::of(tone, sign(check.verdict))
        .and(Tone::Plain, " ")
        .column(Tone::Strong, &check.name, layout.check + 1)
        .column(tone, check.verdict.word(), VERDICT);
    if check.verdict == Verdict::Skipped {
        return line;
    }
    let steps = match (check.passed_steps(), check.steps.len()) {
        (passed, all) if passed == all => all.to_string(),
        (passed, all) => format!("{passed} of {all}"),
    };
    let clean_up = match &check.cleanup {
        None => "none".to_owned(),
        Some(cleanup) if cleanup.verdict == Verdict::Skipped => "kept".to_owned(),
        Some(cleanup) => clock::human(cleanup.duration_ms),
    };
    line.right(Tone::Plain, &steps, STEPS)
        .right(Tone::Plain, &clock::human(check.duration_ms), TIME)
        .right(Tone::Plain, &clean_up, TIME)
        .right(Tone::Plain, &check.api_requests.to_string(), REQUESTS)
}

/// The reason once more and the first thing to do, since the whole story may have scrolled away.
fn why(width: Option<usize>, check: &CheckResult) -> Vec<Line> {
    let begin = |name: &str| Line::of(Tone::Plain, "    ").column(Tone::Faint, name, 10);
    let mut lines = match &check.reason {
        Some(reason) => reason::prose(width, begin("why"), Tone::Plain, reason),
        None => Vec::new(),
    };
    let next = check.failure.iter().filter_map(|failure| failure.next.first());
    lines.extend(next.map(|next| begin("next").and(Tone::Command, next)));
    lines
}

fn verdict(width: Option<usize>, result: &RunResult) -> Vec<Line> {
    let tone = Tone::of(result.verdict);
    let beginning = Line::of(tone, sign(result.verdict))
        .and(Tone::Plain, " ")
        .and(Tone::Strong, &result.target.name)
        .and(Tone::Plain, " ")
        .and(tone, result.verdict.word())
        .and(Tone::Plain, ": ");
    let (counts, took) = (counts(result), clock::human(result.duration_ms));
    reason::prose(width, beginning, Tone::Plain, &format!("{counts} in {took} (exit code {})", result.exit_code))
}
