//! The timeline: when each step of each check ran, on one axis.

use maud::{Markup, html};

use super::{Place, text};
use crate::clock;
use crate::result::{CheckResult, RunResult, StepResult};
use crate::verdict::Verdict;

/// Distances of ticks that people like to count in, in milliseconds.
const TICKS: [u64; 17] = [
    100, 200, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000, 900_000, 1_800_000,
    3_600_000, 7_200_000,
];
/// The most ticks that an axis has room for.
const MOST_TICKS: u64 = 8;

/// A part of the run's time that an axis shows, in milliseconds after the run's start.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    start: u64,
    end: u64,
}

impl Span {
    /// The time of one check, clean-up included.
    pub(super) fn of(check: &CheckResult) -> Self {
        let steps = check.steps.iter().map(|step| step.start_ms + step.duration_ms).max().unwrap_or_default();
        let cleanup = check.cleanup.as_ref().map_or(0, |cleanup| cleanup.duration_ms);
        let end = steps.max(check.start_ms + check.duration_ms + cleanup);
        Self { start: check.start_ms, end: end.max(check.start_ms + 1) }
    }

    /// A bar's place as CSS, in hundredths of the axis.
    pub(super) fn place(self, start_ms: u64, duration_ms: u64) -> String {
        let from = share(start_ms.saturating_sub(self.start), self.end - self.start);
        let width = share(duration_ms, self.end - self.start);
        format!("--from:{from}%;--width:{width}%")
    }

    fn ticks(self) -> impl Iterator<Item = u64> {
        let length = self.end - self.start;
        let distance = TICKS.into_iter().find(|distance| length / distance <= MOST_TICKS).unwrap_or(length);
        (0..=length / distance).map(move |count| count * distance)
    }
}

/// A share in hundredths with two decimals, at most 100.
fn share(part: u64, whole: u64) -> String {
    let hundredths = (u128::from(part) * 10_000 / u128::from(whole.max(1))).min(10_000);
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

/// The timeline of all checks of a run. The steps' lists say the same in words, so a screen reader passes over the bars.
pub(super) fn of_run(result: &RunResult, place: &Place) -> Markup {
    let ran: Vec<(usize, &CheckResult)> =
        result.checks.iter().enumerate().filter(|(_, check)| check.verdict != Verdict::Skipped).collect();
    let end = ran.iter().map(|(_, check)| Span::of(check).end).max().unwrap_or_default();
    let whole = Span { start: 0, end: end.max(1) };
    let steps = || ran.iter().flat_map(|(_, check)| &check.steps);
    let seen = |verdict: &Verdict| steps().any(|step| step.verdict == *verdict);
    let verdicts = [Verdict::Passed, Verdict::Failed, Verdict::Inconclusive, Verdict::Cancelled];
    html! {
        @if !ran.is_empty() {
            section.timeline aria-label="Timeline" {
                h2 { "Timeline" }
                div.chart {
                    (axis(whole))
                    ul.lanes {
                        @for &(index, check) in &ran {
                            li.lane {
                                a.name href={ "#" (place.check(index)) } { (text(&check.name)) }
                                div.tracks aria-hidden="true" { (lane(whole, place, index, check)) }
                            }
                        }
                    }
                }
                p.legend aria-hidden="true" {
                    @for verdict in verdicts.iter().filter(|verdict| seen(verdict)) {
                        span data-verdict=(verdict) { (verdict) }
                    }
                    span.cleanup { "clean-up" }
                }
            }
        }
    }
}

fn axis(span: Span) -> Markup {
    html! {
        div.axis aria-hidden="true" {
            @for tick in span.ticks() {
                span style=(span.place(span.start + tick, 0)) { (ticked(tick)) }
            }
        }
    }
}

/// A tick's time, without decimals that say nothing.
fn ticked(millis: u64) -> String {
    match (millis / 60_000, millis % 60_000) {
        (0, rest) if rest % 1_000 == 0 => format!("{} s", rest / 1_000),
        (0, rest) => format!("{}.{} s", rest / 1_000, rest % 1_000 / 100),
        (minutes, 0) => format!("{minutes} min"),
        (minutes, rest) => format!("{minutes}:{:02} min", rest / 1_000),
    }
}

/// The steps of a check; those that ran side by side lie below each other.
fn lane(whole: Span, place: &Place, index: usize, check: &CheckResult) -> Markup {
    let cleanup = check.cleanup.as_ref().filter(|cleanup| cleanup.duration_ms > 0);
    html! {
        @for track in tracks(&check.steps) {
            div.track {
                @for (number, step) in track {
                    a.bar href={ "#" (place.step(index, number)) } tabindex="-1" data-verdict=(step.verdict)
                        style=(whole.place(step.start_ms, step.duration_ms))
                        title={ (text(&step.name)) ": " (step.verdict) ", " (clock::human(step.duration_ms)) } {
                            span { (text(&step.name)) }
                        }
                }
                @if let Some(cleanup) = cleanup {
                    span.bar.cleanup data-verdict=(cleanup.verdict)
                        style=(whole.place(check.start_ms + check.duration_ms, cleanup.duration_ms))
                        title={ "clean-up: " (clock::human(cleanup.duration_ms)) } { span { "clean-up" } }
                }
            }
        }
    }
}

/// Puts each step into the first track that is free when it starts; there is one track at the least.
fn tracks(steps: &[StepResult]) -> Vec<Vec<(usize, &StepResult)>> {
    let mut tracks: Vec<(u64, Vec<(usize, &StepResult)>)> = vec![(0, Vec::new())];
    for (number, step) in steps.iter().enumerate() {
        let end = step.start_ms + step.duration_ms;
        match tracks.iter_mut().find(|(free, _)| *free <= step.start_ms) {
            Some((free, track)) => {
                *free = end;
                track.push((number, step));
            }
            None => tracks.push((end, vec![(number, step)])),
        }
    }
    tracks.into_iter().map(|(_, track)| track).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn an_axis_has_few_round_ticks_whatever_its_length() {
        for (length, last) in [(1, "0 s"), (950, "0.8 s"), (12_713, "12 s"), (422_411, "7 min"), (90_000, "1:30 min")] {
            let ticks: Vec<String> = Span { start: 0, end: length }.ticks().map(ticked).collect();
            assert!(ticks.len() <= 9, "{ticks:?}");
            assert_eq!(ticks.last().unwrap(), last, "{ticks:?}");
        }
        assert!(Span { start: 0, end: u64::MAX }.ticks().count() <= 9);
    }

    #[test]
    fn bars_lie_where_their_times_are() {
        let span = Span { start: 1_000, end: 5_000 };
        assert_eq!(span.place(1_000, 4_000), "--from:0.00%;--width:100.00%");
        assert_eq!(span.place(2_000, 500), "--from:25.00%;--width:12.50%");
        assert_eq!(span.place(0, 99_999), "--from:0.00%;--width:100.00%");
    }

    #[test]
    fn steps_side_by_side_get_tracks_of_their_own() {
        let mut steps = sample::all_passed().checks[0].steps.clone();
        assert_eq!(tracks(&steps).len(), 1);
        steps[1].start_ms = steps[0].start_ms;
        let lengths: Vec<usize> = tracks(&steps).iter().map(Vec::len).collect();
        assert_eq!(lengths, [steps.len() - 1, 1]);
        assert_eq!(tracks(&[]).len(), 1);
    }
}
