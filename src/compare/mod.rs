//! Two sides, step by step: blue beside green, or now beside before. Each side is one result or several of the same cluster.

pub mod baseline;
pub mod noise;
pub mod spread;

mod html;
mod markdown;
mod terminal;

use std::collections::BTreeMap;

use serde::Serialize;

pub use self::noise::Noise;
pub use self::spread::Spread;
use crate::result::{RunResult, StepResult};
use crate::verdict::Verdict;

pub use self::html::render as html;
pub use self::markdown::render as markdown;
pub use self::terminal::render as terminal;

/// The schema of the JSON output.
pub const SCHEMA: &str = "kibertas-rs/comparison/v1";

/// What may be compared: sides that have results.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{side} has no results to compare")]
pub struct Nothing {
    /// The side, as it was given.
    pub side: String,
}

/// Two sides beside each other.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// The schema's version.
    pub schema: &'static str,
    /// What the other side is measured by: blue, or before.
    pub a: Side,
    /// What is looked at: green, or now.
    pub b: Side,
    /// What else is different: versions and settings.
    pub changed: Vec<Change>,
    /// The checks, in the order of side A, then those of B alone.
    pub checks: Vec<PairedCheck>,
}

/// One side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Side {
    /// What it is called: the cluster, with the start where both are the same cluster.
    pub label: String,
    /// The number of results.
    pub runs: usize,
    /// The version of the API server in the last of them.
    pub kubernetes: String,
}

/// Something that is different between the sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What, such as `kubernetes` or `ingress.class`.
    pub what: String,
    /// On side A; absent where it is not there.
    pub a: Option<String>,
    /// On side B.
    pub b: Option<String>,
}

/// How B stands to A.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Judgement {
    /// It passed on A and did not on B.
    Broken,
    /// It takes longer on B than chance explains.
    Slower,
    /// It exists on one side only, or did not pass on A, so that nothing can be said.
    Unknown,
    /// No difference that chance does not explain.
    Same,
    /// It takes less time on B than chance explains.
    Faster,
    /// It did not pass on A and does on B.
    Mended,
}

/// One check on both sides.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PairedCheck {
    /// Its name.
    pub name: String,
    /// Its worst verdict on A; absent where it is not there.
    pub a: Option<Verdict>,
    /// Its worst verdict on B.
    pub b: Option<Verdict>,
    /// How its verdicts compare; times are the steps'.
    pub judgement: Judgement,
    /// Why it did not pass on B, in one line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The steps, in the order of A, then those of B alone.
    pub steps: Vec<PairedStep>,
}

/// One step on both sides.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PairedStep {
    /// Its name; a repeated one has its number.
    pub name: String,
    /// On side A.
    pub a: Option<Cell>,
    /// On side B.
    pub b: Option<Cell>,
    /// How many times as long B takes, in hundredths.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent: Option<u64>,
    /// How B stands to A.
    pub judgement: Judgement,
}

/// One step on one side.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cell {
    /// Its worst verdict.
    pub verdict: Verdict,
    /// How long it takes.
    #[serde(flatten)]
    pub time: Spread,
    /// When it starts, the median, in milliseconds after the check's start.
    pub start_ms: u64,
}

impl Comparison {
    /// Compares the results of two sides; the last of each tells its versions.
    pub fn of(a: &[RunResult], b: &[RunResult]) -> Result<Self, Nothing> {
        let last = |side: &'static str, runs: &[RunResult]| {
            runs.iter().max_by_key(|run| run.started).cloned().ok_or_else(|| Nothing { side: side.to_owned() })
        };
        let (last_a, last_b) = (last("A", a)?, last("B", b)?);
        let same = last_a.target.name == last_b.target.name;
        let side = |last: &RunResult, runs: &[RunResult]| Side {
            label: if same {
                format!("{} {}", last.target.name, last.started.strftime("%Y-%m-%d %H:%M"))
            } else {
                last.target.name.clone()
            },
            runs: runs.len(),
            kubernetes: last.target.kubernetes.clone(),
        };
        let names = in_order(a.iter().chain(b).map(|run| run.checks.iter().map(|check| check.name.clone()).collect()));
        let mut checks: Vec<PairedCheck> = names.into_iter().map(|name| paired_check(name, a, b)).collect();
        judge(&mut checks);
        Ok(Self {
            schema: SCHEMA,
            a: side(&last_a, a),
            b: side(&last_b, b),
            changed: changes(&last_a, &last_b),
            checks,
        })
    }

    /// What is worse on B: broken checks and steps, and steps that take at least `percent` hundredths of A's time and are slower.
    pub fn regressions(&self, percent: u64) -> Vec<String> {
        let mut found = Vec::new();
        for check in &self.checks {
            if check.judgement == Judgement::Broken {
                let b = check.b.map_or("not run", Verdict::word);
                found.push(format!("{}: passed, now {b}", check.name));
            }
            for step in &check.steps {
                if step.judgement == Judgement::Slower && step.percent.is_none_or(|longer| longer >= percent) {
                    let ratio = step.percent.map(ratio).unwrap_or_default();
                    found.push(format!("{}: {} takes {ratio} as long", check.name, step.name));
                }
            }
        }
        found
    }

    /// Whether anything is on both sides and ran.
    pub fn is_telling(&self) -> bool {
        self.checks.iter().any(|check| check.a.is_some_and(ran) && check.b.is_some())
    }
}

/// `224` as `2.2×`.
pub(crate) fn ratio(percent: u64) -> String {
    let tenths = (percent + 5) / 10;
    format!("{}.{}×", tenths / 10, tenths % 10)
}

fn ran(verdict: Verdict) -> bool {
    verdict != Verdict::Skipped
}

