//! Pods for which the scheduler finds no node.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Cause, Finding};
use crate::diagnosis::containers::{pods_in_trouble, unscheduled};
use crate::diagnosis::controllers;
use crate::diagnosis::evidence::{Evidence, Object, text_of};
use crate::diagnosis::kinds::{Story, stories_of};
use crate::diagnosis::wording::{between, quoted, shell_word};
use crate::failure::{Certainty, Failure, Origin};

/// The causes. Of several reasons for several nodes that one is named which the scheduler's filters come to last: the node came
/// closest.
///
/// The texts are those of the scheduler's plug-ins:
/// <https://github.com/kubernetes/kubernetes/tree/v1.34.4/pkg/scheduler/framework/plugins>
pub(super) static CAUSES: &[Cause] = &[
    Cause {
        id: "no-nodes",
        about: "The cluster has no node at all.",
        sign: "The scheduler says `no nodes available to schedule pods`.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: no_nodes,
    },
    Cause {
        id: "node-selector-matches-nothing",
        about: "No node has the labels that the pod's node selector or affinity asks for.",
        sign: "No node has the labels of the pod's node selector; or the scheduler says of every node that it `didn't match Pod's node affinity/selector`.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: selector_matches_nothing,
    },
    Cause {
        id: "anti-affinity",
        about: "Pods must not share a node, and there are too few nodes.",
        sign: "The scheduler says `didn't match pod anti-affinity rules`.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: anti_affinity,
    },
    Cause {
        id: "node-full-of-pods",
        about: "The nodes that would fit run as many pods as they may.",
        sign: "The scheduler says `Too many pods`.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: too_many_pods,
    },
    Cause {
        id: "resources-insufficient",
        about: "The nodes that would fit have not enough CPU, memory or another resource left.",
        sign: "The scheduler says `Insufficient …`.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: insufficient,
    },
    Cause {
        id: "nodes-cordoned",
        about: "The nodes that would fit are cordoned.",
        sign: "The scheduler says `were unschedulable`.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: cordoned,
    },
    Cause {
        id: "taint-not-tolerated",
        about: "The nodes that would fit have a taint that the pod does not tolerate.",
        sign: "The scheduler says `had untolerated taint`.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: taint,
    },
    Cause {
        id: "pod-gated",
        about: "A scheduling gate holds the pod back, and nobody removes it.",
        sign: "The pod's condition PodScheduled has the reason SchedulingGated.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: gated,
    },
    Cause {
        id: "scheduler-silent",
        about: "kube-scheduler does not act.",
        sign: "A pod has no node and nothing was said about it; or nobody renews the scheduler's lease.",
        certainty: Certainty::Likely,
        origin: Origin::Cluster,
        find: scheduler_silent,
    },
];

const NO_NODES: &str = "no nodes available to schedule pods";

/// The first pod without a node of which the scheduler says one of these things; none where the pod is there to need a new node.
fn said<'a>(evidence: &'a Evidence, words: &str) -> Option<(&'a Object, &'a str)> {
    // What follows `preemption:` is about other pods.
    let own = |message: &'a str| message.split_once(" preemption:").map_or(message, |(own, _)| own);
    let on_purpose = stories_of(&evidence.check, None).contains(&Story::Nodes);
    let pods = unscheduled(evidence).filter(|_| !on_purpose || words == NO_NODES);
    pods.map(|(pod, message)| (pod, own(message))).find(|(_, message)| message.contains(words))
}

/// What the scheduler says, without what is the same each time.
fn reasons(message: &str) -> String {
    let message = message.split_once("no new claims to deallocate").map_or(message, |(before, _)| before);
    quoted(message.trim_end_matches([',', ' ']))
}

/// How many of how many nodes a reason holds for.
fn counts(message: &str, words: &str) -> Option<(u64, u64)> {
    let all: u64 = message.split_once(" nodes are available")?.0.rsplit('/').next()?.parse().ok()?;
    let before = message.split_once(words)?.0;
    let of = before.trim_end_matches("node(s) ").trim_end().rsplit([' ', ',']).next()?.parse().ok()?;
    Some((of, all))
}

