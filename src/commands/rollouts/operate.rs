//! The operations: shows the plan, asks, carries it out, and tells what became of each Rollout.

use std::io::IsTerminal;
use std::rc::Rc;

use futures::FutureExt as _;
use tokio::time::Instant;

use super::display::Display;
use super::scene::Scene;
use super::summary::{self, Summary};
use crate::cli::Global;
use crate::cli::rollouts::{How, Which};
use crate::clock;
use crate::commands::UsageError;
use crate::exit;
use crate::rollout::bulk::board::Feed;
use crate::rollout::bulk::{Bulk, Decision, Deed, Include, Key, Options, Outcome, Planned, Progress, Tally, Task};
use crate::runner::signals::{Interruption, Signals};
use crate::verdict::Verdict;

/// Carries out an operation on the selected Rollouts of every cluster that is meant.
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
    let opened = match Scene::open_all(global, which, true).await {
        Ok(opened) => opened,
        Err(error) => return error.code(),
    };
    let (scenes, feeds): (Vec<Scene>, Vec<Feed>) = opened.into_iter().unzip();
    let interruption = Interruption::default();
    let bulks: Vec<Bulk> = scenes.iter().map(|scene| bulk(scene, how, task, include, started, &interruption)).collect();
    let work = async {
        let planning = scenes.iter().zip(&bulks).map(|(scene, bulk)| bulk.plan(&scene.selected.found));
        let planned = futures::future::try_join_all(planning).await;
        let planned = planned.map_err(|error| UsageError::Flag(error.to_string()))?;
        for (scene, planned) in scenes.iter().zip(&planned) {
            summary::plan(how, scene, task, planned)?;
        }
        let act = planned.iter().map(|planned| Tally::of(planned).act).sum();
        if asks && can_ask && act > 0 && !confirmed(task, act, scenes.len()).await? {
            eprintln!("nothing was changed");
            return Ok(None);
        }
        if how.dry_run {
            return Ok(Some(planned.iter().map(|planned| planned.iter().map(would).collect()).collect()));
        }
        let display = Display::new(planned.iter().map(Vec::len).sum());
        let one = async |((scene, bulk), planned): ((&Scene, &Bulk), &Vec<Planned>)| {
            let cluster = if scenes.len() > 1 { format!("{} ", scene.target.name) } else { String::new() };
            let tell = |progress: Progress<'_>| display.take(&cluster, &progress);
            bulk.carry_out(planned, scene.by_name, &tell).await
        };
        let outcomes = futures::future::join_all(scenes.iter().zip(&bulks).zip(&planned).map(one)).await;
        display.end();
        Ok::<_, UsageError>(Some(outcomes))
    };
    let caught = Signals::catch().map_err(|error| UsageError::Flag(format!("cannot listen for signals: {error}")))?;
    let listening = caught.deliver(interruption.clone(), |number| {
        eprintln!("second signal: ending at once");
        std::process::exit(i32::from(exit::SIGNAL_BASE.saturating_add(number)));
    });
    let feeding = feeds.into_iter().zip(&scenes).map(|(feed, scene)| feed.run(&scene.board).boxed_local());
    let outcomes: Option<Vec<Vec<Outcome>>> = tokio::select! {
        outcomes = work => outcomes?,
        _ = futures::future::select_all(feeding) => return Ok(exit::INCONCLUSIVE),
        () = listening => return Err(UsageError::Flag("signals can no longer be listened for".to_owned())),
    };
    let Some(mut outcomes) = outcomes else { return Ok(exit::NOTHING_RAN) };
    for (outcomes, scene) in outcomes.iter_mut().zip(&scenes) {
        outcomes.extend(scene.selected.missing.iter().map(|key| missing(key, started)));
    }
    let summaries = scenes.iter().zip(&outcomes).map(|(scene, outcomes)| {
        Summary::of(scene, task, how.dry_run, outcomes, clock::millis_between(started, Instant::now()), &interruption)
    });
    let summaries: Vec<Summary<'_>> = summaries.collect();
    summary::end(how, &summaries)?;
    let verdict = Verdict::worst(summaries.iter().map(|summary| summary.verdict));
    Ok(exit::of_run(verdict, interruption.signal()))
}

fn bulk(scene: &Scene, how: &How, task: Task, include: Include, started: Instant, interruption: &Interruption) -> Bulk {
    let options =
        Options { concurrency: usize::from(how.concurrency), wait: !how.no_wait, timeout: scene.core.timeout, include };
    Bulk {
        client: scene.client.clone(),
        board: Rc::clone(&scene.board),
        task,
        options,
        started,
        cancelled: interruption.token.clone(),
    }
}

/// Asks on the terminal; anything but a yes is a no.
async fn confirmed(task: Task, count: usize, clusters: usize) -> Result<bool, UsageError> {
    let rollouts = if count == 1 { "this Rollout".to_owned() } else { format!("these {count} Rollouts") };
    let rollouts = if clusters > 1 { format!("{rollouts} of {clusters} clusters") } else { rollouts };
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
