//! One self-contained page: verdicts, a timeline of all steps, evidence and reasons.
//!
//! It has no script at all and asks for nothing outside itself; its Content-Security-Policy says so to the browser. What the
//! cluster says is escaped by maud and made printable before.

mod clusters;
mod section;
mod timeline;

use std::borrow::Cow;
use std::collections::BTreeMap;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::line::sign;
use super::printable::one_line;
use super::summary;
use crate::clock;
use crate::result::{CheckResult, RunResult};
use crate::verdict::Verdict;

/// Nothing but the page's own styles and its icon.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

/// The head of a page of ours: it has no script, and asks for nothing outside itself.
pub(crate) fn head(title: &str, icon: &Markup, style: &'static str) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            meta name="referrer" content="no-referrer";
            meta http-equiv="Content-Security-Policy" content=(POLICY);
            title { (title) }
            (icon)
            style { (PreEscaped(style)) }
        }
    }
}

/// The whole page: of one run, or of several below each other with an overview above them.
pub(crate) fn render(results: &[RunResult]) -> String {
    let worst = Verdict::worst(results.iter().map(|result| result.verdict));
    let names = results.iter().map(|result| text(&result.target.name)).collect::<Vec<_>>().join(", ");
    let title = format!("{} {names} {worst}", sign(worst));
    let page = html! {
        (DOCTYPE)
        html lang="en" data-verdict=(worst) {
            (head(&title, &html! { link rel="icon" href=(icon(worst)); }, include_str!("style.css")))
            body {
                @if let [result] = results {
                    a.skip href="#checks" { "To the checks" }
                    (masthead(result))
                    main { (body(result, &Place::alone())) }
                } @else {
                    a.skip href="#clusters" { "To the clusters" }
                    main {
                        (clusters::overview(results))
                        @for (index, result) in results.iter().enumerate() {
                            article.run id={ "run-" (index) } aria-label=(text(&result.target.name)) {
                                (masthead(result))
                                (body(result, &Place::of_run(index)))
                            }
                        }
                    }
                }
            }
        }
    };
    page.into_string() + "\n"
}

/// What the ids of a run's elements begin with, so that no two runs of a page share one.
pub(super) struct Place(String);

impl Place {
    fn alone() -> Self {
        Self(String::new())
    }

    fn of_run(index: usize) -> Self {
        Self(format!("run-{index}-"))
    }

    /// The tiles of all checks.
    fn checks(&self) -> String {
        format!("{}checks", self.0)
    }

    /// A check's section.
    fn check(&self, index: usize) -> String {
        format!("{}check-{index}", self.0)
    }

    /// A step of a check.
    fn step(&self, check: usize, step: usize) -> String {
        format!("{}step-{check}-{step}", self.0)
    }
}

fn body(result: &RunResult, place: &Place) -> Markup {
    html! {
        (tiles(result, place))
        (timeline::of_run(result, place))
        @for (index, check) in result.checks.iter().enumerate() {
            (section::check(place, index, check))
        }
        (about(result))
    }
}

/// A text of the cluster's as one line that drives nothing; escaping is maud's.
fn text(text: &str) -> Cow<'_, str> {
    one_line(text)
}

fn masthead(result: &RunResult) -> Markup {
    let target = &result.target;
    let requests: u64 = result.checks.iter().map(|check| check.api_requests).sum();
    html! {
        header.masthead {
            div.headline {
                p.brand { "kibertas-rs " span.quiet { (text(&result.version)) } }
                h1 {
                    span.cluster { (text(&target.name)) }
                    " "
                    span.stamp data-verdict=(result.verdict) { (badge(result.verdict)) }
                }
                p.counts { (summary::counts(result)) " in " (clock::human(result.duration_ms)) }
            }
            (wheel(&result.checks))
            dl.facts {
                (fact("Kubernetes", &target.kubernetes))
                @for (add_on, version) in &target.add_ons { (fact(add_on, version)) }
                (fact("Server", &target.server))
                (fact("Context", target.context.as_deref().unwrap_or("none: inside the cluster")))
                div { dt { "Started" } dd { time datetime=(result.started) { (result.started.strftime("%e %b %Y, %H:%M:%S UTC")) } } }
                (fact("Run", &result.run))
                (fact("API requests", &requests.to_string()))
                (fact("Exit code", &result.exit_code.to_string()))
            }
        }
    }
}

fn fact(name: &str, value: &str) -> Markup {
    html! { div { dt { (text(name)) } dd { (text(value)) } } }
}

fn badge(verdict: Verdict) -> Markup {
    html! { span.sign aria-hidden="true" { (sign(verdict)) } " " (verdict) }
}

