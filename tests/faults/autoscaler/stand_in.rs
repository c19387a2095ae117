//! The same check with Cluster Autoscaler's STAND-IN: what holds here holds against Cluster Autoscaler's documented rules.

use std::sync::Arc;

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::super::run::Report;
use super::super::world::World;
use super::ground::{Ground, KEY, beside_others, by_itself};
use super::{AMPLE, SHORT};

/// The stand-in, and the ConfigMap with its node groups.
const STAND_IN: &str = "cluster-autoscaler-stand-in";
/// Karpenter is in the cluster as well, so the check has to be told.
const CHOSEN: [&str; 2] = ["--set", "autoscaler.autoscaler=cluster-autoscaler"];

pub(super) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        beside_others(world, "stand_in_passes_with_scale_in", passes_with_scale_in),
        beside_others(world, "stand_in_no_group_matches", no_group_matches),
        beside_others(world, "stand_in_group_at_its_maximum", group_at_its_maximum),
        beside_others(world, "stand_in_machine_never_joins", machine_never_joins),
        beside_others(world, "stand_in_nodes_never_become_ready", nodes_never_become_ready),
        beside_others(world, "stand_in_replicas_are_expendable", replicas_are_expendable),
        by_itself(world, "stand_in_stopped", stopped),
        by_itself(world, "stand_in_has_not_added_the_node", foreign_node),
    ]
}

/// Configures a group under the trial's label for as long as `body` runs.
fn with_group(
    ground: &Ground,
    change: impl FnOnce(&mut Value),
    body: impl FnOnce() -> Result<(), Failed>,
) -> Result<(), Failed> {
    let name = ground.label.replace('_', "-");
    let mut group = json!({"max": 3, "labels": {KEY: ground.label}});
    change(&mut group);
    configure(ground, &name, &json!(group.to_string()))?;
    let outcome = body();
    configure(ground, &name, &Value::Null)?;
    outcome
}

fn configure(ground: &Ground, name: &str, group: &Value) -> Result<(), Failed> {
    let patch = json!({"data": {name: group}}).to_string();
    let args = ["-n", "kube-system", "patch", "configmap", STAND_IN, "--type=merge", "--patch", &patch];
    ground.kubectl(&args).map(drop)
}

fn test(ground: &Ground, more: &[&str]) -> Result<Report, Failed> {
    ground.test(&[&CHOSEN, more].concat())
}

/// Demands the verdict Failed at a step with these words, and nothing left. `limit` ends the wait in vain.
fn fails(ground: &Ground, limit: &[&str; 2], step: &str, words: &[&str]) -> Result<(), Failed> {
    let report = test(ground, limit)?;
    report.expect(1, "failed", Some(step), words)?;
    report.expect_clean()
}

fn passes_with_scale_in(ground: &Ground) -> Result<(), Failed> {
    ground.node("old", |_| {})?;
    with_group(
        ground,
        |_| {},
        || {
            let report = test(ground, &["--set", "autoscaler.scaleIn=true"])?;
            report.expect_pass()?;
            let groups = report.evidence("scale-up triggered", "groups").as_str().unwrap_or_default();
            if !groups.contains("stand-in-passes-with-scale-in 0->1 (max: 3)") {
                return Err(format!("the step does not tell which group grows: {groups:?}").into());
            }
            let node = report.evidence("replica on the new node", "node")["name"].as_str().unwrap_or_default();
            if !node.starts_with("stand-in-passes-with-scale-in-") {
                return Err(format!("the replica's node is not of the group: {node:?}").into());
            }
            Ok(())
        },
    )
}

fn no_group_matches(ground: &Ground) -> Result<(), Failed> {
    let words =
        ["Cluster Autoscaler sees the replica and adds no node", "pod didn't trigger scale-up", "affinity/selector"];
    // Another group is there, whose nodes do not carry the label.
    let other = |group: &mut Value| group["labels"] = json!({"trial": "elsewhere"});
    with_group(ground, other, || fails(ground, &AMPLE, "scale-up triggered", &words))
}

fn group_at_its_maximum(ground: &Ground) -> Result<(), Failed> {
    let words = ["as large as they may be", "1 max node group size reached"];
    with_group(ground, |group| group["max"] = json!(0), || fails(ground, &AMPLE, "scale-up triggered", &words))
}

fn machine_never_joins(ground: &Ground) -> Result<(), Failed> {
    let words = ["its kubelet has not joined the cluster"];
    with_group(ground, |group| group["launches"] = json!(false), || fails(ground, &AMPLE, "node registered", &words))
}

fn nodes_never_become_ready(ground: &Ground) -> Result<(), Failed> {
    let words = ["the new node of Cluster Autoscaler to be ready for pods", "cni plugin not initialized"];
    with_group(ground, |group| group["boots"] = json!(false), || fails(ground, &AMPLE, "node ready", &words))
}

fn replicas_are_expendable(ground: &Ground) -> Result<(), Failed> {
    let class = json!({
        "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "trial-expendable"}, "value": -11,
    });
    ground.apply(&class)?;
    let outcome = with_group(
        ground,
        |_| {},
        || {
            let report = test(ground, &["--set", "autoscaler.priorityClass=trial-expendable"])?;
            report.expect(
                3,
                "inconclusive",
                Some("scale-up triggered"),
                &["pods below priority -10 for expendable"],
            )?;
            report.expect_clean()
        },
    );
    ground.kubectl(&["delete", "priorityclass", "trial-expendable"])?;
    outcome
}

fn stopped(ground: &Ground) -> Result<(), Failed> {
    with_group(
        ground,
        |_| {},
        || {
            let _stopped = ground.world.stopped(STAND_IN)?;
            let words =
                ["Cluster Autoscaler does not run, or does not see the replicas: it has said nothing about them"];
            fails(ground, &SHORT, "scale-up triggered", &words)
        },
    )
}

fn foreign_node(ground: &Ground) -> Result<(), Failed> {
    let _stopped = ground.world.stopped(STAND_IN)?;
    let running = ground.started(&[CHOSEN, AMPLE].concat())?;
    let joined = ground.node("foreign", |_| {});
    let report = running.finish()?;
    joined?;
    let words = ["no TriggeredScaleUp on a replica of this run comes before the new node"];
    report.expect(1, "failed", Some("scale-up triggered"), &words)?;
    report.expect_clean()
}
