//! What is told of an operation: the plan before it, and what became of each Rollout after it.

use std::io::Write;

use serde::Serialize;

use super::scene::Scene;
use super::{display, table};
use crate::cli::Output;
use crate::cli::rollouts::How;
use crate::clock;
use crate::commands::{UsageError, json};
use crate::exit;
use crate::result::Target;
use crate::rollout::bulk::{Deed, Outcome, Planned, Tally, Task};
use crate::runner::signals::Interruption;
use crate::verdict::Verdict;

/// The schema of the JSON output.
const SCHEMA: &str = "kibertas-rs/rollouts/v1";

/// What became of all of one cluster.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Summary<'a> {
    schema: &'static str,
    operation: &'static str,
    target: &'a Target,
    dry_run: bool,
    pub(super) verdict: Verdict,
    exit_code: u8,
    /// From the command's start, the connection included, in milliseconds.
    duration_ms: u64,
    /// When the last Rollout was patched, in milliseconds after the command's start.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_patch_ms: Option<u64>,
    /// Requests to the API server, watches included.
    api_requests: u64,
    rollouts: &'a [Outcome],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    notices: &'a [String],
}

impl<'a> Summary<'a> {
    /// What became of those of one cluster; `duration_ms` is from the command's start.
    pub(super) fn of(
        scene: &'a Scene,
        task: Task,
        dry_run: bool,
        outcomes: &'a [Outcome],
        duration_ms: u64,
        interruption: &Interruption,
    ) -> Self {
        let verdict = Verdict::worst(outcomes.iter().map(|outcome| outcome.verdict));
        Self {
            schema: SCHEMA,
            operation: task.infinitive(),
            target: &scene.target,
            dry_run,
            verdict,
            exit_code: exit::of_run(verdict, interruption.signal()),
            duration_ms,
            last_patch_ms: outcomes.iter().filter_map(|outcome| outcome.patched_ms).max(),
            api_requests: scene.requests(),
            rollouts: outcomes,
            notices: &scene.notices,
        }
    }
}

/// Tells what will be done in one cluster.
pub(super) fn plan(how: &How, scene: &Scene, task: Task, planned: &[Planned]) -> Result<(), UsageError> {
    let mut err = std::io::stderr().lock();
    let Tally { act, done, skip } = Tally::of(planned);
    let cluster = scene.heading();
    writeln!(err, "{cluster}: to {} {act}, nothing to do for {done}, left alone {skip}", task.infinitive())?;
    for notice in &scene.notices {
        writeln!(err, "note: {notice}")?;
    }
    if !planned.is_empty() && (how.output == Output::Human || how.dry_run) {
        display::print(&mut err, &table::planned(planned))?;
    }
    Ok(())
}

/// Tells what became of them: for programs all clusters in one value, for people one after the other.
pub(super) fn end(how: &How, summaries: &[Summary<'_>]) -> Result<(), UsageError> {
    let mut out = std::io::stdout().lock();
    if how.output == Output::Json {
        let text = match summaries {
            [one] => json(one)?,
            several => json(&several)?,
        };
        out.write_all(text.as_bytes())?;
        return Ok(());
    }
    for summary in summaries {
        if summaries.len() > 1 {
            writeln!(out, "\n{} ({})", summary.target.name, summary.target.server)?;
        }
        of_cluster(&mut out, how, summary)?;
    }
    Ok(())
}

fn of_cluster(out: &mut impl Write, how: &How, summary: &Summary<'_>) -> Result<(), UsageError> {
    if summary.rollouts.is_empty() {
        writeln!(out, "no Rollouts")?;
    } else if !how.dry_run {
        writeln!(out)?;
        display::print(out, &table::outcomes(summary.rollouts))?;
    }
    let counted = |deed: Deed| summary.rollouts.iter().filter(|outcome| outcome.deed == deed).count();
    let parts = [
        (counted(Deed::Verified), "verified"),
        (counted(Deed::Patched), "patched"),
        (counted(Deed::WouldPatch), "would be patched"),
        (counted(Deed::Already), "with nothing to do"),
        (counted(Deed::Skipped), "left alone"),
        (counted(Deed::NotDone), "not done"),
    ];
    let parts: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    let last = summary.last_patch_ms.map(|ms| format!(", the last patch after {}", clock::human(ms)));
    writeln!(
        out,
        "\n{}: {} in {}{} with {} API requests (exit code {})",
        summary.operation,
        if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") },
        clock::human(summary.duration_ms),
        last.unwrap_or_default(),
        summary.api_requests,
        summary.exit_code
    )?;
    Ok(())
}
