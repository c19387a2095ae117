//! The stages of a scale-up, each as a condition on the scene.

use std::collections::BTreeMap;

use super::claim::{SeenClaim, SeenPool};
use super::detect::Autoscaler;
use super::node::SeenNode;
use super::pod::SeenPod;
use super::scene::Scene;
use super::word::Refusal;
use crate::cluster::Look;
use crate::failure::{Certainty, Failure, ObjectRef, Origin};

/// Cluster Autoscaler adds no node for pods below this priority (`--expendable-pods-priority-cutoff`).
///
/// <https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/FAQ.md#how-does-cluster-autoscaler-work-with-pod-priority-and-preemption>
const EXPENDABLE_BELOW: i32 = -10;

/// How the autoscaler asked for a node.
#[derive(Debug, Clone)]
pub(super) enum Trigger {
    /// Karpenter made a NodeClaim.
    Claim(Box<SeenClaim>),
    /// Cluster Autoscaler said so on a replica: which one, and the groups that grow.
    Group { pod: String, groups: String },
}

/// All replicas are there, scheduled or not.
pub(super) fn replicas_exist(scene: &Scene) -> Look<usize> {
    let (have, want) = (scene.pods.len(), scene.before.replicas());
    if have >= want {
        return Look::Found(have);
    }
    let refused = scene.words.iter().find(|word| word.reason == "FailedCreate" && word.kind == "ReplicaSet");
    match refused {
        // Quota, Pod Security, LimitRange: the API server will say the same again. A webhook that is away may come back.
        Some(word) if word.message.contains("forbidden") => Look::Never(Box::new(
            Failure::failed(format!("{want} replicas to be created")).saw(word.message.clone()).because(
                Certainty::Certain,
                Origin::Cluster,
                "the API server refuses the replicas' pods",
            ),
        )),
        Some(word) => Look::NotYet(format!("{have} of {want} replicas; {}", word.message)),
        None => Look::NotYet(format!("{have} of {want} replicas")),
    }
}

/// The autoscaler has asked for a node.
pub(super) fn triggered(scene: &Scene) -> Look<Trigger> {
    match scene.autoscaler {
        Autoscaler::Karpenter { .. } => {
            if let Some(claim) = scene.new_claims().first() {
                return Look::Found(Trigger::Claim(Box::new((*claim).clone())));
            }
            if scene.pools.is_empty() {
                return Look::Never(Box::new(Failure::failed("a NodePool").saw("none").because(
                    Certainty::Certain,
                    Origin::Cluster,
                    "Karpenter is installed, but without a NodePool it adds no nodes",
                )));
            }
            refused_for_good(scene).map_or_else(|| waiting(scene), |failure| Look::Never(Box::new(failure)))
        }
        Autoscaler::ClusterAutoscaler => {
            if let Some(word) = scene.triggers().next() {
                let groups = word.triggered().unwrap_or_default().to_owned();
                return Look::Found(Trigger::Group { pod: word.name.clone(), groups });
            }
            expendable(scene).map_or_else(|| waiting(scene), |failure| Look::Never(Box::new(failure)))
        }
    }
}

fn waiting<T>(scene: &Scene) -> Look<T> {
    let word = scene.own_words().filter(|word| word.is_of_an_autoscaler()).last();
    let count = scene.waiting().count();
    Look::NotYet(match word {
        Some(word) => format!("{count} replicas without a node; {}: {}", word.reason, word.message.trim()),
        None => format!("{count} replicas without a node, and no word from {} about them", scene.autoscaler),
    })
}

/// Karpenter has refused every replica that waits, for reasons that last.
fn refused_for_good(scene: &Scene) -> Option<Failure> {
    let refusals: BTreeMap<&str, Refusal> =
        scene.own_words().filter_map(|word| Some((word.about.as_str(), word.refusal()?))).collect();
    if refusals.is_empty() || !scene.has_all_replicas() {
        return None;
    }
    let lasting = |pod: &SeenPod| refusals.get(pod.uid.as_str()).is_some_and(|refusal| refusal.lasting.is_some());
    let pod = scene.waiting().next().filter(|_| scene.waiting().all(lasting))?;
    let Refusal { words, lasting } = refusals.get(pod.uid.as_str())?.clone();
    let cause = lasting?;
    Some(
        Failure::failed("a NodeClaim for the replica that finds no node")
            .saw(words)
            .because(Certainty::Certain, Origin::Cluster, cause)
            .detail("Karpenter's NodePools at the start", scene.pools.iter().map(SeenPool::line).collect())
            .next("kubectl get nodepools -o yaml")
            .next(format!(
                "set nodeLabelKey and nodeLabelValue to a label of the nodes that scale; now: {}",
                scene.settings.label
            ))
            .on(scene.pod_ref(pod)),
    )
}

