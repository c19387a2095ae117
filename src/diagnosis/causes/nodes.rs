//! Nodes that are there and not well.

use super::{Cause, Finding};
use crate::diagnosis::containers::pods_in_trouble;
use crate::diagnosis::evidence::{Condition, Evidence, Object};
use crate::diagnosis::wording::{has_any, quoted, shell_word};
use crate::failure::{Certainty, Failure, Origin};

/// The causes, the more specific first.
pub(super) static CAUSES: &[Cause] = &[
    Cause {
        id: "node-network-not-ready",
        about: "The node's network plug-in (CNI) is not ready.",
        sign: "The node's Ready condition is False because of `NetworkPluginNotReady` or `cni plugin not initialized`.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: network_not_ready,
    },
    Cause {
        id: "node-lost",
        about: "The node's kubelet does not report any more.",
        sign: "The node's Ready condition is Unknown.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: lost,
    },
    Cause {
        id: "node-under-pressure",
        about: "The node is short of memory, disk or processes.",
        sign: "A pressure condition of the node is True.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: pressure,
    },
    Cause {
        id: "node-not-ready",
        about: "The node is not ready.",
        sign: "The node's Ready condition is False.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: not_ready,
    },
];

/// The node that matters, and its condition: one that a pod in trouble sits on, or that the failure is about.
fn node_with<'a>(
    failure: &Failure,
    evidence: &'a Evidence,
    fits: impl Fn(&Condition<'_>) -> bool,
) -> Option<(&'a Object, Condition<'a>)> {
    let concerns = |node: &&Object| {
        failure.object.as_ref().is_some_and(|object| object.kind == "Node" && object.name == node.name())
            || pods_in_trouble(evidence).any(|pod| pod.text("/spec/nodeName") == node.name())
    };
    let mut nodes = evidence.of_kind("Node").filter(concerns);
    nodes.find_map(|node| Some((node, node.conditions().find(|condition| fits(condition))?)))
}

fn describe(node: &Object) -> String {
    format!("kubectl describe node {}", shell_word(node.name()))
}

fn network_not_ready(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let words = ["NetworkPluginNotReady", "cni plugin not initialized", "NetworkReady=false"];
    let (node, condition) =
        node_with(failure, evidence, |c| c.type_ == "Ready" && c.status == "False" && has_any(c.message, &words))?;
    Some(
        Finding::new(format!(
            "the network plug-in of node {} is not ready: {}",
            node.name(),
            quoted(condition.message)
        ))
        .next(format!(
            "kubectl -n kube-system get pods -o wide --field-selector spec.nodeName={}",
            shell_word(node.name())
        ))
        .next(describe(node)),
    )
}

fn lost(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let (node, condition) = node_with(failure, evidence, |c| c.type_ == "Ready" && c.status == "Unknown")?;
    Some(
        Finding::new(format!(
            "the kubelet of node {} does not report any more: {}",
            node.name(),
            quoted(condition.message)
        ))
        .next(describe(node))
        .next("see whether the machine runs, and its kubelet's log"),
    )
}

fn pressure(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let (node, condition) = node_with(failure, evidence, |c| c.type_.ends_with("Pressure") && c.status == "True")?;
    Some(
        Finding::new(format!("node {} has {}: {}", node.name(), quoted(condition.type_), quoted(condition.message)))
            .next(describe(node)),
    )
}

fn not_ready(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let (node, condition) = node_with(failure, evidence, |c| c.type_ == "Ready" && c.status == "False")?;
    Some(
        Finding::new(format!(
            "node {} is not ready ({}): {}",
            node.name(),
            quoted(condition.reason),
            quoted(condition.message)
        ))
        .next(describe(node)),
    )
}
