//! The overview of several runs: a row a check, a column a cluster.

use maud::{Markup, html};

use super::{Place, badge, text};
use crate::clock;
use crate::report::summary;
use crate::result::{CheckResult, RunResult};
use crate::verdict::Verdict;

/// The table from which each cell leads to its check.
pub(super) fn overview(results: &[RunResult]) -> Markup {
    let mut names: Vec<&str> = Vec::new();
    for check in results.iter().flat_map(|result| &result.checks) {
        if !names.contains(&check.name.as_str()) {
            names.push(&check.name);
        }
    }
    html! {
        section.clusters #clusters aria-label="Clusters" {
            table {
                thead {
                    tr {
                        th scope="col" { span.quiet { "Check" } }
                        @for (index, result) in results.iter().enumerate() {
                            th scope="col" {
                                a href={ "#run-" (index) } { (text(&result.target.name)) }
                                " " span.stamp data-verdict=(result.verdict) { (badge(result.verdict)) }
                                p.quiet { (text(&result.target.kubernetes)) " · " (summary::counts(result)) }
                            }
                        }
                    }
                }
                tbody {
                    @for name in &names {
                        tr {
                            th scope="row" { (text(name)) }
                            @for (index, result) in results.iter().enumerate() { (cell(result, name, &Place::of_run(index))) }
                        }
                    }
                }
            }
        }
    }
}

fn cell(result: &RunResult, name: &str, place: &Place) -> Markup {
    let found: Option<(usize, &CheckResult)> = result.checks.iter().enumerate().find(|(_, check)| check.name == name);
    html! {
        @match found {
            None => td.quiet data-cluster=(text(&result.target.name)) { "not there" },
            Some((index, check)) => td data-verdict=(check.verdict) data-cluster=(text(&result.target.name)) {
                a href={ "#" (place.check(index)) } { (badge(check.verdict)) }
                @if check.verdict != Verdict::Skipped { " " span.quiet { (clock::human(check.duration_ms)) } }
                @if let Some(reason) = &check.reason { p.reason { (text(reason)) } }
            },
        }
    }
}
