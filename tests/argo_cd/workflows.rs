//! The button for many canaries: the chart's WorkflowTemplate, run by Argo Workflows under its own ServiceAccount.

use std::sync::Arc;

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};
use test_cluster::{Blocking, Profile};

use super::release::Release;
use super::world::{World, trial};

const NAMESPACE: &str = "chart-button";

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    let button = trial(world, "workflows::button_promotes_what_is_selected_and_aborts_the_rest", button);
    // Argo Workflows is a long build that nothing else needs: `cargo test --test argo_cd -- --ignored workflows`.
    vec![button.with_ignored_flag(true)]
}

fn button(world: &World) -> Result<(), Failed> {
    // Only this trial needs it.
    Blocking::up(world.cluster().site().name(), Profile::Full, &["argo-workflows"])?;
    let operations = json!({"rolloutOperations": {"enabled": true}, "helmTest": {"enabled": false}});
    let _release = Release::install(world, NAMESPACE, &world.values(&["rollouts"], operations))?;
    let paused = |rollout: &Value| !rollout["status"]["pauseConditions"].is_null();
    let healthy = |rollout: &Value| rollout["status"]["phase"] == "Healthy" && !paused(rollout);
    let rollouts = || world.api("argoproj.io", "v1alpha1", "Rollout", NAMESPACE);
    for version in ["v1", "v2"] {
        for (name, team) in [("checkout", "shop"), ("search", "find")] {
            world.apply(&rollout(world, name, team, version))?;
        }
        for name in ["checkout", "search"] {
            world.until(rollouts(), name, 90, |seen| {
                let current =
                    seen["status"]["observedGeneration"].as_str() == Some(&seen["metadata"]["generation"].to_string());
                current && if version == "v1" { healthy(seen) } else { paused(seen) }
            })?;
        }
    }

    run(world, "promote-selected", &json!([{"name": "selector", "value": "team=shop"}]), "Succeeded")?;
    world.until(rollouts(), "checkout", 30, |seen| healthy(seen) && promoted(seen))?;
    world.until(rollouts(), "search", 10, |seen| paused(seen) && !promoted(seen))?;

    run(world, "abort-all", &json!([]), "Succeeded")?;
    world.until(rollouts(), "search", 30, |seen| seen["status"]["abort"] == true && !promoted(seen))?;
    world.until(rollouts(), "checkout", 10, |seen| healthy(seen) && promoted(seen))?;

    // A parameter that is left empty chooses nothing; it is not everything.
    run(world, "promote-selected", &json!([{"name": "selector", "value": ""}]), "Failed")?;
    world.until(rollouts(), "search", 10, |seen| seen["status"]["abort"] == true && !promoted(seen)).map(drop)
}

/// Whether the newest template is the stable one.
fn promoted(rollout: &Value) -> bool {
    rollout["status"]["stableRS"].is_string() && rollout["status"]["stableRS"] == rollout["status"]["currentPodHash"]
}

/// Presses the button, and waits for this end.
fn run(world: &World, entrypoint: &str, parameters: &Value, phase: &str) -> Result<(), Failed> {
    let template = "proofs-rollout-operations";
    let name = format!("{entrypoint}-{}", phase.to_lowercase());
    world.apply(&json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"workflowTemplateRef": {"name": template}, "entrypoint": entrypoint,
                 "arguments": {"parameters": parameters}},
    }))?;
    let ended = |workflow: &Value| {
        ["Succeeded", "Failed", "Error"].contains(&workflow["status"]["phase"].as_str().unwrap_or_default())
    };
    let workflow = world.until(world.api("argoproj.io", "v1alpha1", "Workflow", NAMESPACE), &name, 120, ended)?;
    if workflow["status"]["phase"] == phase {
        return Ok(());
    }
    Err(format!("{entrypoint} did not end as {phase}: {:#}", workflow["status"]).into())
}

/// A Rollout that stops at its first step until somebody promotes or aborts it.
fn rollout(world: &World, name: &str, team: &str, version: &str) -> Value {
    let security = json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": true,
        "seccompProfile": {"type": "RuntimeDefault"}});
    let container = json!({"name": "web", "image": world.image_name(), "imagePullPolicy": "Never", "args": ["probe", "http"],
        "env": [{"name": "VERSION", "value": version}], "securityContext": security});
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"team": team}},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": name}},
            "strategy": {"canary": {"steps": [{"setWeight": 50}, {"pause": {}}]}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}},
        },
    })
}
