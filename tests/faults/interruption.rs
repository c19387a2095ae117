//! Signals at every step: SIGTERM leaves nothing, and after SIGKILL a sweep leaves nothing and touches nothing of others.

use std::sync::{Arc, OnceLock};

use libtest_mimic::{Failed, Trial};
use serde_json::json;

use super::run;
use super::world::{World, on_whole};

/// Checks with steps after which they are interrupted, and settings that make no difference to what is left behind.
const STORIES: &[(&str, &[&str], &[&str])] = &[
    (
        "cert-manager",
        &[
            "checks",
            "permissions",
            "namespace",
            "root CA",
            "certificates requested",
            "certificate ready",
            "certificate verified",
        ],
        &[],
    ),
    (
        "ingress",
        &[
            "checks",
            "permissions",
            "namespace",
            "objects created",
            "load balancer address",
            "back end ready",
            "http at the address",
            "dns record",
            "http by name",
        ],
        &[],
    ),
    (
        "rollouts",
        &[
            "checks",
            "permissions",
            "namespace",
            "Argo Rollouts installed",
            "first revision healthy",
            "canary at 25 %",
            "promoted one step",
            "promoted in full",
            "second canary",
            "aborted",
            "template back",
        ],
        &["--set", "rollouts.trafficRouter=none", "--set", "rollouts.analysis=false"],
    ),
];

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    let mut trials = Vec::new();
    for &(check, steps, settings) in STORIES {
        let args: Vec<&'static str> = [check].into_iter().chain(settings.iter().copied()).collect();
        for &step in steps {
            let name = format!("{}_after_{}", check.replace('-', "_"), step.replace([' ', '%'], "_"));
            for (signal, trial) in [("sigterm", sigterm as fn(&World, &[&str], &str) -> _), ("sigkill", sigkill)] {
                let args = args.clone();
                let body = move |world: &World| trial(world, &args, step);
                trials.push(on_whole(world, format!("interruption::{signal}::{name}"), body));
            }
        }
    }
    trials
}

/// The namespaces of a run that are there, by its id.
fn left(world: &World, run: &str) -> Result<String, Failed> {
    let selector = format!("kibertas.dev/run={run}");
    Ok(world.kubectl(&["get", "namespaces", "-l", &selector, "-o", "name"])?)
}

fn sigterm(world: &World, args: &[&str], step: &str) -> Result<(), Failed> {
    let mut running = run::start(&world.environment(), args)?;
    running.until(step)?;
    running.signal("TERM")?;
    let report = running.finish()?;
    // The check may have come to its verdict just before the signal; clean-up runs either way.
    if report.code != Some(143) {
        return Err(format!("exit code {:?} instead of 143\n{}", report.code, report.progress).into());
    }
    let left = left(world, &run::id(&report.progress)?)?;
    if left.is_empty() { Ok(()) } else { Err(format!("left behind: {left}").into()) }
}

/// Makes what is like ours, but not ours: a release of the chart, and another tool's namespace. Once, since the trials go on side by side,
/// and of two that create the same object one fails.
fn bystanders(world: &World) -> Result<(), Failed> {
    static MADE: OnceLock<Result<(), String>> = OnceLock::new();
    let bystander = |name: &str, labels: serde_json::Value| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
    let objects = json!({"apiVersion": "v1", "kind": "List", "items": [
        bystander("bystander-release", json!({"app.kubernetes.io/managed-by": "kibertas-rs"})),
        bystander("bystander-other", json!({"app.kubernetes.io/managed-by": "other", "kibertas.dev/run": "abc"})),
    ]});
    let made = MADE.get_or_init(|| world.apply(&objects).map_err(|error| error.with_causes()));
    made.clone().map_err(Failed::from)
}

fn sigkill(world: &World, args: &[&str], step: &str) -> Result<(), Failed> {
    bystanders(world)?;
    let mut running = run::start(&world.environment(), args)?;
    running.until(step)?;
    running.signal("KILL")?;
    let report = running.finish()?;
    let run = run::id(&report.progress)?;
    let (code, swept) = run::other(&world.environment(), &["sweep", "--run", &run])?;
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
