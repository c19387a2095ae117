//! Metrics of a run, in a text that is valid both as Prometheus' format and as OpenMetrics.
//!
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>,
//! <https://prometheus.io/docs/specs/om/open_metrics_spec/>

use std::fmt::Write as _;

use super::printable::one_line;
use crate::result::{CheckResult, CleanupResult, RunResult};
use crate::verdict::Verdict;

/// One metric, a gauge.
#[derive(Debug)]
pub struct Metric {
    /// The name; it ends in the unit, if there is one.
    pub name: &'static str,
    /// What it tells.
    pub help: &'static str,
    /// Its labels.
    pub labels: &'static [&'static str],
}

const RUN: &[&str] = &["cluster"];
const CHECK: &[&str] = &["cluster", "check"];
const STEP: &[&str] = &["cluster", "check", "step"];

static RUN_INFO: Metric = Metric {
    name: "kibertas_run_info",
    help: "Always 1; the labels tell the versions.",
    labels: &["cluster", "kubernetes", "version"],
};
static RUN_VERDICT: Metric = Metric {
    name: "kibertas_run_verdict",
    help: "1 for the verdict of the last run, 0 for the others.",
    labels: &["cluster", "verdict"],
};
static RUN_START: Metric = Metric {
    name: "kibertas_run_start_timestamp_seconds",
    help: "When the last run started, in seconds since 1970.",
    labels: RUN,
};
static RUN_DURATION: Metric = Metric {
    name: "kibertas_run_duration_seconds",
    help: "How long the last run took, clean-up included.",
    labels: RUN,
};
static CHECK_VERDICT: Metric = Metric {
    name: "kibertas_check_verdict",
    help: "1 for the verdict of the check, 0 for the others.",
    labels: &["cluster", "check", "verdict"],
};
static CHECK_DURATION: Metric = Metric {
    name: "kibertas_check_duration_seconds",
    help: "From the start of the check to its verdict, without clean-up; absent where it was skipped.",
    labels: CHECK,
};
static CLEANUP_DURATION: Metric = Metric {
    name: "kibertas_check_cleanup_duration_seconds",
    help: "How long the clean-up of the check took.",
    labels: CHECK,
};
static SURVIVORS: Metric = Metric {
    name: "kibertas_check_cleanup_survivors",
    help: "Objects of the check that could not be removed.",
    labels: CHECK,
};
static REQUESTS: Metric = Metric {
    name: "kibertas_check_api_requests",
    help: "Requests of the check to the API server, watches included.",
    labels: CHECK,
};
static LAST_SUCCESS: Metric = Metric {
    name: "kibertas_check_last_success_timestamp_seconds",
    help: "When the check passed last, in seconds since 1970; kept from the former file where it did not pass now.",
    labels: CHECK,
};
static STEP_VERDICT: Metric = Metric {
    name: "kibertas_step_verdict",
    help: "1 for the verdict of the step, 0 for the others.",
    labels: &["cluster", "check", "step", "verdict"],
};
static STEP_DURATION: Metric =
    Metric { name: "kibertas_step_duration_seconds", help: "How long the step took.", labels: STEP };

/// Every metric, in the order in which they are written.
pub static METRICS: &[&Metric] = &[
    &RUN_INFO,
    &RUN_VERDICT,
    &RUN_START,
    &RUN_DURATION,
    &CHECK_VERDICT,
    &CHECK_DURATION,
    &CLEANUP_DURATION,
    &SURVIVORS,
    &REQUESTS,
    &LAST_SUCCESS,
    &STEP_VERDICT,
    &STEP_DURATION,
];

const VERDICTS: [Verdict; 5] =
    [Verdict::Passed, Verdict::Failed, Verdict::Inconclusive, Verdict::Cancelled, Verdict::Skipped];

