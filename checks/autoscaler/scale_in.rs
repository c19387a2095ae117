//! Scale-in: once nothing needs the new nodes any more, the autoscaler removes them.

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, ResourceExt};

use super::node::SeenNode;
use super::scene::{Scene, seconds};
use super::watching::Watching;
use crate::cluster::Look;
use crate::cluster::call::{Action, call};
use crate::context::{Context, Step};
use crate::failure::{Certainty, Failure, ObjectRef, Origin};

/// Time for the last question after the deadline of the removal.
pub(super) const QUESTION: Duration = Duration::from_secs(5);

/// Deletes the Deployment and waits until the nodes that its replicas made the autoscaler add are gone.
pub(super) async fn prove(cx: &Context, watching: &mut Watching, limit: Duration) -> Result<(), Failure> {
    let added: Vec<SeenNode> = watching.scene.new_nodes().into_iter().cloned().collect();
    cx.step_within("scale-in", limit + QUESTION, async |step| {
        step.evidence("nodes", &added);
        kept_by_design(&watching.scene, &added).map_or(Ok(()), Err)?;
        cx.delete::<Deployment>(step, &watching.scene.deployment.clone()).await?;
        let gone = watching.until(step, "the new nodes to be removed", |scene| look(scene, &added));
        let Ok(outcome) = tokio::time::timeout(limit, gone).await else {
            return Err(stayed(cx, step, &watching.scene, &added).await);
        };
        outcome?;
        step.evidence("seconds", seconds(step.elapsed()));
        Ok(())
    })
    .await
}

fn remaining<'a>(scene: &'a Scene, added: &[SeenNode]) -> Vec<&'a SeenNode> {
    scene.nodes.iter().filter(|node| added.iter().any(|new| new.uid == node.uid)).collect()
}

/// The nodes are gone. An empty list of nodes to wait for would prove nothing.
fn look(scene: &Scene, added: &[SeenNode]) -> Look<()> {
    let left = remaining(scene, added);
    if left.is_empty() && !added.is_empty() {
        return Look::Found(());
    }
    let state = |node: &&SeenNode| {
        let state = if node.leaving { "being removed" } else { "not chosen for removal yet" };
        format!("node {} is {state}", node.name)
    };
    Look::NotYet(left.iter().map(state).collect::<Vec<_>>().join(", "))
}

/// A NodePool that never removes empty nodes.
fn kept_by_design(scene: &Scene, added: &[SeenNode]) -> Option<Failure> {
    let pool = added.iter().find_map(|node| {
        let name = scene.claim_of(node)?.node_pool.as_ref()?;
        scene.pools.iter().find(|pool| pool.name == *name && pool.consolidate_after.as_deref() == Some("Never"))
    })?;
    Some(
        Failure::failed("the new nodes to be removed")
            .saw("consolidateAfter is Never")
            .because(Certainty::Certain, Origin::Cluster, "the NodePool keeps nodes on which nothing runs")
            .next("switch scaleIn off where that is meant to be so")
            .on(ObjectRef::cluster_scoped("NodePool", &pool.name)),
    )
}

/// A node that stayed has to stay where others use it by now.
async fn stayed(cx: &Context, step: &Step, scene: &Scene, added: &[SeenNode]) -> Failure {
    let left = remaining(scene, added);
    let Some(node) = left.first() else { return step.overdue() };
    let api: Api<Pod> = Api::all(cx.client.clone());
    let action =
        Action { verb: "list", resource: "pods".to_owned(), object: ObjectRef::cluster_scoped("Node", &node.name) };
    let params = ListParams::default().fields(&format!("spec.nodeName={}", node.name));
    let others = match call(step, &action, async || api.list(&params).await).await {
        Ok(pods) => pods.iter().filter(|pod| keeps(pod, &scene.namespace)).map(name).collect(),
        Err(_) => Vec::new(),
    };
    let failure = step.overdue().on(ObjectRef::cluster_scoped("Node", &node.name));
    let failure = if others.is_empty() {
        failure.because(
            Certainty::Likely,
            Origin::Cluster,
            format!("{} does not remove a node on which nothing runs", scene.autoscaler),
        )
    } else {
        let mut failure = failure.because(
            Certainty::Likely,
            Origin::Cluster,
            "pods of other workloads run on the node by now, so that there is no reason to remove it",
        );
        failure.verdict = crate::verdict::Verdict::Inconclusive;
        failure
    };
    failure
        .detail(format!("pods on node {}", node.name), others)
        .next(format!("kubectl get pods -A --field-selector spec.nodeName={}", node.name))
        .next(format!("kubectl describe node {}", node.name))
}

/// Whether a pod keeps a node: not of this check, not one that every node has, not over.
fn keeps(pod: &Pod, own_namespace: &str) -> bool {
    let by_daemon = pod.owner_references().iter().any(|owner| owner.kind == "DaemonSet" || owner.kind == "Node");
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default();
    !by_daemon && !matches!(phase, "Succeeded" | "Failed") && pod.namespace().as_deref() != Some(own_namespace)
}

fn name(pod: &Pod) -> String {
    format!("{}/{}", pod.namespace().unwrap_or_default(), pod.name_any())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn daemons_and_finished_pods_keep_no_node() {
        let pod = |namespace: &str, owner: &str, phase: &str| -> Pod {
            let owners = json!([{"apiVersion": "v1", "kind": owner, "name": "o", "uid": "u"}]);
            let meta = json!({"name": "p", "namespace": namespace, "ownerReferences": owners});
            serde_json::from_value(json!({"metadata": meta, "status": {"phase": phase}})).unwrap()
        };
        assert!(keeps(&pod("shop", "ReplicaSet", "Running"), "own"));
        for free in [
            pod("kube-system", "DaemonSet", "Running"),
            pod("kube-system", "Node", "Running"),
            pod("shop", "Job", "Succeeded"),
            pod("own", "ReplicaSet", "Running"),
        ] {
            assert!(!keeps(&free, "own"), "{free:?}");
        }
    }
}
