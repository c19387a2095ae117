//! The autoscaler's check, with Karpenter whole and broken. Karpenter and its decisions are real; its nodes are kwok's.

mod ground;
mod stand_in;

use std::sync::Arc;

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use self::ground::{Ground, KEY, beside_others, by_itself};
use super::world::World;

/// Options that end a wait which would be in vain for longer than a trial has to show it, where nothing has to happen before.
const SHORT: [&str; 2] = ["--step-timeout", "5s"];
/// The same where stages have to be reached before, or something has to be said meanwhile, on a busy machine.
const AMPLE: [&str; 2] = ["--step-timeout", "12s"];

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    let mut trials = vec![
        beside_others(world, "passes", passes),
        beside_others(world, "passes_beside_old_nodes", passes_beside_old_nodes),
        beside_others(world, "passes_with_scale_in", passes_with_scale_in),
        beside_others(world, "passes_over_a_tolerated_taint", passes_over_a_tolerated_taint),
        beside_others(world, "no_node_pool_matches", no_node_pool_matches),
        beside_others(world, "node_pool_at_its_limit", node_pool_at_its_limit),
        beside_others(world, "node_pool_with_a_taint", node_pool_with_a_taint),
        beside_others(world, "node_class_missing", node_class_missing),
        beside_others(world, "instance_type_not_allowed", instance_type_not_allowed),
        beside_others(world, "more_new_nodes_than_allowed", more_new_nodes_than_allowed),
        beside_others(world, "nodes_never_become_ready", nodes_never_become_ready),
        beside_others(world, "nodes_are_kept_by_design", nodes_are_kept_by_design),
        beside_others(world, "anti_affinity_without_host_names", anti_affinity_without_host_names),
        by_itself(world, "anti_affinity_ignored_by_a_scheduler", anti_affinity_ignored),
        by_itself(world, "replica_on_a_node_without_the_label", node_without_the_label),
        by_itself(world, "replica_on_an_old_node", replica_on_an_old_node),
        by_itself(world, "old_node_uncordoned_meanwhile", old_node_uncordoned),
        by_itself(world, "node_that_karpenter_has_not_added", foreign_node),
        by_itself(world, "karpenter_stopped", karpenter_stopped),
        by_itself(world, "kubelets_stay_silent", kubelets_stay_silent),
    ];
    trials.extend(stand_in::trials(world));
    trials
}

/// Demands the verdict Failed at a step with these words, and nothing left.
fn fails(ground: &Ground, args: &[&str], step: &str, words: &[&str]) -> Result<(), Failed> {
    let report = ground.test(args)?;
    report.expect(1, "failed", Some(step), words)?;
    report.expect_clean()
}

fn passes(ground: &Ground) -> Result<(), Failed> {
    ground.pool(|_| {})?;
    let report = ground.test(&[])?;
    report.expect_pass()?;
    let node = report.evidence("replica on the new node", "node");
    let named = node["name"].as_str().is_some_and(|name| name.starts_with("kwok-trial-passes"));
    if !named || report.evidence("replica on the new node", "pod")["node"] != node["name"] {
        return Err(format!("the replica's node is not Karpenter's: {node:#}").into());
    }
    if report.evidence("nodes before", "count") != 0 || report.evidence("deployment", "replicas") != 1 {
        return Err("under a label that no node has, one replica is one too many".into());
    }
    let stages = ["scale-up triggered", "node launched", "node registered", "node ready", "replica on the new node"];
    let untold = stages.iter().find(|stage| report.evidence(stage, "seconds").as_f64().is_none());
    untold.map_or(Ok(()), |stage| Err(format!("{stage} does not tell its seconds").into()))
}

fn passes_beside_old_nodes(ground: &Ground) -> Result<(), Failed> {
    ground.pool(|_| {})?;
    let old = [ground.node("a", |_| {})?, ground.node("b", |_| {})?];
    let report = ground.test(&[])?;
    report.expect_pass()?;
    let node = report.evidence("replica on the new node", "node")["name"].as_str().unwrap_or_default();
    if report.evidence("deployment", "replicas") != 3 || node.is_empty() || old.iter().any(|name| name == node) {
        return Err(format!("two old nodes need three replicas and a new node: {node}").into());
    }
    Ok(())
}

