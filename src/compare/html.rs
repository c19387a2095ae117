//! A comparison as one self-contained page: both sides' timelines, step below step, on one axis per check.

use maud::{DOCTYPE, Markup, html};

use super::terminal::time;
use super::{Cell, Comparison, Judgement, PairedCheck, ratio};
use crate::clock;
use crate::report::html::head;
use crate::report::line::sign;
use crate::report::printable::one_line;
use crate::verdict::Verdict;

/// The whole page. It has no script and asks for nothing outside itself.
pub fn render(comparison: &Comparison) -> String {
    let Comparison { a, b, .. } = comparison;
    let worse = comparison.regressions(100);
    let title = format!("{} beside {}", one_line(&b.label), one_line(&a.label));
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            (head(&title, &html! {}, include_str!("style.css")))
            body {
                h1 { span.b { (one_line(&b.label)) } span.beside { " beside " } span.a { (one_line(&a.label)) } }
                @if worse.is_empty() { p.good { "Nothing is worse." } } @else {
                    ul.worse { @for line in &worse { li { (one_line(line)) } } }
                }
                (sides(comparison))
                @for check in &comparison.checks { (section(check, &a.label, &b.label)) }
            }
        }
    };
    page.into_string() + "\n"
}

fn sides(comparison: &Comparison) -> Markup {
    let Comparison { a, b, .. } = comparison;
    let text = |text: &Option<String>| text.as_deref().map_or("not there".into(), one_line).into_owned();
    html! {
        table.facts {
            tr { th {} th.a { (one_line(&a.label)) } th.b { (one_line(&b.label)) } }
            tr { td { "runs" } td { (a.runs) } td { (b.runs) } }
            tr { td { "kubernetes" } td { (one_line(&a.kubernetes)) } td { (one_line(&b.kubernetes)) } }
            @for change in comparison.changed.iter().filter(|change| change.what != "kubernetes") {
                tr { td { (one_line(&change.what)) } td { (text(&change.a)) } td { (text(&change.b)) } }
            }
        }
    }
}

fn section(check: &PairedCheck, label_a: &str, label_b: &str) -> Markup {
    let cells = || check.steps.iter().flat_map(|step| [&step.a, &step.b]).flatten();
    let end = cells().map(|cell| cell.start_ms + cell.time.median_ms).max().unwrap_or_default().max(1);
    let verdict = |verdict: Option<Verdict>| {
        verdict.map_or("not there".to_owned(), |verdict| format!("{} {verdict}", sign(verdict)))
    };
    html! {
        section {
            h2 { (one_line(&check.name)) " " span.quiet { (verdict(check.a)) " → " (verdict(check.b)) } }
            @if let Some(reason) = &check.reason { p { (one_line(reason)) } }
            @if !check.steps.is_empty() {
                table.steps {
                    tr { th { "Step" } th.wide { span.axis { span { "0 s" } span { (clock::human(end)) } } } th.a { (one_line(label_a)) } th.b { (one_line(label_b)) } th { "B / A" } th {} }
                    @for step in &check.steps {
                        tr data-judgement=(name(step.judgement)) {
                            td { (one_line(&step.name)) }
                            td.wide { div.pair aria-hidden="true" { (bar("a", step.a.as_ref(), end)) (bar("b", step.b.as_ref(), end)) } }
                            td.time { (measured(step.a.as_ref())) }
                            td.time { (measured(step.b.as_ref())) }
                            td.time { @if let Some(percent) = step.percent { (ratio(percent)) } }
                            td.word { (step.judgement.word()) }
                        }
                    }
                }
            }
        }
    }
}

fn measured(cell: Option<&Cell>) -> Markup {
    let time = time(cell);
    // What chance may do to it can go on a line of its own on a narrow page.
    let (time, noise) = time.split_once(" ± ").unwrap_or((&time, ""));
    html! { (time) @if !noise.is_empty() { span.noise { " ± " (noise) } } }
}

fn name(judgement: Judgement) -> &'static str {
    if judgement == Judgement::Unknown { "unknown" } else { judgement.word() }
}

/// A step's place on the axis of its check, in hundredths.
fn bar(side: &str, cell: Option<&Cell>, end: u64) -> Markup {
    let share = |part: u64| {
        let share = u128::from(part) * 10_000 / u128::from(end);
        format!("{}.{:02}%", share / 100, share % 100)
    };
    html! {
        div.track {
            @if let Some(cell) = cell {
                div class={ "bar " (side) } data-verdict=(cell.verdict)
                    style={ "margin-left:" (share(cell.start_ms)) ";width:" (share(cell.time.median_ms)) } {}
            }
        }
    }
}
