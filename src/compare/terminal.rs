//! A comparison for people at a terminal.

use super::{Cell, Comparison, Judgement, PairedStep, ratio};
use crate::clock;
use crate::report::line::{Line, Tone, sign};
use crate::verdict::Verdict;

/// The columns of a step's name.
const STEP: usize = 34;
/// The columns of a time with its verdict.
const TIME: usize = 28;

impl Judgement {
    /// The word for it.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Broken => "broken",
            Self::Slower => "slower",
            Self::Unknown => "",
            Self::Same => "same",
            Self::Faster => "faster",
            Self::Mended => "mended",
        }
    }

    const fn tone(self) -> Tone {
        match self {
            Self::Broken => Tone::Bad,
            Self::Slower => Tone::Doubt,
            Self::Unknown | Self::Same => Tone::Faint,
            Self::Faster | Self::Mended => Tone::Good,
        }
    }
}

/// The comparison as lines.
pub fn render(comparison: &Comparison, colours: bool) -> String {
    let Comparison { a, b, .. } = comparison;
    let side = |side: &super::Side| {
        let runs = if side.runs == 1 { String::new() } else { format!(", {} runs", side.runs) };
        format!("{} (Kubernetes {}{runs})", side.label, side.kubernetes)
    };
    let mut lines = vec![
        Line::of(Tone::Faint, "A  ").and(Tone::Strong, &side(a)),
        Line::of(Tone::Faint, "B  ").and(Tone::Strong, &side(b)),
    ];
    for change in &comparison.changed {
        let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "not there".to_owned());
        lines.push(
            Line::of(Tone::Faint, "   changed  ")
                .and(Tone::Plain, &format!("{}: {} → {}", change.what, text(&change.a), text(&change.b))),
        );
    }
    for check in &comparison.checks {
        lines.push(Line::empty());
        let verdict = |verdict: Option<Verdict>| {
            verdict.map_or("not there".to_owned(), |verdict| format!("{} {verdict}", sign(verdict)))
        };
        lines.push(
            Line::empty()
                .column(Tone::Strong, &check.name, STEP + 2)
                .column(check.a.map_or(Tone::Faint, Tone::of), &verdict(check.a), TIME)
                .column(check.b.map_or(Tone::Faint, Tone::of), &verdict(check.b), TIME)
                .and(
                    check.judgement.tone(),
                    if check.judgement == Judgement::Same { "" } else { check.judgement.word() },
                ),
        );
        lines.extend(check.reason.iter().map(|reason| Line::of(Tone::Plain, "    ").and(Tone::Plain, reason)));
        lines.extend(check.steps.iter().map(step));
    }
    lines.iter().map(|line| line.paint(colours) + "\n").collect()
}

fn step(step: &PairedStep) -> Line {
    let tone = step.judgement.tone();
    let ratio = step.percent.map(ratio).unwrap_or_default();
    let line = Line::of(Tone::Plain, "  ").column(Tone::Plain, &step.name, STEP);
    let line = [&step.a, &step.b].into_iter().fold(line, |line, cell| {
        line.column(cell.as_ref().map_or(Tone::Faint, |cell| Tone::of(cell.verdict)), &time(cell.as_ref()), TIME)
    });
    line.right(Tone::Plain, &ratio, 6).and(Tone::Plain, "  ").and(tone, step.judgement.word())
}

/// A time with what chance may do to it.
pub(super) fn time(cell: Option<&Cell>) -> String {
    match cell {
        None => "–".to_owned(),
        Some(cell) => {
            let time = format!("{} ± {}", clock::human(cell.time.median_ms), clock::human(cell.time.noise_ms));
            if cell.verdict == Verdict::Passed { time } else { format!("{} {time}", sign(cell.verdict)) }
        }
    }
}
