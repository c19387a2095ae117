//! Why a stage was not reached in time, from what was seen.

use super::claim::SeenPool;
use super::detect::Autoscaler;
use super::scene::{Origin, Scene};
use super::word::Word;
use crate::failure::{Certainty, Failure, ObjectRef, Origin as Whose};
use crate::verdict::Verdict;

/// The stages, for which different things can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The autoscaler asks for a node.
    Trigger,
    /// The cloud provider launches an instance.
    Launch,
    /// The instance joins.
    Registration,
    /// The node becomes ready.
    Readiness,
    /// A replica runs on it.
    Running,
}

/// Adds the likely cause and what was said to the failure of a stage. A cause that is known already stays.
pub(super) fn explain(scene: &Scene, stage: Stage, failure: Failure) -> Failure {
    let mut failure = failure;
    if failure.verdict == Verdict::Failed && failure.cause.is_none() {
        failure = match stage {
            Stage::Trigger => no_trigger(scene, failure),
            Stage::Launch => no_launch(scene, failure),
            Stage::Registration => no_registration(scene, failure),
            Stage::Readiness => not_ready(scene, failure),
            Stage::Running => not_running(scene, failure),
        };
    }
    let mut words: Vec<&Word> = scene.own_words().collect();
    words.sort_by_key(|word| word.first);
    let foreign = scene.nodes_of(Origin::Foreign).map(|node| format!("node {}", node.name)).collect();
    failure
        .detail("what is said about the replicas", words.into_iter().map(Word::line).collect())
        .detail(format!("new nodes that {} has not added", scene.autoscaler), foreign)
}

fn no_trigger(scene: &Scene, failure: Failure) -> Failure {
    let failure = match scene.waiting().next() {
        Some(pod) => failure.on(scene.pod_ref(pod)),
        None => failure,
    };
    let said = |found: &dyn Fn(&Word) -> Option<String>| scene.own_words().filter_map(found).last();
    let not_triggered = |word: &Word| {
        matches!(word.reason.as_str(), "NotTriggerScaleUp" | "FailedScaleUp").then(|| word.message.trim().to_owned())
    };
    let cause = match scene.autoscaler {
        Autoscaler::ClusterAutoscaler => {
            said(&not_triggered).map(|words| format!("Cluster Autoscaler sees the replica and adds no node: {words}"))
        }
        Autoscaler::Karpenter { .. } => {
            let unready = scene.pools.iter().find(|pool| pool.not_ready.is_some()).map(SeenPool::line);
            let refused = said(&|word: &Word| word.refusal().map(|refusal| refusal.words));
            refused.map(|words| format!("Karpenter sees the replica and adds no node: {words}")).or(unready)
        }
    };
    let silence =
        || format!("{} does not run, or does not see the replicas: it has said nothing about them", scene.autoscaler);
    let failure = failure.because(Certainty::Likely, Whose::Cluster, cause.unwrap_or_else(silence));
    let failure =
        failure.detail("Karpenter's NodePools at the start", scene.pools.iter().map(SeenPool::line).collect());
    match scene.autoscaler {
        Autoscaler::Karpenter { .. } => failure
            .next("kubectl get nodepools,nodeclaims")
            .next("kubectl get pods -A -l app.kubernetes.io/name=karpenter; and its log"),
        Autoscaler::ClusterAutoscaler => failure
            .next("kubectl -n kube-system get configmap cluster-autoscaler-status -o yaml")
            .next("kubectl get pods -A -l app.kubernetes.io/name=aws-cluster-autoscaler; and its log"),
    }
}

fn no_launch(scene: &Scene, failure: Failure) -> Failure {
    match scene.new_claims().first() {
        Some(claim) => failure
            .because(
                Certainty::Likely,
                Whose::Cluster,
                format!("the cloud provider has not launched an instance: {}", claim.launched.says),
            )
            .next(format!("kubectl describe nodeclaim {}", claim.name))
            .on(ObjectRef::cluster_scoped("NodeClaim", &claim.name)),
        None => failure
            .because(
                Certainty::Likely,
                Whose::Cluster,
                "Karpenter has withdrawn the NodeClaim, as it does where the cloud has no capacity or the node class is not ready",
            )
            .next("kubectl get events -n default --field-selector involvedObject.kind=NodeClaim"),
    }
}

fn no_registration(scene: &Scene, failure: Failure) -> Failure {
    let failure = match scene.new_claims().first() {
        Some(claim) => failure
            .next(format!("kubectl describe nodeclaim {}", claim.name))
            .on(ObjectRef::cluster_scoped("NodeClaim", &claim.name)),
        None => failure,
    };
    failure.because(
        Certainty::Likely,
        Whose::Cluster,
        "the instance was asked for, but its kubelet has not joined the cluster: its boot, its network, or its permission to join",
    )
}

fn not_ready(scene: &Scene, failure: Failure) -> Failure {
    let nodes = scene.new_nodes();
    let Some(node) = nodes.first() else {
        return failure.because(Certainty::Likely, Whose::Cluster, "the new node went away before it was ready");
    };
    let says = scene.claim_of(node).map(|claim| claim.initialized.says.clone());
    let why = node.not_ready.clone().or(says).unwrap_or_default();
    failure
        .because(Certainty::Likely, Whose::Cluster, format!("the node has joined, but is not ready for pods: {why}"))
        .next(format!("kubectl describe node {}", node.name))
        .on(ObjectRef::cluster_scoped("Node", &node.name))
}

fn not_running(scene: &Scene, failure: Failure) -> Failure {
    let placed = scene.on_new_node().next();
    let Some(pod) = placed.map(|(pod, _)| pod).or_else(|| scene.waiting().next()) else {
        return failure;
    };
    let failure =
        failure.next(format!("kubectl -n {} describe pod {}", scene.namespace, pod.name)).on(scene.pod_ref(pod));
    match (&pod.unschedulable, placed) {
        (Some(why), None) => failure.because(
            Certainty::Likely,
            Whose::Cluster,
            format!("the new node is ready, but the scheduler does not take it for the replica: {why}"),
        ),
        _ => failure,
    }
}
