//! Which nodes are added, and what is said about the pods that wait for one.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Node, Pod};

use crate::group::Group;
use crate::words::Word;

/// Pods below this priority make no node (`--expendable-pods-priority-cutoff`).
///
/// <https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/FAQ.md#how-does-cluster-autoscaler-work-with-pod-priority-and-preemption>
const EXPENDABLE_BELOW: i32 = -10;

/// What one look at the cluster leads to.
#[derive(Debug, Default)]
pub(crate) struct Plan<'a> {
    /// How many nodes to order, by group.
    pub(crate) nodes: BTreeMap<String, usize>,
    /// What is said about pods.
    pub(crate) words: Vec<(&'a Pod, Word)>,
}

/// Plans a node for each pod that waits, in the first group that takes it and may grow; a node that is on its way counts as there.
///
/// The real one packs pods onto fewer nodes where it can. The checks' pods want a node each.
pub(crate) fn plan<'a>(
    groups: &[Group],
    nodes: &[Node],
    pods: &'a [Pod],
    on_their_way: &BTreeMap<String, usize>,
) -> Plan<'a> {
    let mut plan = Plan::default();
    let mut free = on_their_way.clone();
    let mut helped: Vec<(&Pod, &Group)> = Vec::new();
    // Without groups there is nothing to say about.
    for pod in pods.iter().filter(|pod| waits(pod) && !groups.is_empty()) {
        let mut refusals: BTreeMap<String, usize> = BTreeMap::new();
        let mut found = None;
        let coming = groups
            .iter()
            .find(|group| group.takes(pod).is_ok() && free.get(&group.name).is_some_and(|nodes| *nodes > 0));
        if let Some(nodes) = coming.and_then(|group| free.get_mut(&group.name)) {
            *nodes -= 1;
            continue;
        }
        for group in groups {
            let ordered = plan.nodes.get(&group.name).copied().unwrap_or_default();
            let coming = on_their_way.get(&group.name).copied().unwrap_or_default();
            match group.takes(pod) {
                Err(why) => *refusals.entry(why).or_default() += 1,
                Ok(()) if group.size(nodes) + coming + ordered >= group.max => {
                    *refusals.entry("max node group size reached".to_owned()).or_default() += 1;
                }
                Ok(()) => found = found.or(Some(group)),
            }
        }
        match found {
            Some(group) => {
                *plan.nodes.entry(group.name.clone()).or_default() += 1;
                helped.push((pod, group));
            }
            None => plan.words.push((pod, Word::not_triggered(&refusals))),
        }
    }
    for (pod, group) in helped {
        let before = group.size(nodes) + on_their_way.get(&group.name).copied().unwrap_or_default();
        plan.words.push((pod, Word::triggered(&group.name, before, before + plan.nodes[&group.name], group.max)));
    }
    plan
}

/// Whether the scheduler has found no node for the pod, and it is worth one.
fn waits(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let unschedulable =
        conditions.iter().any(|it| it.type_ == "PodScheduled" && it.reason.as_deref() == Some("Unschedulable"));
    let spec = pod.spec.as_ref();
    let bound = spec.is_some_and(|spec| spec.node_name.is_some());
    let priority = spec.and_then(|spec| spec.priority).unwrap_or_default();
    unschedulable && !bound && pod.metadata.deletion_timestamp.is_none() && priority >= EXPENDABLE_BELOW
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::group::LABEL;
    use crate::group::tests::{group, pod};

    fn spot(priority: i32) -> Value {
        json!({"nodeSelector": {"pool": "spot"}, "priority": priority, "containers": []})
    }

    fn node(group: &str) -> Node {
        serde_json::from_value(json!({"metadata": {"name": "n", "labels": {LABEL: group}}})).unwrap()
    }

    fn said(plan: &Plan) -> Vec<(String, String)> {
        plan.words.iter().map(|(_, word)| (word.reason.to_owned(), word.message.clone())).collect()
    }

    #[test]
    fn each_pod_that_waits_gets_a_node_and_a_word() {
        let groups = [group("spot", json!({"max": 3, "labels": {"pool": "spot"}}))];
        let pods = [pod("a", spot(0)), pod("b", spot(-10))];
        let plan = plan(&groups, &[node("spot")], &pods, &BTreeMap::new());
        assert_eq!(plan.nodes, [("spot".to_owned(), 2)].into());
        let word = ("TriggeredScaleUp".to_owned(), "pod triggered scale-up: [{spot 1->3 (max: 3)}]".to_owned());
        assert_eq!(said(&plan), [word.clone(), word]);
    }

    #[test]
    fn a_group_does_not_grow_beyond_its_maximum() {
        let groups = [group("other", json!({"max": 9})), group("spot", json!({"max": 1, "labels": {"pool": "spot"}}))];
        let waiting = [pod("a", spot(0))];
        let full = plan(&groups, &[node("spot")], &waiting, &BTreeMap::new());
        assert!(full.nodes.is_empty());
        let message = "pod didn't trigger scale-up: 1 max node group size reached, 1 node(s) didn't match Pod's node affinity/selector";
        assert_eq!(said(&full), [("NotTriggerScaleUp".to_owned(), message.to_owned())]);
    }

    #[test]
    fn a_node_on_its_way_is_not_ordered_twice() {
        let groups = [group("spot", json!({"max": 3, "labels": {"pool": "spot"}}))];
        let pods = [pod("a", spot(0)), pod("b", spot(0))];
        let plan = plan(&groups, &[], &pods, &[("spot".to_owned(), 1)].into());
        assert_eq!(plan.nodes, [("spot".to_owned(), 1)].into());
        let word = ("TriggeredScaleUp".to_owned(), "pod triggered scale-up: [{spot 1->2 (max: 3)}]".to_owned());
        assert_eq!(said(&plan), [word]);
    }

    #[test]
    fn expendable_pods_are_not_looked_at() {
        let groups = [group("spot", json!({"max": 3, "labels": {"pool": "spot"}}))];
        let pods = [pod("a", spot(-11))];
        let plan = plan(&groups, &[], &pods, &BTreeMap::new());
        assert!(plan.nodes.is_empty() && plan.words.is_empty());
    }
}
