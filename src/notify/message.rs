//! What is told of one run, or of several that ran together, before any service's form is given to it.
//!
//! The words `OK` and `NG`, the word `kibertas` and the cluster's name are those of the Go tool, so that people's searches and
//! alerts go on working.

use jiff::Timestamp;
use serde::Serialize;

use crate::failure::Failure;
use crate::report::printable::{one_line, shortened};
use crate::report::summary;
use crate::result::{CheckResult, RunResult};
use crate::verdict::Verdict;

/// A run to tell of.
#[derive(Clone, Copy)]
pub struct Told<'a> {
    /// Its outcome, without secrets.
    pub result: &'a RunResult,
    /// The run before it on the same cluster, where one is known.
    pub before: Option<&'a RunResult>,
    /// Where its report is: a URL, or a place such as a folder.
    pub report: Option<&'a str>,
    /// Where its Events go, if they are wanted; `None` where the cluster is out of reach.
    pub cluster: Option<&'a kube::Client>,
}

/// One message: a part for each cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// Names the runs: the same for every try and every service, so that whoever gets it twice can tell.
    pub id: String,
    /// The parts, in the order in which the runs were given.
    #[serde(rename = "runs")]
    pub parts: Vec<Part>,
}

/// What is told of one cluster. All texts are in one line and without control characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    /// The cluster.
    pub cluster: String,
    /// The version that its API server tells.
    pub kubernetes: String,
    /// The version of the run before, where it was another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubernetes_before: Option<String>,
    /// The run's verdict.
    pub verdict: Verdict,
    /// How many checks had which verdict.
    pub counts: String,
    /// How long the run took, in milliseconds.
    pub duration_ms: u64,
    /// When it started.
    pub started: Timestamp,
    /// The run's id.
    pub run: String,
    /// The program's version.
    pub version: String,
    /// Where the report is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report: Option<String>,
    /// A line for each check.
    pub checks: Vec<Line>,
    /// The number of checks that are left out, for want of room.
    #[serde(skip_serializing_if = "is_zero")]
    pub more_checks: usize,
}

/// What is told of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// The check.
    pub name: String,
    /// Its verdict.
    pub verdict: Verdict,
    /// How long it took, in milliseconds; `None` where it was skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// Why it is not `OK`; `None` where it is, or for want of room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<Trouble>,
}

/// Why a check is `NG`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Trouble {
    /// The step that it ended in; `None` where it broke between steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// What was expected and what was seen.
    pub reason: String,
    /// The likely cause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// The first thing to do next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde asks so
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// The word of a check's verdict; the Go tool knows the first two.
pub const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "OK",
        Verdict::Failed => "NG",
        Verdict::Inconclusive => "NG (inconclusive)",
        Verdict::Cancelled => "NG (cancelled)",
        Verdict::Skipped => "skipped",
    }
}

/// The word of a run's verdict: a run in which nothing ran is not well.
pub const fn word_of_run(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Skipped => "NG (nothing ran)",
        verdict => word(verdict),
    }
}

impl Message {
    /// The message of these runs, whole.
    pub fn new(runs: &[Told<'_>]) -> Self {
        let ids: Vec<&str> = runs.iter().map(|told| told.result.run.as_str()).collect();
        Self { id: format!("kibertas-{}", ids.join("-")), parts: runs.iter().map(Part::new).collect() }
    }

    /// Whether every part is `OK`.
    pub fn is_ok(&self) -> bool {
        !self.parts.is_empty() && self.parts.iter().all(|part| part.verdict == Verdict::Passed)
    }

    /// The worst verdict.
    pub fn verdict(&self) -> Verdict {
        Verdict::worst(self.parts.iter().map(|part| part.verdict))
    }

    /// `kibertas NG in blue, green`: the worst word, and the clusters.
    pub fn title(&self) -> String {
        let clusters: Vec<&str> = self.parts.iter().map(|part| part.cluster.as_str()).collect();
        // A part in which nothing ran is no better than one that failed.
        let worst = match self.verdict() {
            Verdict::Passed if !self.is_ok() => Verdict::Skipped,
            verdict => verdict,
        };
        format!("kibertas {} in {}", word_of_run(worst), clusters.join(", "))
    }
}

impl Part {
    fn new(told: &Told<'_>) -> Self {
        let result = told.result;
        let line = |text: &str| one_line(text).into_owned();
        let before = told.before.map(|before| &before.target.kubernetes);
        Self {
            cluster: line(&result.target.name),
            kubernetes: line(&result.target.kubernetes),
            kubernetes_before: before.filter(|&before| *before != result.target.kubernetes).map(|text| line(text)),
            verdict: result.verdict,
            counts: summary::counts(result),
            duration_ms: result.duration_ms,
            started: result.started,
            run: line(&result.run),
            version: line(&result.version),
            report: told.report.map(line),
            checks: result.checks.iter().map(Line::new).collect(),
            more_checks: 0,
        }
    }