/// The metrics of runs. `former`: the text that this one replaces; the times of success that are not known anew are kept
/// from it, so that a failing check does not make its own last success forgotten.
pub(crate) fn render(results: &[RunResult], former: &str) -> String {
    let mut text = String::new();
    let mut add = |metric: &Metric, of_run: &dyn Fn(&RunResult, &str) -> Vec<Sample>| {
        // A family stands together, whatever the number of runs.
        family(&mut text, metric, results.iter().flat_map(|result| of_run(result, &result.target.name)).collect());
    };
    add(&RUN_INFO, &|run, cluster| vec![sample(&[cluster, &run.target.kubernetes, &run.version], "1")]);
    add(&RUN_VERDICT, &|run, cluster| verdicts(&[cluster], run.verdict));
    add(&RUN_START, &|run, cluster| vec![sample(&[cluster], seconds(run.started.as_millisecond()))]);
    add(&RUN_DURATION, &|run, cluster| vec![sample(&[cluster], seconds(signed(run.duration_ms)))]);

    add(&CHECK_VERDICT, &|run, cluster| {
        run.checks.iter().flat_map(|check| verdicts(&[cluster, &check.name], check.verdict)).collect()
    });
    add(&CHECK_DURATION, &|run, cluster| {
        ran(run).map(|check| sample(&[cluster, &check.name], seconds(signed(check.duration_ms)))).collect()
    });
    add(&CLEANUP_DURATION, &|run, cluster| {
        cleanups(run).map(|(check, c)| sample(&[cluster, &check.name], seconds(signed(c.duration_ms)))).collect()
    });
    add(&SURVIVORS, &|run, cluster| {
        cleanups(run).map(|(check, c)| sample(&[cluster, &check.name], c.survivors.len().to_string())).collect()
    });
    add(&REQUESTS, &|run, cluster| {
        ran(run).map(|check| sample(&[cluster, &check.name], check.api_requests.to_string())).collect()
    });
    family(&mut text, &LAST_SUCCESS, kept(results.iter().flat_map(successes).collect(), former));

    let mut add = |metric: &Metric, of_step: &dyn Fn(&Step<'_>, &str) -> Vec<Sample>| {
        let of_run = |run: &RunResult| -> Vec<Sample> {
            run.checks.iter().flat_map(steps).flat_map(|step| of_step(&step, &run.target.name)).collect()
        };
        family(&mut text, metric, results.iter().flat_map(of_run).collect());
    };
    add(&STEP_VERDICT, &|step, cluster| verdicts(&[cluster, step.check, step.name], step.verdict));
    add(&STEP_DURATION, &|step, cluster| {
        vec![sample(&[cluster, step.check, step.name], seconds(signed(step.duration_ms)))]
    });
    text + "# EOF\n"
}

fn ran(run: &RunResult) -> impl Iterator<Item = &CheckResult> {
    run.checks.iter().filter(|check| check.verdict != Verdict::Skipped)
}

/// Where objects are kept on demand there was no clean-up.
fn cleanups(run: &RunResult) -> impl Iterator<Item = (&CheckResult, &CleanupResult)> {
    let cleanups = run.checks.iter().filter_map(|check| Some((check, check.cleanup.as_ref()?)));
    cleanups.filter(|(_, cleanup)| cleanup.verdict != Verdict::Skipped)
}

fn successes(run: &RunResult) -> Vec<Sample> {
    let started = run.started.as_millisecond();
    let passed = run.checks.iter().filter(|check| check.verdict == Verdict::Passed);
    let at = |check: &CheckResult| seconds(started + signed(check.start_ms + check.duration_ms));
    passed.map(|check| sample(&[&run.target.name, &check.name], at(check))).collect()
}

/// A rendered text as two: everything but the last successes, and they alone; for a store that keeps them apart.
pub(crate) fn split_last_success(text: &str) -> (String, String) {
    let of_success = |line: &&str| {
        let line = line.trim_start_matches("# HELP ").trim_start_matches("# TYPE ").trim_start_matches("# UNIT ");
        line.starts_with(LAST_SUCCESS.name)
    };
    let (success, rest): (Vec<&str>, Vec<&str>) = text.lines().filter(|line| *line != "# EOF").partition(of_success);
    let text = |lines: Vec<&str>| lines.into_iter().chain(["# EOF"]).map(|line| format!("{line}\n")).collect();
    (text(rest), text(success))
}

/// The values of a metric's labels, in its order, and its value.
struct Sample {
    labels: Vec<String>,
    value: String,
}

fn sample(labels: &[&str], value: impl Into<String>) -> Sample {
    Sample { labels: labels.iter().map(|&label| label.to_owned()).collect(), value: value.into() }
}

fn verdicts(labels: &[&str], actual: Verdict) -> Vec<Sample> {
    let one =
        |verdict: Verdict| sample(&[labels, &[verdict.word()]].concat(), if verdict == actual { "1" } else { "0" });
    VERDICTS.map(one).into()
}

fn family(text: &mut String, metric: &Metric, samples: Vec<Sample>) {
    if samples.is_empty() {
        return;
    }
    let name = metric.name;
    let _ = writeln!(text, "# HELP {name} {}\n# TYPE {name} gauge", metric.help);
    if name.ends_with("_seconds") {
        let _ = writeln!(text, "# UNIT {name} seconds");
    }
    for sample in samples {
        let _ = writeln!(text, "{name}{{{}}} {}", labelled(metric, &sample.labels), sample.value);
    }
}

fn labelled(metric: &Metric, values: &[String]) -> String {
    let escaped = |value: &String| one_line(value).replace('\\', "\\\\").replace('"', "\\\"");
    let pairs = metric.labels.iter().zip(values).map(|(name, value)| format!("{name}=\"{}\"", escaped(value)));
    pairs.collect::<Vec<_>>().join(",")
}

/// The fresh times of success, and those of the former text that are not known anew.
fn kept(mut fresh: Vec<Sample>, former: &str) -> Vec<Sample> {
    let known: Vec<String> = fresh.iter().map(|sample| labelled(&LAST_SUCCESS, &sample.labels)).collect();
    for line in former.lines() {
        let Some(rest) = line.strip_prefix(LAST_SUCCESS.name).and_then(|rest| rest.strip_prefix('{')) else { continue };
        let Some((labels, value)) = rest.rsplit_once("} ") else { continue };
        let Some(values) = label_values(labels) else { continue };
        if value.parse::<f64>().is_ok() && !known.iter().any(|known| known == labels) {
            fresh.push(Sample { labels: values, value: value.to_owned() });
        }
    }
    fresh
}