fn no_nodes(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    said(evidence, NO_NODES)?;
    Some(
        Finding::new("the cluster has no nodes")
            .next("kubectl get nodes")
            .next("see whether the node group or the autoscaler has been told to have any"),
    )
}

/// The nodes that have the labels of the pod's node selector; `None` where not all nodes are known.
fn candidates<'a>(evidence: &'a Evidence, pod: &Object) -> Option<Vec<&'a Object>> {
    let selector = pod.at("/spec/nodeSelector").as_object().cloned().unwrap_or_default();
    let fits = |node: &&Object| selector.iter().all(|(key, value)| node.at("/metadata/labels").get(key) == Some(value));
    evidence.has_all("Node").then(|| evidence.of_kind("Node").filter(fits).collect())
}

fn selector_matches_nothing(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let words = "didn't match Pod's node affinity/selector";
    let (pod, message) = said(evidence, words)?;
    let candidates = candidates(evidence, pod);
    let all_differ = counts(message, words).is_some_and(|(of, all)| of == all);
    if !(all_differ || candidates.is_some_and(|nodes| nodes.is_empty())) {
        return None;
    }
    let selector = pod.at("/spec/nodeSelector").as_object();
    let label = |(key, value): (&String, &Value)| format!("{key}={}", value.as_str().unwrap_or_default());
    let labels = selector.map(|labels| labels.iter().map(label).collect::<Vec<_>>().join(","));
    Some(match labels.filter(|labels| !labels.is_empty()) {
        Some(labels) => {
            Finding::new(format!("no node has the label {} that pod {} asks for", quoted(&labels), pod.name()))
                .next(format!("kubectl get nodes -l {}", shell_word(&labels)))
                .next("kubectl get nodes --show-labels")
        }
        None => Finding::new(format!("no node fits the node affinity of pod {}", pod.name()))
            .next("kubectl get nodes --show-labels"),
    })
}

/// The taints of nodes that a pod does not tolerate: `KEY=VALUE:EFFECT`.
fn untolerated(nodes: &[&Object], pod: &Object) -> BTreeSet<String> {
    let tolerations = pod.list("/spec/tolerations");
    let tolerated = |taint: &Value| {
        tolerations.iter().any(|toleration| {
            let (key, effect) = (text_of(toleration, "key"), text_of(toleration, "effect"));
            (key.is_empty() || key == text_of(taint, "key"))
                && (effect.is_empty() || effect == text_of(taint, "effect"))
                && (text_of(toleration, "operator") == "Exists"
                    || text_of(toleration, "value") == text_of(taint, "value"))
        })
    };
    let hard = |taint: &&Value| text_of(taint, "effect") != "PreferNoSchedule";
    let taints = nodes.iter().flat_map(|node| node.list("/spec/taints")).filter(hard).filter(|taint| !tolerated(taint));
    let shown = |taint: &Value| {
        let value = Some(text_of(taint, "value")).filter(|value| !value.is_empty()).map(|value| format!("={value}"));
        format!("{}{}:{}", text_of(taint, "key"), value.unwrap_or_default(), text_of(taint, "effect"))
    };
    taints.map(shown).collect()
}

fn taint(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let (pod, message) = said(evidence, "had untolerated taint")?;
    let known = candidates(evidence, pod).map(|nodes| untolerated(&nodes, pod)).filter(|taints| !taints.is_empty());
    // Older schedulers name the taint themselves: `had untolerated taint {key: value}`.
    let named = || between(message, "untolerated taint {", "}").map(quoted);
    let taints = known.map(|taints| taints.into_iter().collect::<Vec<_>>().join(", ")).or_else(named);
    Some(
        Finding::new(match taints {
            Some(taints) => {
                format!("pod {} does not tolerate a taint of the nodes that it would fit on: {taints}", pod.name())
            }
            None => format!("pod {} does not tolerate the taints of nodes: {}", pod.name(), reasons(message)),
        })
        .next("kubectl get nodes -o custom-columns='NAME:.metadata.name,TAINTS:.spec.taints'")
        .next("if the taint is meant to stay, add a toleration to the check's settings (kibertas-rs list)"),
    )
}

