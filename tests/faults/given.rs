//! A given namespace that several checks of a run work in.

use std::sync::Arc;

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::run;
use super::world::{Environment, World, on_whole};

/// Three checks, none of which is done when another one is.
const CHECKS: &[&str] = &["cert-manager", "ingress", "rollouts", "--set", "rollouts.analysis=false"];

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        on_whole(world, "given::one_that_is_not_there_outlives_every_check_but_not_the_run", not_there),
        on_whole(world, "given::one_that_was_there_stays_and_a_sweep_empties_it", swept),
    ]
}

fn within(world: &World, namespace: &'static str) -> Environment {
    world.environment_with(&[("RESOURCE_NAMESPACE", namespace)])
}

fn not_there(world: &World) -> Result<(), Failed> {
    const NAMESPACE: &str = "trial-given-new";
    world.kubectl(&["delete", "namespace", NAMESPACE, "--ignore-not-found"])?;
    let report = run::test(&within(world, NAMESPACE), CHECKS)?;
    if report.code != Some(0) {
        return Err(format!("exit code {:?}\n{}", report.code, report.progress).into());
    }
    let verdicts: Vec<&Value> = report.json["checks"].as_array().into_iter().flatten().map(|c| &c["verdict"]).collect();
    let left = world.kubectl(&["get", "namespace", NAMESPACE, "--ignore-not-found", "-o", "name"])?;
    if verdicts == ["passed"; 3] && left.is_empty() { Ok(()) } else { Err(format!("{verdicts:?}, {left}").into()) }
}

/// A run that is killed in the middle leaves an Ingress, a Rollout with its pods and a Certificate.
fn swept(world: &World) -> Result<(), Failed> {
    const NAMESPACE: &str = "trial-given-swept";
    const KINDS: &str = "ingresses,services,deployments,pods,secrets,certificates,issuers,rollouts,replicasets";
    let level = json!({"pod-security.kubernetes.io/enforce": "restricted"});
    world.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": level}}))?;
    let environment = within(world, NAMESPACE);
    let mut running = run::start(&environment, CHECKS)?;
    running.until("canary at 25 %")?;
    running.signal("KILL")?;
    let run = run::id(&running.finish()?.progress)?;
    let (code, swept) = run::other(&environment, &["sweep", "--run", &run, "--output", "json"])?;
    let fates: Value = serde_json::from_str(&swept)?;
    // Other trials' runs are alive, and told as such.
    let of_run = fates["leftovers"].as_array().into_iter().flatten().filter(|of| of["run"] == *run);
    let fates: Vec<&Value> = of_run.map(|of| &of["fate"]["is"]).collect();
    let selector = format!("kibertas.dev/run={run}");
    let left = world.kubectl(&["get", KINDS, "-n", NAMESPACE, "-l", &selector, "-o", "name"])?;
    world.kubectl(&["get", "namespace", NAMESPACE])?;
    world.kubectl(&["delete", "namespace", NAMESPACE, "--wait=false"])?;
    // What was said to be gone is gone.
    if code == Some(0) && fates.len() > 3 && fates.iter().all(|fate| **fate == "removed") && left.is_empty() {
        Ok(())
    } else {
        Err(format!("{code:?}, left: {left}\n{swept}").into())
    }
}
