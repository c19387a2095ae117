//! Rollouts as tables, plain enough for a log.

use crate::clock;
use crate::report::line::{Line, Tone, sign};
use crate::rollout::Rollout;
use crate::rollout::bulk::guard::images;
use crate::rollout::bulk::{Decision, Key, Outcome, Planned};
use crate::rollout::status::{Phase, State};

/// The widest cell that is padded for; a longer one pushes its own line only.
const WIDEST: usize = 60;

/// A row: each cell with its tone.
type Row = Vec<(Tone, String)>;

/// Lays rows out in columns as wide as they need; the last one is as long as it is.
fn columns(headings: &[&str], rows: Vec<Row>) -> Vec<Line> {
    let heading: Row = headings.iter().map(|text| (Tone::Faint, (*text).to_owned())).collect();
    let rows: Vec<Row> = std::iter::once(heading).chain(rows).collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|(_, text)| console::measure_text_width(text).min(WIDEST)).max().unwrap_or_default() + 2
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let line = |row: Row| {
        let last = row.len().saturating_sub(1);
        row.into_iter().enumerate().fold(Line::empty(), |line, (column, (tone, text))| {
            if column == last { line.and(tone, &text) } else { line.column(tone, &text, widths[column]) }
        })
    };
    rows.into_iter().map(line).collect()
}

fn tone_of(phase: Phase) -> Tone {
    match phase {
        Phase::Healthy => Tone::Good,
        Phase::Degraded => Tone::Bad,
        Phase::Paused | Phase::Progressing | Phase::Unknown => Tone::Doubt,
    }
}

fn step(state: &State) -> String {
    match &state.step {
        Some(step) => format!("{}/{}", step.index.min(step.total), step.total),
        None => "-".to_owned(),
    }
}

/// `rollouts list`.
pub(super) fn listed(rollouts: &[(&Key, &Rollout)]) -> Vec<Line> {
    let plain = |text: String| (Tone::Plain, text);
    let row = |(key, rollout): &(&Key, &Rollout)| {
        let state = State::of(rollout);
        let strategy = if rollout.spec.strategy.canary.is_some() { "Canary" } else { "BlueGreen" };
        let count =
            |of: fn(&crate::rollout::api::RolloutStatus) -> i32| rollout.status.as_ref().map_or(0, of).to_string();
        let weight = state.weights.as_ref().map_or("-".to_owned(), |weights| weights.desired.to_string());
        vec![
            plain(key.namespace.clone()),
            (Tone::Strong, key.name.clone()),
            plain(strategy.to_owned()),
            (tone_of(state.phase), format!("{:?}", state.phase)),
            plain(step(&state)),
            plain(weight),
            plain(format!("{}/{}", count(|s| s.ready_replicas), rollout.spec.replicas.unwrap_or(1))),
            plain(count(|s| s.updated_replicas)),
            plain(count(|s| s.available_replicas)),
            (Tone::Faint, images(rollout).join(", ")),
        ]
    };
    let headings =
        ["NAMESPACE", "NAME", "STRATEGY", "STATUS", "STEP", "WEIGHT", "READY", "UP-TO-DATE", "AVAILABLE", "IMAGES"];
    columns(&headings, rollouts.iter().map(row).collect())
}

/// `rollouts status`.
pub(super) fn states(states: &[(Key, State)]) -> Vec<Line> {
    let row = |(key, state): &(Key, State)| {
        let waits = state.analysis.as_ref().map(|run| format!(", analysis {} {}", run.name, run.status));
        vec![
            (tone_of(state.phase), format!("{:?}", state.phase)),
            (Tone::Strong, key.to_string()),
            (Tone::Plain, step(state)),
            (Tone::Plain, format!("{}{}", state.message, waits.unwrap_or_default())),
        ]
    };
    columns(&["STATUS", "ROLLOUT", "STEP", "WHY"], states.iter().map(row).collect())
}

/// The plan of an operation.
pub(super) fn planned(planned: &[Planned]) -> Vec<Line> {
    let row = |planned: &Planned| {
        let (tone, what) = match &planned.decision {
            Decision::Act { retry_first: true, .. } => (Tone::Good, "retried, then done".to_owned()),
            Decision::Act { waits_for: Some(pending), .. } => (Tone::Good, format!("done once it can be: {pending}")),
            Decision::Act { revision: Some(revision), .. } => {
                let images = revision.images().join(", ");
                (Tone::Good, format!("back to revision {} ({images})", revision.number))
            }
            Decision::Act { .. } => (Tone::Good, "done".to_owned()),
            Decision::Done(text) => (Tone::Faint, format!("nothing to do: {text}")),
            Decision::Skip(text) => (Tone::Doubt, format!("left alone: {text}")),
        };
        let analysis = planned.state.analysis.as_ref().map_or("-".to_owned(), |run| run.status.clone());
        vec![
            (Tone::Strong, planned.key.to_string()),
            (tone_of(planned.state.phase), format!("{:?}", planned.state.phase)),
            (Tone::Plain, step(&planned.state)),
            (Tone::Plain, analysis),
            (Tone::Faint, planned.images.join(", ")),
            (tone, what),
        ]
    };
    columns(&["ROLLOUT", "STATUS", "STEP", "ANALYSIS", "IMAGES", "PLAN"], planned.iter().map(row).collect())
}

/// What became of each, the worst last, where the eye is.
pub(super) fn outcomes(outcomes: &[Outcome]) -> Vec<Line> {
    let mut sorted: Vec<&Outcome> = outcomes.iter().collect();
    sorted.sort_by_key(|outcome| outcome.verdict);
    let row = |outcome: &&Outcome| {
        let time = |ms: Option<u64>| ms.map_or("-".to_owned(), clock::human);
        let tone = Tone::of(outcome.verdict);
        vec![
            (tone, format!("{} {}", sign(outcome.verdict), outcome.verdict)),
            (Tone::Strong, outcome.key.to_string()),
            (Tone::Plain, time(outcome.patched_ms)),
            (Tone::Plain, clock::human(outcome.ended_ms)),
            (Tone::Plain, outcome.reason.clone()),
        ]
    };
    columns(&["OUTCOME", "ROLLOUT", "PATCHED", "ENDED", "HOW IT STANDS"], sorted.iter().map(row).collect())
}
