//! Comparisons of sample results.

use pulldown_cmark::{Event, Options, Parser};

use super::*;
use crate::report::sample;

/// The sample as another cluster's, every step of `check` taking `percent` hundredths of its time.
fn green(check: &str, step: &str, percent: u64) -> RunResult {
    let mut green = sample::all_passed();
    green.target.name = "green".to_owned();
    green.target.kubernetes = "v1.36.1".to_owned();
    let steps = green.checks.iter_mut().filter(|c| c.name == check).flat_map(|c| &mut c.steps);
    for step in steps.filter(|s| s.name == step) {
        step.duration_ms = step.duration_ms * percent / 100;
    }
    green
}

fn compared(a: &[RunResult], b: &[RunResult]) -> Comparison {
    Comparison::of(a, b).unwrap()
}

#[test]
fn the_same_is_the_same() {
    let (blue, green) = (sample::all_passed(), green("rollouts", "", 100));
    let comparison = compared(&[blue], &[green]);
    assert_eq!(comparison.regressions(150), [] as [&str; 0]);
    let steps = || comparison.checks.iter().flat_map(|check| &check.steps);
    assert!(steps().count() > 10 && steps().all(|step| step.judgement == Judgement::Same));
    let changed = Change { what: "kubernetes".into(), a: Some("v1.34.4".into()), b: Some("v1.36.1".into()) };
    assert_eq!(comparison.changed, [changed]);
}

#[test]
fn a_slower_step_is_named_and_a_little_slower_one_is_not() {
    let blue = [sample::all_passed()];
    let slower = compared(&blue, &[green("rollouts", "promoted in full", 300)]);
    assert_eq!(slower.regressions(150), ["rollouts: promoted in full takes 3.0× as long"]);
    assert_eq!(slower.regressions(400), [] as [&str; 0]);
    let a_little = compared(&blue, &[green("rollouts", "promoted in full", 130)]);
    assert_eq!(a_little.regressions(100), [] as [&str; 0]);
    let faster = compared(&[green("rollouts", "promoted in full", 300)], &blue);
    let step = faster.checks[1].steps.iter().find(|step| step.name == "promoted in full").unwrap();
    assert_eq!((step.judgement, step.percent), (Judgement::Faster, Some(33)));
}

#[test]
fn what_broke_what_was_mended_and_what_exists_once() {
    let (good, bad) = (sample::all_passed(), sample::every_verdict());
    let mut broken = good.clone();
    broken.checks[1].verdict = Verdict::Inconclusive;
    broken.checks[1].steps.truncate(3);
    let comparison = compared(std::slice::from_ref(&good), std::slice::from_ref(&broken));
    assert_eq!(comparison.regressions(150), ["rollouts: passed, now inconclusive"]);
    let gone = &comparison.checks[1].steps[4];
    assert!(gone.b.is_none() && gone.judgement == Judgement::Unknown);
    assert_eq!(compared(&[broken], &[good]).checks[1].judgement, Judgement::Mended);
    // A check that is not run on B was not proved there.
    let mut without = bad.clone();
    without.checks.retain(|check| check.name != "cert-manager");
    assert_eq!(compared(&[bad], &[without]).regressions(150), ["cert-manager: passed, now not run"]);
}

#[test]
fn repeated_steps_are_told_apart() {
    let mut twice = sample::all_passed();
    let again = twice.checks[1].steps[3].clone();
    twice.checks[1].steps.push(again);
    let comparison = compared(&[twice], &[sample::all_passed()]);
    let last = comparison.checks[1].steps.last().unwrap();
    assert_eq!((last.name.as_str(), last.b.is_none()), ("canary at 25 % (2)", true));
}

#[test]
fn nothing_is_no_comparison() {
    assert_eq!(Comparison::of(&[], &[sample::all_passed()]).unwrap_err().to_string(), "A has no results to compare");
    assert!(!compared(&[sample::run(Vec::new())], &[sample::all_passed()]).is_telling());
}

#[test]
fn every_format_says_what_is_worse() {
    let comparison = compared(&[sample::all_passed()], &[green("rollouts", "promoted in full", 300)]);
    let line = |text: &str| text.lines().find(|line| line.contains("promoted in full")).unwrap().to_owned();
    let shown = terminal(&comparison, false);
    let words = line(&shown).split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(words, "promoted in full 2.9 s ± 0.7 s 8.6 s ± 2.2 s 3.0× slower");
    assert!(shown.contains("changed  kubernetes: v1.34.4 → v1.36.1"), "{shown}");
    let text = markdown(&comparison);
    assert!(text.contains("- rollouts: promoted in full takes 3.0× as long"), "{text}");
    assert!(text.contains("| promoted in full | 2.9 s ± 0.7 s | 8.6 s ± 2.2 s | 3.0× | **slower** |"), "{text}");
    let page = html(&comparison);
    assert!(page.contains("promoted in full") && page.contains("3.0×"));
    for outside in ["<script", "<img", "@import", "url(", "src="] {
        assert!(!page.contains(outside), "{outside}");
    }
}

#[test]
fn hostile_text_makes_no_markup() {
    let comparison = compared(&[sample::hostile()], &[sample::all_passed()]);
    assert!(!html(&comparison).contains("<script"));
    let text = markdown(&comparison);
    for event in Parser::new_ext(&text, Options::ENABLE_TABLES) {
        assert!(!matches!(event, Event::Html(_) | Event::InlineHtml(_)), "{event:?}");
    }
    assert!(!terminal(&comparison, false).contains(|c: char| c.is_control() && c != '\n'));
}

#[test]
fn an_upgraded_add_on_is_told() {
    let mut after = sample::all_passed();
    after.target.add_ons.insert("cert-manager".to_owned(), "v1.20.0".to_owned());
    let comparison = Comparison::of(&[sample::all_passed()], &[after]).unwrap();
    let (a, b) = (Some("v1.19.1".to_owned()), Some("v1.20.0".to_owned()));
    assert_eq!(comparison.changed, [Change { what: "cert-manager".to_owned(), a, b }]);
}
