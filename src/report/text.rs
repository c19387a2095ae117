//! What people read while a run goes on: pure functions from an event to lines, shared by all displays.

use super::evidence;
use super::line::{Line, Tone, sign};
use super::printable::one_line;
use super::{reason, summary};
use crate::clock;
use crate::event::Event;
use crate::result::{CheckResult, CleanupResult, StepResult, Target};
use crate::verdict::Verdict;

/// The name under which clean-up is shown among the steps.
pub(crate) const CLEAN_UP: &str = "clean-up";
/// The columns of a time, `12 min 05 s` and room before it.
pub(crate) const TIME: usize = 12;
/// The columns of the longest verdict.
const WORD: usize = 12;
/// The columns of a check's name at the least, so that a skipped check stands in line with the others.
const CHECK: usize = 13;

/// How lines are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Verdicts as words, for searching, instead of signs, for looking at.
    pub(crate) words: bool,
    /// The columns of a check's name.
    pub(crate) check: usize,
    /// The columns of a step's name.
    pub(crate) step: usize,
    /// The columns that there are; `None`: as many as a line needs.
    pub(crate) width: Option<usize>,
}

impl Layout {
    /// For a log: one line per step, however long.
    pub(crate) fn log(checks: &[String]) -> Self {
        Self { words: true, check: widest(checks), step: 30, width: None }
    }

    /// For a terminal of so many columns: what does not fit is cut off or wrapped.
    pub(crate) fn terminal(checks: &[String], columns: usize) -> Self {
        let step = if columns < 100 { 22 } else { 30 };
        Self { words: false, check: widest(checks), step, width: Some(columns.max(40)) }
    }

    /// The beginning of a line: the verdict and the check.
    pub(crate) fn begin(&self, verdict: Verdict, check: &str) -> Line {
        let line = if self.words {
            Line::empty().column(Tone::of(verdict), verdict.word(), WORD + 1)
        } else {
            Line::of(Tone::of(verdict), sign(verdict)).and(Tone::Plain, " ")
        };
        line.column(Tone::Plain, check, self.check + 1).and(Tone::Plain, " ")
    }

    /// A whole line of the story.
    fn story(&self, verdict: Verdict, check: &str, (tone, what): (Tone, &str), took: Option<u64>, seen: &str) -> Line {
        let took = took.map(clock::human).unwrap_or_default();
        let line = self.begin(verdict, check).column(tone, what, self.step);
        let line = line.right(Tone::Plain, &took, TIME).and(Tone::Plain, "  ");
        let tone = if verdict == Verdict::Passed { Tone::Faint } else { Tone::Plain };
        let line = line.and(tone, seen);
        match self.width {
            Some(columns) => line.fitted(columns),
            None => line,
        }
    }
}

fn widest(checks: &[String]) -> usize {
    checks.iter().map(|name| console::measure_text_width(&one_line(name))).max().unwrap_or_default().max(CHECK)
}

/// The lines that tell of an event; none where it is only seen live.
pub(crate) fn lines(event: &Event, layout: &Layout) -> Vec<Line> {
    match event {
        Event::RunStarted { run, target, checks } => opening(run, target, checks),
        Event::StepFinished { check, step: result } => vec![step(layout, check, result)],
        Event::CleanupFinished { check, cleanup } => clean_up(layout, check, cleanup),
        Event::CheckFinished { result } => check(layout, result),
        Event::Notice { text } => vec![Line::of(Tone::Doubt, "note: ").and(Tone::Plain, text)],
        Event::RunFinished { result } => summary::lines(layout, result),
        Event::CheckStarted { .. }
        | Event::StepStarted { .. }
        | Event::StepProgress { .. }
        | Event::CleanupStarted { .. } => Vec::new(),
    }
}

/// Before anything is touched: what will be.
fn opening(run: &str, target: &Target, checks: &[String]) -> Vec<Line> {
    let field = |name: &str| Line::of(Tone::Plain, "  ").column(Tone::Faint, name, 12);
    let context = target.context.as_deref().unwrap_or("none: inside the cluster");
    vec![
        Line::of(Tone::Strong, concat!("kibertas-rs ", env!("CARGO_PKG_VERSION")))
            .and(Tone::Faint, &format!(" run {run}")),
        field("cluster").and(Tone::Strong, &target.name),
        field("server").and(Tone::Plain, &target.server),
        field("context").and(Tone::Plain, context),
        field("kubernetes").and(Tone::Plain, &target.kubernetes),
        field("checks")
            .and(Tone::Plain, if checks.is_empty() { "none" } else { "" })
            .and(Tone::Plain, &checks.join(", ")),
        Line::empty(),
    ]
}

fn step(layout: &Layout, check: &str, step: &StepResult) -> Line {
    let seen = match &step.failure {
        Some(failure) if failure.seen.is_empty() => failure.summary(),
        Some(failure) => failure.seen.clone(),
        None => evidence::in_a_line(&step.name, &step.evidence),
    };
    layout.story(step.verdict, check, (Tone::Plain, &step.name), Some(step.duration_ms), &seen)
}

fn clean_up(layout: &Layout, check: &str, cleanup: &CleanupResult) -> Vec<Line> {
    let seen = match cleanup.verdict {
        Verdict::Passed => "everything is gone".to_owned(),
        Verdict::Skipped => "kept on demand".to_owned(),
        _ => format!("{} left", counted(cleanup.survivors.len(), "object")),
    };
    let mut lines =
        vec![layout.story(cleanup.verdict, check, (Tone::Plain, CLEAN_UP), Some(cleanup.duration_ms), &seen)];
    lines.extend(reason::survivors(layout.width, cleanup));
    lines
}

fn check(layout: &Layout, result: &CheckResult) -> Vec<Line> {
    let name = &result.name;
    if result.verdict == Verdict::Skipped {
        let reason = result.reason.as_deref().unwrap_or_default();
        return vec![layout.story(result.verdict, name, (Tone::Faint, "not run"), None, reason)];
    }
    let steps = match result.broken_step() {
        Some(step) => format!("{} at {}", result.verdict, step.name),
        None => format!("{} {}", counted(result.steps.len(), "step"), result.verdict),
    };
    let requests = counted(usize::try_from(result.api_requests).unwrap_or(usize::MAX), "API request");
    let seen = format!("{steps} · {requests}");
    let whole = (Tone::Strong, "whole check");
    let mut lines = vec![layout.story(result.verdict, name, whole, Some(result.duration_ms), &seen)];
    if let Some(failure) = &result.failure {
        lines.extend(reason::lines(layout.width, failure));
        lines.push(Line::empty());
    }
    lines
}

/// `1 step`, `2 steps`.
pub(crate) fn counted(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}
