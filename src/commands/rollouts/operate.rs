//! The operations: shows the plan, asks, carries it out, and tells what became of each Rollout.

use std::io::{IsTerminal, Write as _};
use std::rc::Rc;

use serde::Serialize;
use tokio::time::Instant;

use super::display::{self, Display};
use super::scene::Scene;
use super::table;
use crate::cli::rollouts::{How, Which};
use crate::cli::{Global, Output};
use crate::clock;
use crate::commands::UsageError;
use crate::exit;
use crate::result::Target;
use crate::rollout::bulk::{Bulk, Decision, Deed, Include, Key, Options, Outcome, Planned, Progress, Tally, Task};
use crate::runner::signals::{Interruption, Signals};
use crate::verdict::Verdict;

/// The schema of the JSON output.
const SCHEMA: &str = "kibertas-rs/rollouts/v1";

/// What became of all of them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary<'a> {
    schema: &'static str,
    operation: &'static str,
    target: &'a Target,
    dry_run: bool,
    verdict: Verdict,
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

/// Carries out an operation on the selected Rollouts.
pub(super) async fn run(
    global: &Global,
    which: &Which,
    how: &How,
    task: Task,
    include: Include,
) -> Result<u8, UsageError> {
    let started = Instant::now();
    let asks = !how.yes && !how.dry_run;
    let can_ask = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    if asks && !can_ask && which.names.is_empty() {
        let text = "nobody can be asked here, as this is no terminal: give --yes, or name the Rollouts";
        return Err(UsageError::Flag(text.to_owned()));
    }
    let (scene, feed) = match Scene::open(global, which, true).await {
        Ok(opened) => opened,
        Err(error) => return error.code(),
    };
    let interruption = Interruption::default();
    let options =
        Options { concurrency: usize::from(how.concurrency), wait: !how.no_wait, timeout: scene.core.timeout, include };
    let bulk = Bulk {
        client: scene.client.clone(),
        board: Rc::clone(&scene.board),
        task,
        options,
        started,
        cancelled: interruption.token.clone(),
    };
    let work = async {
        let planned = bulk.plan(&scene.selected.found).await;
        let planned = planned.map_err(|error| UsageError::Flag(error.to_string()))?;
        tell_plan(how, &scene, task, &planned)?;
        if asks && can_ask && Tally::of(&planned).act > 0 && !confirmed(task, Tally::of(&planned).act).await? {
            eprintln!("nothing was changed");
            return Ok(None);
        }
        if how.dry_run {
            return Ok(Some(planned.iter().map(would).collect()));
        }
        let display = Display::new(planned.len());
        let tell = |progress: Progress<'_>| display.take(&progress);
        let outcomes = bulk.carry_out(&planned, scene.by_name, &tell).await;
        display.end();
        Ok::<_, UsageError>(Some(outcomes))
    };
    let caught = Signals::catch().map_err(|error| UsageError::Flag(format!("cannot listen for signals: {error}")))?;
    let listening = caught.deliver(interruption.clone(), |number| {
        eprintln!("second signal: ending at once");
        std::process::exit(i32::from(exit::SIGNAL_BASE.saturating_add(number)));
    });
    let outcomes: Option<Vec<Outcome>> = tokio::select! {
        outcomes = work => outcomes?,
        () = feed.run(&scene.board) => return Ok(exit::INCONCLUSIVE),
        () = listening => return Err(UsageError::Flag("signals can no longer be listened for".to_owned())),
    };
    let Some(mut outcomes) = outcomes else { return Ok(exit::NOTHING_RAN) };
    outcomes.extend(scene.selected.missing.iter().map(|key| missing(key, started)));
    let verdict = Verdict::worst(outcomes.iter().map(|outcome| outcome.verdict));
    let exit_code = exit::of_run(verdict, interruption.signal());
    let summary = Summary {
        schema: SCHEMA,
        operation: task.infinitive(),
        target: &scene.target,
        dry_run: how.dry_run,
        verdict,
        exit_code,
        duration_ms: clock::millis_between(started, Instant::now()),
        last_patch_ms: outcomes.iter().filter_map(|outcome| outcome.patched_ms).max(),
        api_requests: scene.requests(),
        rollouts: &outcomes,
        notices: &scene.notices,
    };
    tell_end(how, &summary)?;
    Ok(exit_code)
}

fn tell_plan(how: &How, scene: &Scene, task: Task, planned: &[Planned]) -> Result<(), UsageError> {
    let mut err = std::io::stderr().lock();
    let Tally { act, done, skip } = Tally::of(planned);
    let (name, server) = (&scene.target.name, &scene.target.server);
    writeln!(err, "{name} ({server}): to {} {act}, nothing to do for {done}, left alone {skip}", task.infinitive())?;
    for notice in &scene.notices {
        writeln!(err, "note: {notice}")?;
    }
    if !planned.is_empty() && (how.output == Output::Human || how.dry_run) {
        display::print(&mut err, &table::planned(planned))?;
    }
    Ok(())
}

fn tell_end(how: &How, summary: &Summary<'_>) -> Result<(), UsageError> {
    let mut out = std::io::stdout().lock();
    if how.output == Output::Json {
        let text = serde_json::to_string_pretty(summary).map_err(|error| UsageError::Flag(error.to_string()))?;
        writeln!(out, "{text}")?;
        return Ok(());
    }
    if summary.rollouts.is_empty() {
        writeln!(out, "no Rollouts")?;
    } else if !how.dry_run {
        writeln!(out)?;
        display::print(&mut out, &table::outcomes(summary.rollouts))?;
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

/// Asks on the terminal; anything but a yes is a no.
async fn confirmed(task: Task, count: usize) -> Result<bool, UsageError> {
    let rollouts = if count == 1 { "this Rollout".to_owned() } else { format!("these {count} Rollouts") };
    eprint!("{} {rollouts}? [y/N] ", capitalised(task.infinitive()));
    let answer = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line)
    });
    let answer = answer.await.map_err(|error| UsageError::Flag(error.to_string()))??;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn would(planned: &Planned) -> Outcome {
    let (verdict, deed, reason) = match &planned.decision {
        Decision::Act { waits_for, .. } => (Verdict::Passed, Deed::WouldPatch, waits_for.clone().unwrap_or_default()),
        Decision::Done(text) => (Verdict::Passed, Deed::Already, text.clone()),
        Decision::Skip(text) => (Verdict::Skipped, Deed::Skipped, text.clone()),
    };
    Outcome {
        key: planned.key.clone(),
        verdict,
        deed,
        reason,
        patched_ms: None,
        ended_ms: 0,
        before: Some(planned.state.clone()),
        after: None,
    }
}

fn missing(key: &Key, started: Instant) -> Outcome {
    Outcome {
        key: key.clone(),
        verdict: Verdict::Failed,
        deed: Deed::NotDone,
        reason: "there is no such Rollout".to_owned(),
        patched_ms: None,
        ended_ms: clock::millis_between(started, Instant::now()),
        before: None,
        after: None,
    }
}