/// A ring with a piece per check, in the checks' order; told in words beside it, so that nobody needs to see it.
fn wheel(checks: &[CheckResult]) -> Markup {
    /// The gap between two pieces, in hundredths of the ring.
    const GAP: usize = 2;
    let piece = if checks.is_empty() { 100 } else { 100 / checks.len().min(100) };
    let shown = piece.saturating_sub(if checks.len() > 1 { GAP } else { 0 }).max(1);
    let ran = checks.iter().filter(|check| check.verdict != Verdict::Skipped).count();
    let passed = checks.iter().filter(|check| check.verdict == Verdict::Passed).count();
    html! {
        svg.wheel viewBox="0 0 120 120" aria-hidden="true" focusable="false" {
            @if checks.is_empty() {
                circle cx="60" cy="60" r="50" data-verdict="skipped" {}
            }
            @for (index, check) in checks.iter().enumerate() {
                circle cx="60" cy="60" r="50" pathLength=(piece * checks.len()) data-verdict=(check.verdict)
                    stroke-dasharray={ (shown) " " (piece * checks.len() - shown) }
                    stroke-dashoffset={ "-" (index * piece) } {}
            }
            text x="60" y="62" { (passed) tspan.of { "/" (ran) } }
            text.under x="60" y="80" { "passed" }
        }
    }
}

fn tiles(result: &RunResult, place: &Place) -> Markup {
    html! {
        section.tiles id=(place.checks()) aria-label="Checks" {
            @for (index, check) in result.checks.iter().enumerate() {
                a.tile href={ "#" (place.check(index)) } data-verdict=(check.verdict) {
                    h2 { (text(&check.name)) }
                    p.verdict { (badge(check.verdict)) }
                    @if check.verdict == Verdict::Skipped {
                        p.took { "not run" }
                    } @else {
                        p.took {
                            (clock::human(check.duration_ms))
                            span.quiet { " · " (check.passed_steps()) " of " (super::text::counted(check.steps.len(), "step")) }
                        }
                    }
                    @if let Some(reason) = &check.reason { p.reason { (text(reason)) } }
                }
            }
        }
    }
}

fn about(result: &RunResult) -> Markup {
    html! {
        footer {
            @if !result.notices.is_empty() {
                section.notices aria-label="Notes" { @for notice in &result.notices { p { (text(notice)) } } }
            }
            @if !result.settings.is_empty() {
                details { summary { "Settings of the run" } (settings(&result.settings)) }
            }
            p.quiet { "Run " (text(&result.run)) " · kibertas-rs " (text(&result.version)) " · schema " (text(&result.schema)) }
        }
    }
}

fn settings(settings: &BTreeMap<String, String>) -> Markup {
    html! {
        dl.pairs {
            @for (key, value) in settings { div { dt { (text(key)) } dd { (text(value)) } } }
        }
    }
}

/// The verdict's colour in the browser's tab.
fn icon(verdict: Verdict) -> String {
    let colour = match verdict {
        Verdict::Passed => "1f9d61",
        Verdict::Failed => "d6363e",
        Verdict::Inconclusive => "c98412",
        Verdict::Cancelled => "7d6fb3",
        Verdict::Skipped => "8a8f98",
    };
    format!(
        "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E\
         %3Ccircle cx='8' cy='8' r='7' fill='%23{colour}'/%3E%3C/svg%3E"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn the_page_of_every_verdict() {
        insta::with_settings!({filters => vec![(r"(?s)<style>.*?</style>", "<style>…</style>")]}, {
            insta::assert_snapshot!(render(&[sample::every_verdict()]).replace("><", ">\n<"));
        });
    }

    #[test]
    fn hostile_text_makes_no_element_and_leaves_no_attribute() {
        let page = render(&[sample::hostile()]);
        assert!(!page.contains("<script"), "{page}");
        assert!(!page.contains("\"quote'"), "a quote of the cluster's is not escaped");
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
        assert!(page.contains("&lt;/pre&gt;&lt;/details&gt;"));
        assert_eq!(page.matches("<details").count(), page.matches("</details>").count());
        assert!(!page.contains('\u{202e}'));
    }

    #[test]
    fn the_page_asks_for_nothing_outside_itself() {
        let both = [sample::every_verdict(), sample::all_passed()];
        for results in both.chunks(1).chain([both.as_slice()]) {
            let page = render(results);
            for outside in ["<script", "<img", "<iframe", "@import", "url(", "src=", "<form", "<base"] {
                assert!(!page.contains(outside), "{outside}");
            }
            for link in page.split("href=\"").skip(1) {
                assert!(link.starts_with('#') || link.starts_with("data:"), "{}", &link[..40]);
            }
        }
    }

    #[test]
    fn every_link_has_its_place() {
        let both = [sample::every_verdict(), sample::all_passed()];
        for results in both.chunks(1).chain([both.as_slice()]) {
            let page = render(results);
            for link in page.split("href=\"#").skip(1) {
                let id = link.split('"').next().unwrap();
                assert_eq!(page.matches(&format!("id=\"{id}\"")).count(), 1, "{id}");
            }
        }
    }

    #[test]
    fn several_runs_stand_below_an_overview() {
        let mut green = sample::all_passed();
        green.target.name = "green".to_owned();
        insta::with_settings!({filters => vec![(r"(?s)<style>.*?</style>", "<style>…</style>")]}, {
            let page = render(&[sample::every_verdict(), green]).replace("><", ">\n<");
            insta::assert_snapshot!(&page[..page.find("<article").unwrap()]);
        });
    }
}