fn passes_with_scale_in(ground: &Ground) -> Result<(), Failed> {
    ground.pool(|_| {})?;
    let report = ground.test(&["--set", "autoscaler.scaleIn=true"])?;
    report.expect_pass()?;
    let nodes = ground.kubectl(&["get", "nodes", "-l", &format!("{KEY}={}", ground.label), "-o", "name"])?;
    let named = report.evidence("scale-in", "nodes").as_array().is_some_and(|nodes| nodes.len() == 1);
    if nodes.is_empty() && named { Ok(()) } else { Err(format!("the node is still there: {nodes:?}").into()) }
}

fn tainted(pool: &mut Value) {
    pool["spec"]["template"]["spec"]["taints"] =
        json!([{"key": "dedicated", "value": "trial", "effect": "NoSchedule"}]);
}

fn passes_over_a_tolerated_taint(ground: &Ground) -> Result<(), Failed> {
    ground.pool(tainted)?;
    ground.test(&["--set", "autoscaler.tolerations=dedicated=trial:NoSchedule"])?.expect_pass()
}

fn no_node_pool_matches(ground: &Ground) -> Result<(), Failed> {
    let words = ["no NodePool gives its nodes the label that is asked for", "certain"];
    fails(ground, &[], "scale-up triggered", &words)
}

fn node_pool_at_its_limit(ground: &Ground) -> Result<(), Failed> {
    ground.pool(|pool| pool["spec"]["limits"] = json!({"cpu": "100m"}))?;
    let words = ["the NodePool's limits leave no room for another node", "exceed limits for nodepool", "certain"];
    fails(ground, &[], "scale-up triggered", &words)
}

fn node_pool_with_a_taint(ground: &Ground) -> Result<(), Failed> {
    ground.pool(tainted)?;
    let words = ["the NodePool's nodes have a taint that the replicas do not tolerate", "dedicated=trial:NoSchedule"];
    fails(ground, &[], "scale-up triggered", &words)
}

fn node_class_missing(ground: &Ground) -> Result<(), Failed> {
    ground.unready_pool(|pool| pool["spec"]["template"]["spec"]["nodeClassRef"]["name"] = json!("nobody"))?;
    fails(ground, &AMPLE, "scale-up triggered", &["NodePool trial-node-class-missing is not ready"])
}

fn instance_type_not_allowed(ground: &Ground) -> Result<(), Failed> {
    ground.pool(|_| {})?;
    let report = ground.test(&["--set", "autoscaler.instanceTypes=m7g.*"])?;
    report.expect(1, "failed", None, &["an instance type of m7g.*"])?;
    report.expect_clean()
}

/// Two full nodes and one that is missing: three new ones are needed.
fn more_new_nodes_than_allowed(ground: &Ground) -> Result<(), Failed> {
    ground.pool(|_| {})?;
    let full = json!({"cpu": "0", "memory": "0", "pods": "0"});
    for name in ["a", "b"] {
        ground.node(name, |node| node["status"] = json!({"allocatable": full, "capacity": full}))?;
    }
    let report = ground.test(&["--set", "autoscaler.maxNewNodes=1"])?;
    let words = ["at most 1 new nodes under trial=more_new_nodes_than_allowed", "existing nodes have no room"];
    report.expect(1, "failed", None, &words)?;
    report.expect_clean()
}

fn nodes_are_kept_by_design(ground: &Ground) -> Result<(), Failed> {
    ground.pool(|pool| pool["spec"]["disruption"]["consolidateAfter"] = json!("Never"))?;
    let words = ["consolidateAfter is Never", "the NodePool keeps nodes on which nothing runs"];
    fails(ground, &["--set", "autoscaler.scaleIn=true"], "scale-in", &words)
}

fn anti_affinity_without_host_names(ground: &Ground) -> Result<(), Failed> {
    ground.node("old", |node| {
        drop(node["metadata"]["labels"].as_object_mut().map(|l| l.remove("kubernetes.io/hostname")));
    })?;
    let words =
        ["run together on node anti-affinity-without-host-names-old", "no label kubernetes.io/hostname", "certain"];
    fails(ground, &[], "scale-up triggered", &words)
}

