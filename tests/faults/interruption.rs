//! Signals at every step: SIGTERM leaves nothing, and after SIGKILL a sweep leaves nothing and touches nothing of others.

use std::sync::Arc;

use libtest_mimic::{Failed, Trial};
use serde_json::json;

use super::run;
use super::world::{World, on_whole};

/// The steps of the check that is interrupted, each after the one before has ended.
const STEPS: &[&str] = &[
    "checks",
    "permissions",
    "namespace",
    "root CA",
    "certificates requested",
    "certificate ready",
    "certificate verified",
];

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    let mut trials = Vec::new();
    for &step in STEPS {
        let name = step.replace(' ', "_");
        trials.push(on_whole(world, format!("interruption::sigterm_after_{name}"), move |world| sigterm(world, step)));
        trials.push(on_whole(world, format!("interruption::sigkill_after_{name}"), move |world| sigkill(world, step)));
    }
    trials
}

/// The namespaces of a run that are there, by its id.
fn left(world: &World, run: &str) -> Result<String, Failed> {
    let selector = format!("kibertas.dev/run={run}");
    world.kubectl(&["get", "namespaces", "-l", &selector, "-o", "name"])
}

/// The run's id, from the first line of the progress.
fn id(progress: &str) -> Result<String, Failed> {
    let after = progress.split(" run ").nth(1).and_then(|rest| rest.split_whitespace().next());
    after.map(str::to_owned).ok_or_else(|| format!("no run's id in {progress:?}").into())
}

fn sigterm(world: &World, step: &str) -> Result<(), Failed> {
    let mut running = run::start(&world.kubeconfig(), &["cert-manager"])?;
    running.until(step)?;
    running.signal("TERM")?;
    let report = running.finish()?;
    // The check may have come to its verdict just before the signal; clean-up runs either way.
    if report.code != Some(143) {
        return Err(format!("exit code {:?} instead of 143\n{}", report.code, report.progress).into());
    }
    let left = left(world, &id(&report.progress)?)?;
    if left.is_empty() { Ok(()) } else { Err(format!("left behind: {left}").into()) }
}

fn sigkill(world: &World, step: &str) -> Result<(), Failed> {
    // Like ours, but not ours: a release of the chart, and another tool's namespace.
    let folder = tempfile::tempdir()?;
    let bystander = |name: &str, labels: serde_json::Value| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
    let objects = json!({"apiVersion": "v1", "kind": "List", "items": [
        bystander("bystander-release", json!({"app.kubernetes.io/managed-by": "kibertas-rs"})),
        bystander("bystander-other", json!({"app.kubernetes.io/managed-by": "other", "kibertas.dev/run": "abc"})),
    ]});
    world.apply(&objects, folder.path())?;
    let mut running = run::start(&world.kubeconfig(), &["cert-manager"])?;
    running.until(step)?;
    running.signal("KILL")?;
    let report = running.finish()?;
    let run = id(&report.progress)?;
    let (code, swept) = run::other(&world.kubeconfig(), &["sweep", "--run", &run])?;
    let left = left(world, &run)?;
    if code != Some(0) || !left.is_empty() {
        return Err(format!("sweep ended with {code:?} and left {left:?}:\n{swept}").into());
    }
    for name in ["bystander-release", "bystander-other"] {
        let phase = world.kubectl(&["get", "namespace", name, "-o", "jsonpath={.status.phase}"])?;
        if phase != "Active" {
            return Err(format!("the sweep touched {name}: {phase}").into());
        }
    }
    Ok(())
}
