//! Nodes that an autoscaler should add and does not.

use super::{Cause, Finding};
use crate::diagnosis::containers::{pods_in_trouble, unscheduled};
use crate::diagnosis::controllers;
use crate::diagnosis::evidence::{EventSeen, Evidence, Object};
use crate::diagnosis::kinds::{Story, stories_of};
use crate::diagnosis::wording::{between, has_any, quoted, shell_word};
use crate::failure::{Certainty, Failure, Origin};

/// The causes, the more specific first.
pub(super) static CAUSES: &[Cause] = &[
    Cause {
        id: "nodepool-limit",
        about: "Every NodePool that fits has reached its limits.",
        sign: "Karpenter says `exceed limits for nodepool` or `limits exceeded`.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: nodepool_limit,
    },
    Cause {
        id: "nodepool-missing",
        about: "Karpenter has no NodePool at all.",
        sign: "Karpenter's CustomResourceDefinitions are there, and no NodePool.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: nodepool_missing,
    },
    Cause {
        id: "nodepool-not-ready",
        about: "The NodePool is not ready, mostly because its NodeClass is not.",
        sign: "Its Ready condition is not True.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: nodepool_not_ready,
    },
    Cause {
        id: "nodepool-incompatible",
        about: "No NodePool's requirements fit the pods.",
        sign: "Karpenter says `incompatible with nodepool` or `incompatible requirements`.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: nodepool_incompatible,
    },
    Cause {
        id: "node-launch-failed",
        about: "The cloud does not give the node: no capacity, no permission, a quota.",
        sign: "A NodeClaim's condition Launched is not True, or the autoscaler's FailedToScaleUpGroup.",
        certainty: Certainty::Certain,
        origin: Origin::Outside,
        find: launch_failed,
    },
    Cause {
        id: "node-not-registered",
        about: "The machine was launched and never joined the cluster.",
        sign: "A NodeClaim's condition Registered is not True though Launched is.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: not_registered,
    },
    Cause {
        id: "node-not-initialized",
        about: "The node joined and does not become ready for pods.",
        sign: "A NodeClaim's condition Initialized is not True though Registered is.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: not_initialized,
    },
    Cause {
        id: "node-group-at-maximum",
        about: "Every node group that fits has its maximum size.",
        sign: "Cluster Autoscaler says `max node group size reached` or `max cluster … limit reached`.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: group_at_maximum,
    },
    Cause {
        id: "node-group-in-backoff",
        about: "Cluster Autoscaler has given the node group a rest after failed scale-ups.",
        sign: "`in backoff after failed scale-up`.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: group_in_backoff,
    },
    Cause {
        id: "node-group-incompatible",
        about: "No node group of Cluster Autoscaler fits the pods.",
        sign: "NotTriggerScaleUp with the scheduler's reasons.",
        certainty: Certainty::Likely,
        origin: Origin::Cluster,
        find: group_incompatible,
    },
    Cause {
        id: "autoscaler-silent",
        about: "No autoscaler acts: none is installed, or it does not run.",
        sign: "A pod has no node, and neither Karpenter nor Cluster Autoscaler has said anything about it.",
        certainty: Certainty::Likely,
        origin: Origin::Cluster,
        find: silent,
    },
];

/// Whether the failure is about nodes that should come.
fn is_about_nodes(failure: &Failure, evidence: &Evidence) -> bool {
    let kind = failure.object.as_ref().map(|object| object.kind.as_str());
    stories_of(&evidence.check, kind).contains(&Story::Nodes)
}

/// The first pod without a node, if the failure is about nodes that should come.
fn waiting_pod<'a>(failure: &Failure, evidence: &'a Evidence) -> Option<&'a Object> {
    is_about_nodes(failure, evidence).then(|| unscheduled(evidence).next().map(|(pod, _)| pod)).flatten()
}

const KARPENTER: &str = "Karpenter";
const CLUSTER_AUTOSCALER: &str = "Cluster Autoscaler";