/// Runs the check without Karpenter, and lets `meddle` do something else in its place.
fn without_karpenter(
    ground: &Ground,
    meddle: impl FnOnce() -> Result<(), Failed>,
    (code, verdict): (i32, &str),
    words: &[&str],
) -> Result<(), Failed> {
    let _stopped = ground.world.stopped("karpenter")?;
    let running = ground.started(&AMPLE)?;
    let meddled = meddle();
    let report = running.finish()?;
    meddled?;
    report.expect(code, verdict, Some("scale-up triggered"), words)?;
    report.expect_clean()
}

fn anti_affinity_ignored(ground: &Ground) -> Result<(), Failed> {
    let old = ground.node("old", |_| {})?;
    let words =
        ["run together on node", "which was there before", "ignores or has removed the replicas' anti-affinity"];
    without_karpenter(ground, || ground.bind(&old), (1, "failed"), &words)
}

fn node_without_the_label(ground: &Ground) -> Result<(), Failed> {
    let real = ground.world.cluster().site().node();
    let words = ["which does not carry it", "ignores or has removed the replicas' node selector"];
    without_karpenter(ground, || ground.bind(&real), (1, "failed"), &words)
}

fn replica_on_an_old_node(ground: &Ground) -> Result<(), Failed> {
    let other = "trial=elsewhere";
    let old = ground.node("old", |node| node["metadata"]["labels"][KEY] = json!("elsewhere"))?;
    // Kubernetes tells the time of a creation in whole seconds: in the same one the node is not known to be the older.
    ground.world.wait(async { tokio::time::sleep(std::time::Duration::from_millis(1100)).await });
    let label = format!("{KEY}={}", ground.label);
    let relabel = || ground.kubectl(&["label", "node", &old, "--overwrite", &label]).map(drop);
    let words = ["all replicas run on old nodes", &old, "the node is older than the Deployment"];
    let outcome = without_karpenter(ground, relabel, (1, "failed"), &words);
    // Where the trial ended early, the node is not found by its own label.
    ground.kubectl(&["delete", "nodes", "-l", other])?;
    outcome
}

fn old_node_uncordoned(ground: &Ground) -> Result<(), Failed> {
    let old = ground.node("old", |node| node["spec"] = json!({"unschedulable": true}))?;
    let uncordon = || ground.kubectl(&["uncordon", &old]).map(drop);
    let words = ["took none at the start", "the node has become available meanwhile"];
    without_karpenter(ground, uncordon, (3, "inconclusive"), &words)
}

fn foreign_node(ground: &Ground) -> Result<(), Failed> {
    let join = || ground.node("foreign", |_| {}).map(drop);
    let words = ["no NodeClaim belongs to the new node", "somebody else has added the node"];
    without_karpenter(ground, join, (1, "failed"), &words)
}

fn karpenter_stopped(ground: &Ground) -> Result<(), Failed> {
    ground.pool(|_| {})?;
    let _stopped = ground.world.stopped("karpenter")?;
    let words = ["Karpenter does not run, or does not see the replicas: it has said nothing about them"];
    fails(ground, &SHORT, "scale-up triggered", &words)
}

/// A network plug-in, say, that never takes its taint off.
fn nodes_never_become_ready(ground: &Ground) -> Result<(), Failed> {
    let taint = json!([{"key": "trial/agent-not-ready", "effect": "NoSchedule"}]);
    ground.pool(|pool| pool["spec"]["template"]["spec"]["startupTaints"] = taint)?;
    let words = ["has joined and does not become ready for pods", "StartupTaintsExist", "trial/agent-not-ready"];
    // Karpenter tells of the taint some time after the registration.
    fails(ground, &["--step-timeout", "25s"], "node ready", &words)
}

/// A pod that is bound to a node whose kubelet is away cannot go; the kubelets come back while the check cleans up.
fn kubelets_stay_silent(ground: &Ground) -> Result<(), Failed> {
    ground.pool(|_| {})?;
    let stopped = ground.world.stopped("kwok")?;
    let mut running = ground.started(&AMPLE)?;
    running.until("node ready")?;
    drop(stopped);
    let report = running.finish()?;
    let words = ["the new node of Karpenter to be ready for pods", "its kubelet has not reported yet"];
    report.expect(1, "failed", Some("node ready"), &words)?;
    report.expect_clean()
}
