//! `rollouts status`: how Rollouts stand now, or, watched, whether they get where they should be.

use std::io::Write as _;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use serde::Serialize;
use tokio::time::Instant;

use super::scene::Scene;
use super::{display, table};
use crate::cli::rollouts::{StatusArgs, Until};
use crate::cli::{Global, Output};
use crate::commands::{UsageError, json};
use crate::exit;
use crate::rollout::bulk::board::Feed;
use crate::rollout::bulk::{Board, Key};
use crate::rollout::goal::{Goal, Standing};
use crate::rollout::status::{Phase, State};
use crate::verdict::Verdict;

#[derive(Serialize)]
struct Seen {
    /// The cluster, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<String>,
    #[serde(flatten)]
    key: Key,
    verdict: Verdict,
    reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<State>,
}

/// Prints how they stand, and answers by the worst.
pub(super) async fn run(global: &Global, args: &StatusArgs) -> Result<u8, UsageError> {
    let scenes = match Scene::open_all(global, &args.which, true).await {
        Ok(opened) => opened,
        Err(error) => return error.code(),
    };
    let several = scenes.len() > 1;
    let headings: Vec<String> = scenes.iter().map(|(scene, _)| scene.heading()).collect();
    let of_all =
        futures::future::join_all(scenes.into_iter().map(|(scene, feed)| of_cluster(args, scene, feed, several)));
    let of_all: Vec<Vec<Seen>> = of_all.await;
    let worst = Verdict::worst(of_all.iter().flatten().map(|one| one.verdict));
    let mut out = std::io::stdout().lock();
    match args.output {
        Output::Json => {
            let all: Vec<&Seen> = of_all.iter().flatten().collect();
            out.write_all(json(&all)?.as_bytes())?;
        }
        Output::Human => {
            for (all, heading) in of_all.iter().zip(&headings) {
                if several {
                    writeln!(out, "{heading}")?;
                }
                if all.is_empty() {
                    writeln!(out, "no Rollouts")?;
                    continue;
                }
                let states: Vec<(Key, State)> =
                    all.iter().filter_map(|one| Some((one.key.clone(), one.state.clone()?))).collect();
                display::print(&mut out, &table::states(&states))?;
            }
        }
    }
    for one in of_all.iter().flatten().filter(|one| one.state.is_none()) {
        eprintln!("error: {}{}", one.cluster.as_ref().map(|name| format!("{name}: ")).unwrap_or_default(), one.reason);
    }
    Ok(exit::of_run(worst, None))
}

/// How those of one cluster stand.
async fn of_cluster(args: &StatusArgs, scene: Scene, feed: Feed, several: bool) -> Vec<Seen> {
    let prefix = if several { format!("{} ", scene.target.name) } else { String::new() };
    let mut all: Vec<Seen> = scene.selected.missing.iter().map(missing).collect();
    if args.watch {
        let deadline = Instant::now() + scene.core.timeout;
        let goal = match args.until {
            Until::Healthy => Goal::Healthy { hash: None },
            Until::Paused => Goal::NextStop { hash: None },
        };
        let watched = async {
            let mut running: FuturesUnordered<_> =
                scene.selected.found.iter().map(|key| watch(&scene.board, key, &goal, deadline)).collect();
            let mut done = Vec::new();
            while let Some(one) = running.next().await {
                eprintln!("{}", display::line(one.verdict, &prefix, &one.key, &one.reason).paint(false));
                done.push(one);
            }
            done
        };
        let done = tokio::select! {
            done = watched => done,
            () = feed.run(&scene.board) => Vec::new(),
        };
        all.extend(done);
    } else {
        all.extend(scene.selected.found.iter().map(|key| now(&scene.board, key)));
    }
    all.sort_by(|a, b| a.key.cmp(&b.key));
    for one in all.iter_mut().filter(|_| several) {
        one.cluster = Some(scene.target.name.clone());
    }
    all
}

fn missing(key: &Key) -> Seen {
    let reason = format!("there is no Rollout {key}");
    Seen { cluster: None, key: key.clone(), verdict: Verdict::Failed, reason, state: None }
}

/// How it stands now; only Degraded is bad.
fn now(board: &Board, key: &Key) -> Seen {
    let Some(rollout) = board.now(key) else { return missing(key) };
    let state = State::of(&rollout);
    let verdict = if state.phase == Phase::Degraded { Verdict::Failed } else { Verdict::Passed };
    Seen { cluster: None, key: key.clone(), verdict, reason: state.to_string(), state: Some(state) }
}

/// Watches until it is there or Degraded, or time is up.
async fn watch(board: &Board, key: &Key, goal: &Goal, deadline: Instant) -> Seen {
    let mut seen = board.follow(key);
    loop {
        let Some(rollout) = seen.borrow_and_update().clone() else { return missing(key) };
        let state = State::of(&rollout);
        let end = match goal.look(&rollout) {
            Standing::Reached(text) => Some((Verdict::Passed, text)),
            Standing::Lost(text) => Some((Verdict::Failed, text)),
            Standing::OnItsWay(text) if state.phase == Phase::Degraded => Some((Verdict::Failed, text)),
            Standing::OnItsWay(_) => None,
        };
        let (verdict, reason) = match end {
            Some(end) => end,
            None if matches!(tokio::time::timeout_at(deadline, seen.changed()).await, Ok(Ok(()))) => continue,
            None => match board.trouble() {
                Some(text) => (Verdict::Inconclusive, format!("the API server could not be asked: {text}")),
                None => (Verdict::Failed, format!("not there in time: {state}")),
            },
        };
        return Seen { cluster: None, key: key.clone(), verdict, reason, state: Some(state) };
    }
}
