//! One check in full: why it did not pass, its steps with their evidence, its clean-up, its settings.

use maud::{Markup, html};
use serde_json::Value;

use super::timeline::Span;
use super::{Place, badge, settings, text};
use crate::clock;
use crate::failure::Failure;
use crate::report::{evidence, printable, reason, text as words};
use crate::result::{CheckResult, CleanupResult, StepResult};
use crate::verdict::Verdict;

/// The section of a check; `index` is its place in the run.
pub(super) fn check(place: &Place, index: usize, check: &CheckResult) -> Markup {
    let span = Span::of(check);
    let broken = check.broken_step().map(std::ptr::from_ref);
    html! {
        section.check id=(place.check(index)) data-verdict=(check.verdict) aria-label={ (text(&check.name)) ": " (check.verdict) } {
            header {
                h2 { (text(&check.name)) }
                p.verdict { (badge(check.verdict)) }
                @if check.verdict != Verdict::Skipped {
                    p.quiet {
                        (clock::human(check.duration_ms)) " · " (words::counted(check.steps.len(), "step")) " · "
                        (check.api_requests) " API requests"
                        @if let Some(namespace) = &check.namespace { " · " span.mono { (text(namespace)) } }
                    }
                }
            }
            @match &check.failure {
                Some(failure) => (why(failure, check.broken_step())),
                None => @if let Some(reason) = &check.reason { p.lead { (text(reason)) } },
            }
            @if let Some(cleanup) = &check.cleanup { (left(cleanup)) }
            @if !check.steps.is_empty() {
                ol.steps {
                    @for (number, result) in check.steps.iter().enumerate() {
                        (step(&place.step(index, number), span, result, broken == Some(std::ptr::from_ref(result))))
                    }
                    @if let Some(cleanup) = &check.cleanup { (cleaned_up(span, check, cleanup)) }
                }
            }
            @if !check.settings.is_empty() {
                details.settings { summary { "Settings of this check" } (settings(&check.settings)) }
            }
        }
    }
}

/// The reason, open: who looks at a check that did not pass wants to know nothing else first.
fn why(failure: &Failure, step: Option<&StepResult>) -> Markup {
    html! {
        div.why data-verdict=(failure.verdict) {
            @if let Some(step) = step { h3 { (failure.verdict) " at “" (text(&step.name)) "”" } }
            dl.pairs {
                div { dt { "Expected" } dd { (text(&failure.expected)) } }
                @if !failure.seen.is_empty() { div { dt { "Seen" } dd.strong { (text(&failure.seen)) } } }
                @if let Some(object) = &failure.object { div { dt { "Object" } dd.mono { (text(&object.to_string())) } } }
                @if let Some(cause) = &failure.cause {
                    div {
                        dt { "Cause" }
                        dd {
                            span.strong { (text(&cause.text)) } " "
                            span.chip { (reason::certainty(cause.certainty)) } " "
                            span.chip { (reason::origin(cause.origin)) }
                        }
                    }
                }
                @if !failure.next.is_empty() {
                    div { dt { "Next" } dd { @for command in &failure.next { pre.command { (text(command)) } } } }
                }
            }
            @for detail in &failure.details {
                details { summary { (text(&detail.title)) } (quoted(&detail.lines)) }
            }
        }
    }
}

fn quoted(lines: &[String]) -> Markup {
    let lines: Vec<String> = lines.iter().flat_map(|line| printable::lines(line)).collect();
    html! { pre.log tabindex="0" { (lines.join("\n")) } }
}

fn left(cleanup: &CleanupResult) -> Markup {
    html! {
        @if !cleanup.survivors.is_empty() {
            div.why.left data-verdict=(cleanup.verdict) {
                h3 { "Left in the cluster" }
                dl.pairs {
                    @for survivor in &cleanup.survivors {
                        div {
                            dt.mono { (text(&survivor.object.to_string())) }
                            dd { @for held_by in &survivor.held_by { p { "held by " (text(held_by)) } } }
                        }
                    }
                }
            }
        }
    }
}

/// A step: its row is the fold of what it saw. The one that broke is open.
fn step(id: &str, span: Span, step: &StepResult, broken: bool) -> Markup {
    let started = span.place(step.start_ms, step.duration_ms);
    html! {
        li data-verdict=(step.verdict) {
            @if step.evidence.is_empty() && step.failure.is_none() {
                div.row id=(id) { (row(&step.name, step.verdict, step.duration_ms, &started)) }
            } @else {
                details open[broken] {
                    summary.row { (row(&step.name, step.verdict, step.duration_ms, &started)) }
                    // Inside the fold, so that a link to it opens the fold.
                    div.seen id=(id) {
                        @if let Some(failure) = &step.failure {
                            @if !broken { p.lead { (text(&failure.summary())) } }
                        }
                        dl.pairs {
                            @for (key, value) in &step.evidence { div { dt { (text(key)) } dd { (shown(value)) } } }
                        }
                    }
                }
            }
        }
    }
}

fn cleaned_up(span: Span, check: &CheckResult, cleanup: &CleanupResult) -> Markup {
    let place = span.place(check.start_ms + check.duration_ms, cleanup.duration_ms);
    html! {
        li.cleanup data-verdict=(cleanup.verdict) {
            div.row {
                @if cleanup.verdict == Verdict::Skipped {
                    (row("clean-up: objects kept on demand", cleanup.verdict, 0, &place))
                } @else {
                    (row(words::CLEAN_UP, cleanup.verdict, cleanup.duration_ms, &place))
                }
            }
        }
    }
}

fn row(name: &str, verdict: Verdict, duration_ms: u64, place: &str) -> Markup {
    html! {
        span.sign role="img" aria-label=(verdict) { (crate::report::line::sign(verdict)) }
        span.name { (text(name)) }
        span.rail aria-hidden="true" { span.bar data-verdict=(verdict) style=(place) {} }
        span.took { (clock::human(duration_ms)) }
    }
}

/// Evidence in full: lists and fields keep their shape.
fn shown(value: &Value) -> Markup {
    html! {
        @match value {
            Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
                ol.values { @for item in items { li { (shown(item)) } } }
            },
            Value::Array(items) if items.len() > 1 => {
                ul.values { @for item in items { li { (evidence::plainly(item)) } } }
            },
            Value::Object(map) if !map.is_empty() => {
                dl.pairs { @for (key, value) in map { div { dt { (text(key)) } dd { (shown(value)) } } } }
            },
            other => (evidence::plainly(other)),
        }
    }
}