/// The names of several lists in one order: the first list's, each new name at the end.
fn in_order(lists: impl Iterator<Item = Vec<String>>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in lists.flatten() {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn paired_check(name: String, a: &[RunResult], b: &[RunResult]) -> PairedCheck {
    let of = |runs: &[RunResult]| -> Vec<crate::result::CheckResult> {
        runs.iter().flat_map(|run| run.checks.iter().filter(|check| check.name == name)).cloned().collect()
    };
    let (on_a, on_b) = (of(a), of(b));
    let worst = |checks: &[crate::result::CheckResult]| checks.iter().map(|check| check.verdict).max();
    let (verdict_a, verdict_b) = (worst(&on_a), worst(&on_b));
    let judgement = match (verdict_a, verdict_b) {
        (Some(Verdict::Passed), Some(Verdict::Passed)) => Judgement::Same,
        (Some(Verdict::Passed), _) => Judgement::Broken,
        (Some(_), Some(Verdict::Passed)) => Judgement::Mended,
        _ => Judgement::Unknown,
    };
    let (steps_a, steps_b) = (numbered(&on_a), numbered(&on_b));
    let names = in_order([&steps_a, &steps_b].into_iter().flat_map(|steps| steps.orders.clone()));
    let steps = names.into_iter().map(|name| {
        let cell = |steps: &Numbered| steps.by_name.get(&name).and_then(|found| measured(found));
        PairedStep { a: cell(&steps_a), b: cell(&steps_b), name, percent: None, judgement: Judgement::Unknown }
    });
    let reason = on_b.iter().filter(|check| check.verdict != Verdict::Passed).find_map(|check| check.reason.clone());
    PairedCheck { steps: steps.collect(), name, a: verdict_a, b: verdict_b, judgement, reason }
}

/// The steps of a check in all results of a side, with their start after the check's.
struct Numbered {
    orders: Vec<Vec<String>>,
    by_name: BTreeMap<String, Vec<(u64, StepResult)>>,
}

fn numbered(checks: &[crate::result::CheckResult]) -> Numbered {
    let mut numbered = Numbered { orders: Vec::new(), by_name: BTreeMap::new() };
    for check in checks {
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        let mut order = Vec::new();
        for step in &check.steps {
            let count = seen.entry(&step.name).or_default();
            *count += 1;
            let name = if *count == 1 { step.name.clone() } else { format!("{} ({count})", step.name) };
            let start = step.start_ms.saturating_sub(check.start_ms);
            numbered.by_name.entry(name.clone()).or_default().push((start, step.clone()));
            order.push(name);
        }
        numbered.orders.push(order);
    }
    numbered
}

fn measured(found: &[(u64, StepResult)]) -> Option<Cell> {
    let times: Vec<u64> = found.iter().map(|(_, step)| step.duration_ms).collect();
    let starts: Vec<u64> = found.iter().map(|(start, _)| *start).collect();
    let verdict = found.iter().map(|(_, step)| step.verdict).max()?;
    Some(Cell { verdict, time: Spread::of(&times)?, start_ms: Spread::of(&starts)?.median_ms })
}

/// Judges all steps together, as what they scatter by says what chance may do to each of them.
fn judge(checks: &mut [PairedCheck]) {
    let passed = |cell: &Cell| cell.verdict == Verdict::Passed;
    let both = |step: &PairedStep| step.a.as_ref().is_some_and(passed) && step.b.as_ref().is_some_and(passed);
    let steps = || checks.iter().flat_map(|check| &check.steps).filter(|step| both(step));
    let times: Vec<(&Spread, &Spread)> =
        steps().filter_map(|step| Some((&step.a.as_ref()?.time, &step.b.as_ref()?.time))).collect();
    let noise = Noise::of(&times);
    for step in checks.iter_mut().flat_map(|check| &mut check.steps) {
        let (Some(a), Some(b)) = (&mut step.a, &mut step.b) else { continue };
        (a.time, b.time) = noise.around(a.time.clone(), b.time.clone());
        step.judgement = match (a.verdict, b.verdict) {
            (Verdict::Passed, Verdict::Passed) => {
                step.percent = b.time.percent_of(&a.time);
                if b.time.is_longer_than(&a.time) {
                    Judgement::Slower
                } else if a.time.is_longer_than(&b.time) {
                    Judgement::Faster
                } else {
                    Judgement::Same
                }
            }
            (Verdict::Passed, _) => Judgement::Broken,
            (_, Verdict::Passed) => Judgement::Mended,
            _ => Judgement::Unknown,
        };
    }
}

fn changes(a: &RunResult, b: &RunResult) -> Vec<Change> {
    let known = |run: &RunResult| {
        let mut known = BTreeMap::from([
            ("kubernetes".to_owned(), run.target.kubernetes.clone()),
            ("kibertas-rs".to_owned(), run.version.clone()),
        ]);
        known.extend(run.target.add_ons.clone());
        known.extend(run.settings.clone());
        for check in &run.checks {
            known.extend(check.settings.iter().map(|(key, value)| (format!("{}.{key}", check.name), value.clone())));
            // What a check found out about the add-on, such as its version.
            for step in &check.steps {
                let versions = step.evidence.iter().filter(|(key, _)| key.to_lowercase().contains("version"));
                known.extend(
                    versions.filter_map(|(key, value)| {
                        Some((format!("{}: {}", check.name, key), value.as_str()?.to_owned()))
                    }),
                );
            }
        }
        known
    };
    let (a, b) = (known(a), known(b));
    let names: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    let change = |name: &String| Change { what: name.clone(), a: a.get(name).cloned(), b: b.get(name).cloned() };
    names.into_iter().filter(|name| a.get(*name) != b.get(*name)).map(change).collect()
}

#[cfg(test)]
mod tests;
