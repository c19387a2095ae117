//! Starts components: all at once, each as soon as what it needs is ready.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::command::last_lines;
use crate::component::Component;
use crate::context::Context;
use crate::error::LogTail;
use crate::process::Process;
use crate::progress::Progress;
use crate::ready::Seen;
use crate::site::Site;
use crate::{Error, Result};

/// How long a component may take until it is ready. Far more than any needs, since the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(120);

/// How far a component is, for those that need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Starting,
    Ready,
    Failed,
}

/// Starts those that are not running, and waits until all are ready.
pub(crate) async fn all(cx: &Context, components: &[&'static dyn Component], progress: &Progress) -> Result<()> {
    let stages: HashMap<_, _> =
        components.iter().map(|component| (component.facts().name, watch::Sender::new(Stage::Starting))).collect();
    let mut tasks = JoinSet::new();
    for &component in components {
        let facts = component.facts();
        let needed: Vec<_> =
            facts.needs.iter().filter_map(|name| Some((*name, stages.get(name)?.subscribe()))).collect();
        let (cx, progress, stage) = (cx.clone(), progress.clone(), stages[facts.name].clone());
        tasks.spawn(async move {
            let result = match until_ready(facts.name, needed).await {
                Ok(()) => one(&cx, component, &progress).await,
                Err(error) => Err(error),
            };
            stage.send_replace(if result.is_ok() { Stage::Ready } else { Stage::Failed });
            result
        });
    }
    let mut failure = None;
    while let Some(joined) = tasks.join_next().await {
        let result = joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
        // The one that failed by itself says why; those that needed it only followed.
        match result {
            Err(error @ Error::Needed { .. }) => failure = failure.or(Some(error)),
            Err(error) if matches!(failure, None | Some(Error::Needed { .. })) => failure = Some(error),
            _ => {}
        }
    }
    failure.map_or(Ok(()), Err)
}

async fn until_ready(component: &str, needed: Vec<(&'static str, watch::Receiver<Stage>)>) -> Result<()> {
    for (name, mut stage) in needed {
        let reached = stage.wait_for(|stage| *stage != Stage::Starting).await.map_or(Stage::Failed, |stage| *stage);
        if reached == Stage::Failed {
            return Err(Error::Needed { component: component.to_owned(), needed: name.to_owned() });
        }
    }
    Ok(())
}

/// Starts one unless it runs just as wanted, and waits until it is ready.
async fn one(cx: &Context, component: &'static dyn Component, progress: &Progress) -> Result<()> {
    let name = component.facts().name;
    if let Some(process) = Process::find(cx.site(), name)? {
        if process.runs(&component.invocation(cx).await?) {
            return until_ready_or_ended(cx, component, &process).await;
        }
        // Its programs or settings are others now.
        process.stop(cx.site(), component.grace()).await?;
    }
    let task = progress.task(name);
    task.detail("preparing");
    component.prepare(cx).await?;
    task.detail("starting");
    process(cx, component, &[]).await?;
    task.done("ready");
    Ok(())
}

/// Starts the component's process, which is known not to run, and waits until it is ready. `flags` stand in for its own of the same
/// name.
pub(crate) async fn process(cx: &Context, component: &'static dyn Component, flags: &[String]) -> Result<()> {
    let name = component.facts().name;
    let no_flag = |argument: String| Error::Flag { component: name.to_owned(), argument };
    let invocation = component.invocation(cx).await?.with_flags(flags).map_err(no_flag)?;
    let process = Process::start(cx.site(), name, &invocation)?;
    until_ready_or_ended(cx, component, &process).await
}

async fn until_ready_or_ended(cx: &Context, component: &'static dyn Component, process: &Process) -> Result<()> {
    let name = component.facts().name;
    let seen = Seen::default();
    let start = Instant::now();
    let log = || Box::new(LogTail { path: cx.site().log(name), lines: log_tail(cx.site(), name, 15) });
    tokio::select! {
        ready = tokio::time::timeout(PATIENCE, component.ready(cx, &seen)) => match ready {
            Ok(ready) => ready,
            Err(_) => Err(Error::NotReady {
                component: name.to_owned(),
                expected: seen.expected(),
                seen: seen.last(),
                waited: start.elapsed(),
                log: log(),
            }),
        },
        ended = process.ended() => {
            ended?;
            Err(Error::Exited { component: name.to_owned(), log: log() })
        }
    }
}

/// The last lines of a component's log; empty if it has none.
pub(crate) fn log_tail(site: &Site, component: &str, lines: usize) -> String {
    let log = std::fs::read(site.log(component)).unwrap_or_default();
    last_lines(&String::from_utf8_lossy(&log), lines)
}