/// Whether the failure is about nodes, and not about those of the other autoscaler by name: in a cluster with both, each speaks
/// about every pod that waits, and what the other one says is of no account.
fn is_about(autoscaler: &str, failure: &Failure, evidence: &Evidence) -> bool {
    let other = if autoscaler == KARPENTER { CLUSTER_AUTOSCALER } else { KARPENTER };
    is_about_nodes(failure, evidence) && !failure.expected.contains(other)
}

/// The first pod without a node that this autoscaler should act on.
fn waiting_for<'a>(autoscaler: &str, failure: &Failure, evidence: &'a Evidence) -> Option<&'a Object> {
    waiting_pod(failure, evidence).filter(|_| is_about(autoscaler, failure, evidence))
}

/// What an autoscaler said last about a pod that still has no node.
fn said<'a>(autoscaler: &str, failure: &Failure, evidence: &'a Evidence, words: &[&str]) -> Option<&'a EventSeen> {
    waiting_for(autoscaler, failure, evidence)?;
    let reasons = ["FailedScheduling", "NotTriggerScaleUp", "NoCompatibleInstanceTypes"];
    let waits = |event: &&EventSeen| unscheduled(evidence).any(|(pod, _)| pod.name() == event.name);
    evidence
        .events
        .iter()
        .rev()
        .filter(|e| reasons.contains(&e.reason.as_str()))
        .filter(waits)
        .find(|e| has_any(&e.message, words))
}

const NODEPOOLS: &str =
    "kubectl get nodepools -o custom-columns='NAME:.metadata.name,LIMITS:.spec.limits,USED:.status.resources'";

fn nodepool_limit(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let words = [
        "exceed limits for nodepool",
        "node limits have been exhausted",
        "limits exceeded",
        "would exceed limits",
        "exceeds limits",
    ];
    let event = said(KARPENTER, failure, evidence, &words)?;
    // Karpenter 1.14 says `… for nodepool (NodePool=NAME)`, earlier ones `… for nodepool: "NAME"`.
    let pool = between(&event.message, "(NodePool=", ")")
        .or_else(|| between(&event.message, "exceed limits for nodepool: \"", "\""))
        .or_else(|| between(&event.message, "nodepool \"", "\""));
    let pool = pool.map_or_else(String::new, |pool| format!(" {}", quoted(pool)));
    Some(
        Finding::new(format!("the limits of NodePool{pool} are reached: {}", quoted(&event.message)))
            .next(NODEPOOLS)
            .next("raise spec.limits of the NodePool, or remove nodes that nobody needs"),
    )
}

fn nodepool_missing(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    waiting_for(KARPENTER, failure, evidence)?;
    let none = evidence.has_all("NodePool") && evidence.of_kind("NodePool").next().is_none();
    let karpenter_only =
        !evidence.events.iter().any(|event| matches!(event.reason.as_str(), "NotTriggerScaleUp" | "TriggeredScaleUp"));
    (none && karpenter_only)
        .then(|| Finding::new("Karpenter has no NodePool, so it may add no node").next("kubectl get nodepools"))
}

fn nodepool_not_ready(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    waiting_for(KARPENTER, failure, evidence)?;
    let pools: Vec<&Object> = evidence.of_kind("NodePool").collect();
    let bad = |pool: &&&Object| pool.condition("Ready").is_some_and(|condition| condition.status != "True");
    let pool = pools.iter().find(bad).filter(|_| pools.iter().all(|pool| bad(&pool)))?;
    let told: Vec<String> =
        pool.conditions().filter(|c| c.status != "True").map(|c| format!("{}: {}", c.type_, c.message)).collect();
    Some(
        Finding::new(format!("NodePool {} is not ready: {}", pool.name(), quoted(&told.join("; "))))
            .next(format!("kubectl describe nodepool {}", shell_word(pool.name())))
            .next(
                "kubectl describe its NodeClass: subnets, security groups, images and the node role have to be found",
            ),
    )
}

