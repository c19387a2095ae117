//! Which nodes nobody needs.
//!
//! The real one also removes nodes whose pods fit elsewhere; here a node has to be empty.

use k8s_openapi::api::core::v1::{Node, Pod};
use kube::ResourceExt;

use crate::group::{self, Group};

/// The nodes on which nothing runs that keeps them, and whose group may shrink.
///
/// <https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/FAQ.md#what-types-of-pods-can-prevent-ca-from-removing-a-node>
pub(crate) fn empty<'a>(groups: &[Group], nodes: &'a [Node], pods: &[Pod]) -> Vec<&'a Node> {
    let mut empty = Vec::new();
    for one in groups {
        let of_group = nodes.iter().filter(|node| group::of(node) == Some(&one.name));
        let spare = one.size(nodes).saturating_sub(one.min);
        empty.extend(of_group.filter(|node| is_empty(node, pods)).take(spare));
    }
    empty
}

/// Whether nothing runs on a node that keeps it.
pub(crate) fn is_empty(node: &Node, pods: &[Pod]) -> bool {
    !pods.iter().any(|pod| keeps(pod, &node.name_any()))
}

/// Whether its kubelet says that it is ready.
pub(crate) fn is_ready(node: &Node) -> bool {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.into_iter().flatten().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

fn keeps(pod: &Pod, node: &str) -> bool {
    let there = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()) == Some(node);
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default();
    let by_daemon = pod.owner_references().iter().any(|owner| owner.kind == "DaemonSet" || owner.kind == "Node");
    there && !by_daemon && !matches!(phase, "Succeeded" | "Failed")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::group::LABEL;
    use crate::group::tests::group;

    #[test]
    fn a_node_is_spare_without_pods_and_above_the_minimum() {
        let node = |name: &str| -> Node {
            serde_json::from_value(json!({"metadata": {"name": name, "labels": {LABEL: "spot"}}})).unwrap()
        };
        let nodes = [node("a"), node("b"), node("c")];
        let pod: Pod =
            serde_json::from_value(json!({"metadata": {"name": "p"}, "spec": {"nodeName": "a", "containers": []}}))
                .unwrap();
        let names = |min: usize| {
            let groups = [group("spot", json!({"min": min, "max": 9}))];
            empty(&groups, &nodes, std::slice::from_ref(&pod))
                .into_iter()
                .map(ResourceExt::name_any)
                .collect::<Vec<_>>()
        };
        assert_eq!(names(0), ["b", "c"]);
        assert_eq!(names(2), ["b"]);
        assert!(names(3).is_empty());
    }
}