fn cordoned(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let (pod, message) = said(evidence, "were unschedulable")?;
    let is_cordoned = |node: &Object| node.at("/spec/unschedulable").as_bool() == Some(true);
    let cordoned = candidates(evidence, pod)
        .map(|nodes| nodes.into_iter().filter(|node| is_cordoned(node)).map(Object::name).collect::<Vec<_>>());
    let which = match cordoned {
        // A cordoned node among those that would not fit anyway explains nothing.
        Some(names) if names.is_empty() => return None,
        Some(names) => quoted(&names.join(", ")),
        None => reasons(message),
    };
    Some(
        Finding::new(format!("the nodes for pod {} are cordoned: {which}", pod.name()))
            .next("kubectl get nodes   # SchedulingDisabled")
            .next("kubectl uncordon NODE, once it is known who cordoned it and why"),
    )
}

fn insufficient(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let (pod, message) = said(evidence, "Insufficient ")?;
    let resource = between(message, "Insufficient ", ".").and_then(|rest| rest.split([',', ' ']).next()).unwrap_or("?");
    Some(
        Finding::new(format!(
            "no node has enough {} left for pod {}: {}",
            quoted(resource),
            pod.name(),
            reasons(message)
        ))
        .next("kubectl describe nodes | grep -A9 'Allocated resources'")
        .next("see why the autoscaler, if there is one, adds no node"),
    )
}

fn too_many_pods(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let (pod, message) = said(evidence, "Too many pods")?;
    Some(
        Finding::new(format!("the nodes for pod {} run as many pods as they may: {}", pod.name(), reasons(message)))
            .next("kubectl get nodes -o custom-columns='NAME:.metadata.name,PODS:.status.allocatable.pods'"),
    )
}

fn anti_affinity(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let (pod, message) = said(evidence, "didn't match pod anti-affinity rules")?;
    Some(
        Finding::new(format!(
            "pod {} needs a node of its own and there is none left: {}",
            pod.name(),
            reasons(message)
        ))
        .next("kubectl get nodes")
        .next("see why the autoscaler, if there is one, adds no node"),
    )
}

fn gated(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let is_gated = |pod: &&Object| pod.condition("PodScheduled").is_some_and(|c| c.reason == "SchedulingGated");
    let pod = pods_in_trouble(evidence).find(is_gated)?;
    let gates = pod.list("/spec/schedulingGates").iter().filter_map(|gate| gate.get("name")?.as_str());
    let gates = gates.collect::<Vec<_>>().join(", ");
    Some(
        Finding::new(format!("the scheduling gate {} holds pod {} back", quoted(&gates), pod.name()))
            .next("see which controller or webhook sets that gate, and whether it runs"),
    )
}

fn scheduler_silent(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let unseen = |pod: &&Object| pod.text("/spec/nodeName").is_empty() && pod.condition("PodScheduled").is_none();
    let pod = pods_in_trouble(evidence).filter(|pod| pod.text("/status/phase") == "Pending").find(unseen)?;
    let finding = match controllers::silent(evidence, &["kube-scheduler"]) {
        Some((_, standing)) => Finding::new(format!("kube-scheduler does not act: it {}", standing.trouble)),
        None => Finding::new(format!("kube-scheduler does not act: it has said nothing about pod {}", pod.name())),
    };
    Some(
        finding
            .next("kubectl -n kube-system get lease kube-scheduler -o yaml")
            .next("kubectl -n kube-system get pods -l component=kube-scheduler"),
    )
}