fn nodepool_incompatible(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let event = said(
        KARPENTER,
        failure,
        evidence,
        &["incompatible with nodepool", "incompatible requirements", "no instance type", "did not tolerate"],
    )?;
    Some(
        Finding::new(format!("no NodePool fits pod {}: {}", event.name, quoted(&event.message)))
            .next("kubectl get nodepools -o yaml | grep -A12 -e requirements -e taints -e labels")
            .next("compare the NodePools with NODE_LABEL_KEY and NODE_LABEL_VALUE"),
    )
}

/// Whether a claim was made for the check's pods: the failure is about it or its node, or Karpenter or the scheduler gave it a pod.
fn is_ours(claim: &Object, failure: &Failure, evidence: &Evidence) -> bool {
    let (name, node) = (claim.name(), claim.text("/status/nodeName"));
    let is_object = failure.object.as_ref().is_some_and(|object| object.name == name || object.name == node);
    let is_nominated = evidence.events_with(&["Nominated"]).any(|event| {
        event.message.split([' ', ',']).any(|word| word.strip_prefix("nodeclaim/").is_some_and(|claim| claim == name))
    });
    let has_pod = !node.is_empty() && pods_in_trouble(evidence).any(|pod| pod.text("/spec/nodeName") == node);
    is_object || is_nominated || has_pod
}

/// A claim for the check's pods that is stuck at a condition, all earlier ones being met.
fn stuck_claim<'a>(
    failure: &Failure,
    evidence: &'a Evidence,
    at: &str,
    after: Option<&str>,
) -> Option<(&'a Object, String)> {
    let claims = evidence.of_kind("NodeClaim").filter(|claim| is_ours(claim, failure, evidence));
    let claims = claims.filter(|claim| after.is_none_or(|after| claim.has_condition(after, "True")));
    claims
        .filter(|claim| created(claim) >= since)
        .filter_map(|claim| Some((claim, claim.condition(at)?)))
        .find(|(_, condition)| condition.status != "True")
        .map(|(claim, condition)| (claim, quoted(&format!("{}: {}", condition.reason, condition.message))))
}

fn launch_failed(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    is_about(KARPENTER, failure, evidence).then_some(())?;
    let claim = stuck_claim(failure, evidence, "Launched", None)
        .filter(|(_, told)| has_any(told, &["fail", "error", "insufficient", "capacity", "denied"]));
    if let Some((claim, told)) = claim {
        return Some(
            Finding::new(format!("the cloud gives no machine for NodeClaim {}: {told}", claim.name()))
                .next(format!("kubectl describe nodeclaim {}", shell_word(claim.name())))
                .next("allow more instance types and zones in the NodePool, or see the account's quotas"),
        );
    }
    let event =
        evidence.events_with(&["FailedToScaleUpGroup", "InsufficientCapacityError", "ScaleUpTimedOut"]).next()?;
    Some(
        Finding::new(format!("the cloud gives no machine: {}: {}", event.reason, quoted(&event.message)))
            .next("kubectl -n kube-system get configmap cluster-autoscaler-status -o yaml")
            .next("see the account's quotas, and the scaling activities of the node group"),
    )
}

fn not_registered(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    is_about(KARPENTER, failure, evidence).then_some(())?;
    let (claim, told) = stuck_claim(failure, evidence, "Registered", Some("Launched"))?;
    Some(
        Finding::new(format!("the machine of NodeClaim {} was launched and has not joined the cluster ({told})", claim.name()))
            .next(format!("kubectl describe nodeclaim {}", shell_word(claim.name())))
            .next("see the machine's own log: bootstrap script, route to the API server, and whether its role may join (aws-auth, access entries)"),
    )
}

fn not_initialized(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    is_about(KARPENTER, failure, evidence).then_some(())?;
    let (claim, told) = stuck_claim(failure, evidence, "Initialized", Some("Registered"))?;
    let node = claim.text("/status/nodeName");
    Some(
        Finding::new(format!("node {} has joined and does not become ready for pods ({told})", quoted(node)))
            .next(format!("kubectl describe node {}", shell_word(node)))
            .next("see the network plug-in and the other DaemonSets on it, and its start-up taints"),
    )
}

