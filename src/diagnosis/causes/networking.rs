//! The pod network does not take pods in.

use super::{Cause, Finding};
use crate::diagnosis::containers::pods_in_trouble;
use crate::diagnosis::evidence::{EventSeen, Evidence};
use crate::diagnosis::wording::{has_any, quoted, shell_word};
use crate::failure::{Certainty, Failure, Origin};

/// The causes, the more specific first.
pub(super) static CAUSES: &[Cause] = &[
    Cause {
        id: "pod-addresses-exhausted",
        about: "The pod network has no address left for the pod.",
        sign: "FailedCreatePodSandBox with `failed to assign an IP address` or `no IP addresses available`.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: exhausted,
    },
    Cause {
        id: "pod-network-fails",
        about: "The network plug-in (CNI) of the node cannot connect the pod.",
        sign: "FailedCreatePodSandBox with a network plug-in's error.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: network,
    },
    Cause {
        id: "sandbox-fails",
        about: "The node's container runtime cannot make the pod's sandbox.",
        sign: "FailedCreatePodSandBox with any other error.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: sandbox,
    },
];

/// The latest failure to make the sandbox of a pod that still has none.
fn sandbox_event(evidence: &Evidence) -> Option<(&EventSeen, &str)> {
    evidence.events_with(&["FailedCreatePodSandBox"]).find_map(|event| {
        let pod = pods_in_trouble(evidence).find(|pod| pod.name() == event.name)?;
        (!pod.has_condition("PodReadyToStartContainers", "True")).then(|| (event, pod.text("/spec/nodeName")))
    })
}

fn innermost(message: &str) -> String {
    quoted(
        message
            .split_once("failed to setup network for sandbox")
            .map_or(message, |(_, inner)| inner.split_once(": ").map_or(inner, |(_, said)| said)),
    )
}

fn exhausted(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let words = [
        "failed to assign an IP address",
        "no IP addresses available",
        "no available IP",
        "InsufficientCidrBlocks",
        "no free IP",
    ];
    let (event, node) = sandbox_event(evidence).filter(|(event, _)| has_any(&event.message, &words))?;
    Some(
        Finding::new(format!(
            "the pod network has no address left for pod {} on node {node}: {}",
            event.name,
            innermost(&event.message)
        ))
        .next(format!("kubectl get pods -A --field-selector spec.nodeName={} --no-headers | wc -l", shell_word(node)))
        .next("see the free addresses of the subnets, and the prefix or warm-pool settings of the network plug-in"),
    )
}

fn network(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let words = ["failed to setup network", "cni", "network plugin", "networkPlugin"];
    let (event, node) = sandbox_event(evidence).filter(|(event, _)| has_any(&event.message, &words))?;
    Some(
        Finding::new(format!(
            "the network plug-in of node {node} cannot connect pod {}: {}",
            event.name,
            innermost(&event.message)
        ))
        .next(format!("kubectl -n kube-system get pods -o wide --field-selector spec.nodeName={}", shell_word(node)))
        .next("see the log of the network plug-in's pod on that node, and /etc/cni/net.d there"),
    )
}

fn sandbox(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let (event, node) = sandbox_event(evidence)?;
    Some(
        Finding::new(format!("node {node} cannot make the sandbox of pod {}: {}", event.name, quoted(&event.message)))
            .next(format!("kubectl describe node {}", shell_word(node)))
            .next("see the log of the container runtime on that node"),
    )
}