    /// `Kubernetes v1.33.5 → v1.34.4`.
    pub fn versions(&self) -> String {
        match &self.kubernetes_before {
            Some(before) => format!("Kubernetes {before} → {}", self.kubernetes),
            None => format!("Kubernetes {}", self.kubernetes),
        }
    }

    /// `kibertas NG in blue`.
    pub fn title(&self) -> String {
        format!("kibertas {} in {}", word_of_run(self.verdict), self.cluster)
    }
}

impl Line {
    fn new(check: &CheckResult) -> Self {
        let bad = !matches!(check.verdict, Verdict::Passed | Verdict::Skipped);
        Self {
            name: one_line(&check.name).into_owned(),
            verdict: check.verdict,
            duration_ms: (check.verdict != Verdict::Skipped).then_some(check.duration_ms),
            trouble: bad.then(|| Trouble::of(check)),
        }
    }
}

impl Trouble {
    fn of(check: &CheckResult) -> Self {
        let line = |text: &str| one_line(text).into_owned();
        let failure = check.failure.as_ref();
        let reason = failure.map(Failure::summary).or_else(|| check.reason.clone());
        Self {
            step: check.broken_step().map(|step| line(&step.name)),
            reason: line(&reason.unwrap_or_else(|| "no reason is known".to_owned())),
            cause: failure.and_then(|failure| failure.cause.as_ref()).map(|cause| line(&cause.text)),
            next: failure.and_then(|failure| failure.next.first()).map(|next| line(next)),
        }
    }
}

/// How much of a message is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Brevity {
    /// The longest text that the cluster chose, in characters.
    pub text: usize,
    /// The most clusters.
    pub parts: usize,
    /// The most checks of a cluster; those that are not OK come first.
    pub checks: usize,
    /// The most reasons of a cluster.
    pub troubles: usize,
}

/// From everything to the least that still tells who is how.
pub const LADDER: &[Brevity] = &[
    Brevity { text: 1000, parts: 20, checks: 50, troubles: 50 },
    Brevity { text: 400, parts: 20, checks: 50, troubles: 20 },
    Brevity { text: 200, parts: 10, checks: 20, troubles: 10 },
    Brevity { text: 120, parts: 10, checks: 20, troubles: 5 },
    Brevity { text: 80, parts: 5, checks: 10, troubles: 2 },
    Brevity { text: 60, parts: 4, checks: 5, troubles: 1 },
    Brevity { text: 40, parts: 3, checks: 3, troubles: 0 },
];

impl Message {
    /// The message cut to what `brevity` allows; the rest is in the report.
    #[must_use]
    pub fn cut(&self, brevity: &Brevity) -> Self {
        let parts = self.parts.iter().take(brevity.parts).map(|part| part.cut(brevity)).collect();
        Self { id: self.id.clone(), parts }
    }

    /// Renders the message as fully as fits: `fits` says whether a rendering keeps the service's limits. The shortest one is
    /// taken even if it says no to that as well.
    pub fn fitted<T>(&self, render: impl Fn(&Self) -> T, fits: impl Fn(&T) -> bool) -> T {
        let (shortest, longer) = LADDER.split_last().unwrap_or((&LADDER[0], &[]));
        let rendered = longer.iter().map(|brevity| render(&self.cut(brevity))).find(fits);
        rendered.unwrap_or_else(|| render(&self.cut(shortest)))
    }
}