fn group_at_maximum(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let event = said(
        CLUSTER_AUTOSCALER,
        failure,
        evidence,
        &["max node group size reached", "max cluster", "max limit reached"],
    )?;
    Some(
        Finding::new(format!(
            "the node groups that would fit pod {} are as large as they may be: {}",
            event.name,
            quoted(&event.message)
        ))
        .next("kubectl -n kube-system get configmap cluster-autoscaler-status -o yaml")
        .next(
            "raise the node group's maximum, or Cluster Autoscaler's --max-nodes-total, --cores-total, --memory-total",
        ),
    )
}

fn group_in_backoff(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let event = said(CLUSTER_AUTOSCALER, failure, evidence, &["in backoff after failed scale-up"])?;
    Some(
        Finding::new(format!("Cluster Autoscaler rests after failed scale-ups: {}", quoted(&event.message)))
            .next("kubectl -n kube-system get configmap cluster-autoscaler-status -o yaml")
            .next("see the scaling activities of the node group for why the last ones failed"),
    )
}

fn group_incompatible(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let event = said(CLUSTER_AUTOSCALER, failure, evidence, &["didn't trigger scale-up"])?;
    Some(
        Finding::new(format!(
            "no node group of Cluster Autoscaler fits pod {}: {}",
            event.name,
            quoted(&event.message)
        ))
        .next("kubectl -n kube-system get configmap cluster-autoscaler-status -o yaml")
        .next("a group of size 0 is judged by its tags k8s.io/cluster-autoscaler/node-template/label/… and taint/…"),
    )
}

fn silent(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let pod = waiting_pod(failure, evidence)?;
    let spoke = evidence.events.iter().filter(|event| event.kind == "Pod").any(|event| {
        let reasons = ["TriggeredScaleUp", "NotTriggerScaleUp", "Nominated", "NoCompatibleInstanceTypes"];
        reasons.contains(&event.reason.as_str()) || has_any(&event.message, &["nodepool", "NodePool"])
    });
    if spoke || evidence.of_kind("NodeClaim").next().is_some() {
        return None;
    }
    let silent = controllers::silent(evidence, &["Karpenter", "Cluster Autoscaler"]);
    Some(match silent {
        Some((addon, standing)) => Finding::new(format!("{addon} does not act: it {}", standing.trouble)).next(standing.next),
        None => Finding::new(format!("no autoscaler has said anything about pod {}: none is installed, or it does not run", pod.name()))
            .next("kubectl get deployments -A -l 'app.kubernetes.io/name in (karpenter,cluster-autoscaler,aws-cluster-autoscaler)'"),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// As both spoke about the same pod on a real cluster that has both.
    #[test]
    fn in_a_cluster_with_both_only_the_expected_one_is_heard() {
        let event =
            |reason: &str, message: &str| json!({"reason": reason, "kind": "Pod", "name": "p", "message": message});
        let unschedulable =
            json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1"});
        let evidence: Evidence = serde_json::from_value(json!({
            "check": "autoscaler",
            "objects": [{"kind": "Pod", "metadata": {"name": "p"}, "status": {"conditions": [unschedulable]}}],
            "events": [
                event("FailedScheduling", "Failed to schedule pod, incompatible requirements, label \"trial\" does not have known values"),
                event("NotTriggerScaleUp", "pod didn't trigger scale-up: 1 max node group size reached"),
            ],
        }))
        .unwrap();
        let heard = |expected: &str| {
            let failure = Failure::failed(expected);
            (nodepool_incompatible(&failure, &evidence).is_some(), group_at_maximum(&failure, &evidence).is_some())
        };
        assert_eq!(heard("Karpenter to ask for a node"), (true, false));
        assert_eq!(heard("Cluster Autoscaler to ask for a node"), (false, true));
        assert_eq!(heard("a ready pod"), (true, true), "who should act is not known");
    }
}