/// Cluster Autoscaler does not look at pods of this priority.
fn expendable(scene: &Scene) -> Option<Failure> {
    let pod = scene.waiting().find(|pod| pod.priority.is_some_and(|priority| priority < EXPENDABLE_BELOW))?;
    let priority = pod.priority.unwrap_or_default();
    Some(
        Failure::inconclusive("a priority for which Cluster Autoscaler adds nodes")
            .saw(format!("priority {priority}"))
            .because(
                Certainty::Certain,
                Origin::Harness,
                format!("Cluster Autoscaler takes pods below priority {EXPENDABLE_BELOW} for expendable and adds no node for them"),
            )
            .next("set priorityClass to a PriorityClass of a higher value; the cluster's default one is too low")
            .on(scene.pod_ref(pod)),
    )
}

/// The cloud provider has launched an instance.
pub(super) fn launched(scene: &Scene) -> Look<SeenClaim> {
    if let Some(claim) = scene.launched() {
        return Look::Found(claim.clone());
    }
    match scene.new_claims().first() {
        Some(claim) => Look::NotYet(format!("NodeClaim {}: {}", claim.name, claim.launched.says)),
        None => {
            Look::NotYet("the NodeClaim was withdrawn, as Karpenter does where the cloud has no capacity".to_owned())
        }
    }
}

/// The instance has joined the cluster as a node.
pub(super) fn registered(scene: &Scene) -> Look<SeenNode> {
    if let Some(node) = scene.registered() {
        return Look::Found(node.clone());
    }
    let claims = scene.new_claims();
    if !claims.is_empty() && claims.iter().all(|claim| claim.registered.refused) {
        let claim = claims[0];
        return Look::Never(Box::new(
            Failure::failed("the new node to register")
                .saw(claim.registered.says.clone())
                .because(Certainty::Certain, Origin::Cluster, "Karpenter has given up on the node")
                .next(format!("kubectl describe nodeclaim {}", claim.name))
                .on(ObjectRef::cluster_scoped("NodeClaim", &claim.name)),
        ));
    }
    match (claims.first(), scene.new_nodes().first()) {
        (_, Some(node)) => Look::NotYet(format!("node {} is there, but not registered yet", node.name)),
        (Some(claim), None) => Look::NotYet(format!("NodeClaim {}: {}", claim.name, claim.registered.says)),
        (None, None) => Look::NotYet("no new node".to_owned()),
    }
}

/// The node is ready for pods.
pub(super) fn ready(scene: &Scene) -> Look<SeenNode> {
    if let Some(node) = scene.ready() {
        return Look::Found(node.clone());
    }
    let Some(node) = scene.new_nodes().into_iter().next() else {
        return Look::NotYet("the new node is gone again".to_owned());
    };
    let claim = scene.claim_of(node);
    Look::NotYet(match (&node.not_ready, claim) {
        (Some(why), _) => format!("node {}: {why}", node.name),
        (None, Some(claim)) => format!("node {} is ready, but not initialized: {}", node.name, claim.initialized.says),
        (None, None) => format!("node {} is ready", node.name),
    })
}

/// A replica is Ready on a node that the autoscaler has added for this run.
pub(super) fn running(scene: &Scene) -> Look<(SeenPod, SeenNode)> {
    if let Some((pod, node)) = scene.on_new_node().find(|(pod, _)| pod.ready) {
        return Look::Found((pod.clone(), node.clone()));
    }
    let Some((pod, node)) = scene.on_new_node().next() else {
        let why = scene.waiting().find_map(|pod| pod.unschedulable.clone());
        return Look::NotYet(format!(
            "no replica on a new node; {}",
            why.unwrap_or_else(|| "the scheduler says nothing".into())
        ));
    };
    match &pod.broken {
        Some(why) => Look::Never(Box::new(
            Failure::failed(format!("a replica to run on the new node {}", node.name))
                .saw(why.clone())
                .on(scene.pod_ref(pod)),
        )),
        None => Look::NotYet(format!("pod {} is on the new node {}, but not ready", pod.name, node.name)),
    }
}