impl Part {
    fn cut(&self, brevity: &Brevity) -> Self {
        let short = |text: &str| shortened(text, brevity.text).into_owned();
        let mut checks: Vec<&Line> = self.checks.iter().collect();
        if checks.len() > brevity.checks {
            // Stable: within a verdict the registry's order stays.
            checks.sort_by_key(|check| std::cmp::Reverse(check.verdict));
        }
        let more = checks.len().saturating_sub(brevity.checks);
        let mut told = 0;
        let cut = |check: &Line| {
            let trouble = check.trouble.as_ref().filter(|_| told < brevity.troubles);
            told += usize::from(trouble.is_some());
            Line {
                name: short(&check.name),
                trouble: trouble.map(|trouble| Trouble {
                    step: trouble.step.as_deref().map(short),
                    reason: short(&trouble.reason),
                    cause: trouble.cause.as_deref().map(short),
                    next: trouble.next.as_deref().map(short),
                }),
                ..check.clone()
            }
        };
        Self {
            cluster: short(&self.cluster),
            kubernetes: short(&self.kubernetes),
            kubernetes_before: self.kubernetes_before.as_deref().map(short),
            // Half a link leads nowhere.
            report: self.report.clone().filter(|report| report.len() <= 2000),
            checks: checks.into_iter().take(brevity.checks).map(cut).collect(),
            more_checks: self.more_checks + more,
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn told(result: &RunResult) -> Told<'_> {
        Told { result, before: None, report: None, cluster: None }
    }

    #[test]
    fn the_words_are_those_of_the_go_tool() {
        let passed = sample::all_passed();
        let message = Message::new(&[told(&passed)]);
        assert_eq!(message.title(), "kibertas OK in blue");
        assert!(message.is_ok());
        let mixed = sample::every_verdict();
        let words: Vec<&str> = Message::new(&[told(&mixed)]).parts[0].checks.iter().map(|c| word(c.verdict)).collect();
        assert_eq!(words, ["NG", "OK", "NG (inconclusive)", "skipped", "NG (cancelled)", "OK"]);
    }

    #[test]
    fn one_bad_cluster_and_one_where_nothing_ran_make_the_whole_bad() {
        let (good, bad, nothing) = (sample::all_passed(), sample::every_verdict(), sample::run(Vec::new()));
        assert_eq!(Message::new(&[told(&good), told(&bad)]).title(), "kibertas NG in blue, blue");
        let message = Message::new(&[told(&good), told(&nothing)]);
        assert_eq!(message.title(), "kibertas NG (nothing ran) in blue, blue");
        assert!(!message.is_ok());
        assert!(!Message::new(&[]).is_ok());
    }

    #[test]
    fn an_upgrade_shows_both_versions_and_the_same_version_once() {
        let (now, mut before) = (sample::all_passed(), sample::all_passed());
        let part = |before: &RunResult| {
            Message::new(&[Told { result: &now, before: Some(before), report: None, cluster: None }]).parts[0]
                .versions()
        };
        assert_eq!(part(&before), "Kubernetes v1.34.4");
        before.target.kubernetes = "v1.33.9".to_owned();
        assert_eq!(part(&before), "Kubernetes v1.33.9 → v1.34.4");
    }

    #[test]
    fn of_many_checks_those_that_are_not_ok_stay() {
        let result = sample::every_verdict();
        let brevity = Brevity { text: 12, parts: 1, checks: 3, troubles: 1 };
        let cut = Message::new(&[told(&result)]).cut(&brevity);
        let names: Vec<&str> = cut.parts[0].checks.iter().map(|check| check.name.as_str()).collect();
        assert_eq!(names, ["ingress", "cluster-aut…", "fluent"]);
        assert_eq!(cut.parts[0].more_checks, 3);
        let told = cut.parts[0].checks.iter().filter(|check| check.trouble.is_some()).count();
        assert_eq!(told, 1);
        assert_eq!(cut.parts[0].checks[0].trouble.as_ref().unwrap().step.as_deref(), Some("DNS record"));
    }

    #[test]
    fn the_fullest_form_that_fits_is_taken() {
        let result = sample::every_verdict();
        let message = Message::new(&[told(&result)]);
        let render = |message: &Message| serde_json::to_string(message).unwrap();
        let whole = message.fitted(render, |_| true);
        let short = message.fitted(render, |text| text.len() < whole.len() - 200);
        assert!(short.len() < whole.len() - 200 && short.contains("DNS record"), "{short}");
        let least = message.fitted(render, |_| false);
        assert!(least.len() < 1200 && least.contains("\"ingress\"") && !least.contains("DNS record"), "{least}");
    }
}