/// The values of [`LAST_SUCCESS`]'s labels, unescaped; `None` where somebody else wrote them.
fn label_values(text: &str) -> Option<Vec<String>> {
    let unescaped = |value: &str| value.replace("\\\"", "\"").replace("\\\\", "\\");
    let (cluster, check) = text.strip_prefix("cluster=\"")?.strip_suffix('"')?.split_once("\",check=\"")?;
    Some(vec![unescaped(cluster), unescaped(check)])
}

/// A step of a check. Steps of the same name are one, as a series may be there only once: their times are added, and the worst
/// verdict counts.
struct Step<'a> {
    check: &'a str,
    name: &'a str,
    verdict: Verdict,
    duration_ms: u64,
}

fn steps(check: &CheckResult) -> Vec<Step<'_>> {
    let mut steps: Vec<Step<'_>> = Vec::new();
    for step in &check.steps {
        match steps.iter_mut().find(|known| known.name == step.name) {
            Some(known) => {
                known.verdict = known.verdict.max(step.verdict);
                known.duration_ms += step.duration_ms;
            }
            None => steps.push(Step {
                check: &check.name,
                name: &step.name,
                verdict: step.verdict,
                duration_ms: step.duration_ms,
            }),
        }
    }
    steps
}

fn signed(millis: u64) -> i64 {
    i64::try_from(millis).unwrap_or(i64::MAX)
}

fn seconds(millis: i64) -> String {
    format!("{}.{:03}", millis / 1000, millis.rem_euclid(1000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn the_metrics_of_every_verdict() {
        insta::assert_snapshot!(render(&[sample::every_verdict()], ""));
    }

    #[test]
    fn every_metric_is_written_and_documented() {
        let text = render(&[sample::every_verdict()], "");
        let page = include_str!("../../docs/report.md");
        for metric in METRICS {
            assert!(text.contains(&format!("\n{}{{", metric.name)), "{} is not written", metric.name);
            let labels = metric.labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
            let row = format!("| `{}` | {} | {labels} |", metric.name, metric.help);
            assert!(page.contains(&row), "docs/report.md has no line\n{row}");
        }
    }

    #[test]
    fn a_series_is_there_once() {
        let mut result = sample::all_passed();
        let mut again = result.checks[0].steps[0].clone();
        again.verdict = Verdict::Failed;
        again.duration_ms = 1_000;
        result.checks[0].steps.push(again);
        let text = render(std::slice::from_ref(&result), "");
        let mut series: Vec<&str> = text.lines().filter_map(|line| Some(line.rsplit_once("} ")?.0)).collect();
        let all = series.len();
        series.sort_unstable();
        series.dedup();
        assert_eq!(series.len(), all);
        let labels = "{cluster=\"blue\",check=\"cert-manager\",step=\"permissions\"";
        assert!(text.contains(&format!("kibertas_step_duration_seconds{labels}}} 1.110\n")), "{text}");
        assert!(text.contains(&format!("kibertas_step_verdict{labels},verdict=\"failed\"}} 1\n")), "{text}");
    }

    #[test]
    fn the_last_success_outlives_a_failure_and_is_renewed_by_a_pass() {
        let name = LAST_SUCCESS.name;
        let former = format!(
            "{name}{{cluster=\"blue\",check=\"ingress\"}} 1700000000.500\n\
             {name}{{cluster=\"blue\",check=\"rollouts\"}} 1700000000.500\n\
             {name}{{cluster=\"blue\",check=\"broken\"}} soon\n\
             {name}{{job=\"else\"}} 3\n"
        );
        let text = render(&[sample::every_verdict()], &former);
        let kept: Vec<&str> = text.lines().filter(|line| line.starts_with(&format!("{name}{{"))).collect();
        assert_eq!(
            kept,
            [
                format!("{name}{{cluster=\"blue\",check=\"cert-manager\"}} 1795227248.251"),
                format!("{name}{{cluster=\"blue\",check=\"rollouts\"}} 1795227258.762"),
                format!("{name}{{cluster=\"blue\",check=\"ingress\"}} 1700000000.500"),
            ]
        );
        assert_eq!(render(&[sample::every_verdict()], &text), text);
    }

    #[test]
    fn hostile_names_stay_in_their_quotes_and_survive_a_second_writing() {
        let mut result = sample::hostile();
        result.checks[0].verdict = Verdict::Passed;
        result.checks[0].name = "a\"} 1\nx{y=\"\\".to_owned();
        let text = render(std::slice::from_ref(&result), "");
        assert!(text.lines().all(|line| line.starts_with('#') || line.starts_with("kibertas_")), "{text}");
        result.checks[0].verdict = Verdict::Failed;
        let line = text.lines().find(|line| line.starts_with(&format!("{}{{", LAST_SUCCESS.name))).unwrap();
        assert!(render(std::slice::from_ref(&result), &text).lines().any(|again| again == line), "{line}");
    }
}
