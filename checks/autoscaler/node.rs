//! A node as far as the check looks at it.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, Taint, Toleration};
use serde::Serialize;

/// Labels that say how the capacity is paid for, most specific first.
const CAPACITY_LABELS: [&str; 3] =
    ["karpenter.sh/capacity-type", "eks.amazonaws.com/capacityType", "node.kubernetes.io/lifecycle"];

/// Taints that the autoscalers put on a node that they are about to remove.
///
/// <https://karpenter.sh/docs/concepts/disruption/> and
/// <https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/FAQ.md>
const LEAVING_TAINTS: [&str; 3] =
    ["karpenter.sh/disrupted", "karpenter.sh/disruption", "ToBeDeletedByClusterAutoscaler"];

/// A node.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SeenNode {
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) created: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) instance_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) zone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) capacity_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) provider_id: Option<String>,
    /// The UID of the NodeClaim that owns it.
    #[serde(skip)]
    pub(super) claim: Option<String>,
    /// Why it is not ready; `None`: it is.
    #[serde(skip)]
    pub(super) not_ready: Option<String>,
    /// Whether it carries `kubernetes.io/hostname`, without which anti-affinity on it has no effect.
    #[serde(skip)]
    pub(super) has_hostname: bool,
    #[serde(skip)]
    pub(super) taints: Vec<Taint>,
    #[serde(skip)]
    pub(super) leaving: bool,
}

impl SeenNode {
    pub(super) fn of(node: &Node) -> Self {
        let meta = &node.metadata;
        let label = |key: &str| meta.labels.as_ref().and_then(|labels| labels.get(key)).cloned();
        let spec = node.spec.as_ref();
        let taints = spec.and_then(|spec| spec.taints.clone()).unwrap_or_default();
        let cordoned = spec.and_then(|spec| spec.unschedulable).unwrap_or_default();
        let owners = meta.owner_references.iter().flatten();
        Self {
            name: meta.name.clone().unwrap_or_default(),
            uid: meta.uid.clone().unwrap_or_default(),
            created: meta.creation_timestamp.as_ref().map(|time| time.0),
            instance_type: label("node.kubernetes.io/instance-type"),
            zone: label("topology.kubernetes.io/zone"),
            capacity_type: CAPACITY_LABELS.into_iter().find_map(label),
            provider_id: spec.and_then(|spec| spec.provider_id.clone()),
            claim: owners.into_iter().find(|owner| owner.kind == "NodeClaim").map(|owner| owner.uid.clone()),
            not_ready: not_ready(node),
            has_hostname: label("kubernetes.io/hostname").is_some(),
            leaving: cordoned
                || meta.deletion_timestamp.is_some()
                || taints.iter().any(|taint| LEAVING_TAINTS.contains(&taint.key.as_str())),
            taints,
        }
    }

    /// Whether it is ready.
    pub(super) fn is_ready(&self) -> bool {
        self.not_ready.is_none()
    }

    /// Why it takes no replica, now and later: it is on its way out, or keeps a taint that is not tolerated.
    pub(super) fn takes_none(&self, tolerations: &[Toleration]) -> Option<String> {
        if self.leaving {
            return Some("it is cordoned or being removed".to_owned());
        }
        let kept = self.taints.iter().find(|taint| {
            matches!(taint.effect.as_str(), "NoSchedule" | "NoExecute")
                && !is_passing(&taint.key)
                && !tolerations.iter().any(|toleration| tolerates(toleration, taint))
        })?;
        let value = kept.value.as_ref().map(|value| format!("={value}")).unwrap_or_default();
        Some(format!("its taint {}{value}:{} is not tolerated", kept.key, kept.effect))
    }
}

fn not_ready(node: &Node) -> Option<String> {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let Some(ready) = conditions.iter().find(|condition| condition.type_ == "Ready") else {
        return Some("its kubelet has not reported yet".to_owned());
    };
    if ready.status == "True" {
        return None;
    }
    let reason = ready.reason.as_deref().unwrap_or("no reason given");
    let message = ready.message.as_deref().map(|message| format!(": {message}")).unwrap_or_default();
    Some(format!("Ready is {}, {reason}{message}", ready.status))
}

/// Whether a taint goes by itself once the node has come up.
///
/// <https://kubernetes.io/docs/reference/labels-annotations-taints/>; agents such as Cilium's and CSI drivers name theirs
/// `…/agent-not-ready`, and Cluster Autoscaler knows two prefixes.
fn is_passing(key: &str) -> bool {
    let prefixes = [
        "node.kubernetes.io/",
        "node.cloudprovider.kubernetes.io/",
        "startup-taint.cluster-autoscaler.kubernetes.io/",
        "ignore-taint.cluster-autoscaler.kubernetes.io/",
    ];
    key == "karpenter.sh/unregistered" || key.ends_with("not-ready") || prefixes.iter().any(|p| key.starts_with(p))
}

/// <https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/>
fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let effect = text(&toleration.effect);
    let key = text(&toleration.key);
    let exists = toleration.operator.as_deref() == Some("Exists");
    (effect.is_empty() || effect == taint.effect)
        && (key == taint.key || (key.is_empty() && exists))
        && (exists || text(&toleration.value) == text(&taint.value))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::config::kubernetes::parse_tolerations;

    fn node(spec: Value) -> SeenNode {
        let node = json!({"metadata": {"name": "n", "uid": "u"}, "spec": spec});
        SeenNode::of(&serde_json::from_value(node).unwrap())
    }

    #[test]
    fn a_node_that_will_take_a_replica_later_counts() {
        let booting = json!({"taints": [
            {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"},
            {"key": "karpenter.sh/unregistered", "effect": "NoExecute"},
            {"key": "node.cilium.io/agent-not-ready", "effect": "NoExecute"},
            {"key": "spot", "effect": "PreferNoSchedule"},
        ]});
        assert_eq!(node(booting).takes_none(&[]), None);
    }

    #[test]
    fn a_node_on_its_way_out_does_not_count() {
        for spec in [
            json!({"unschedulable": true}),
            json!({"taints": [{"key": "karpenter.sh/disrupted", "effect": "NoSchedule"}]}),
            json!({"taints": [{"key": "ToBeDeletedByClusterAutoscaler", "effect": "NoSchedule", "value": "17"}]}),
        ] {
            assert!(node(spec.clone()).takes_none(&[]).is_some(), "{spec}");
        }
    }

    #[test]
    fn a_lasting_taint_counts_only_where_it_is_tolerated() {
        let tainted = node(json!({"taints": [{"key": "dedicated", "value": "gpu", "effect": "NoSchedule"}]}));
        assert_eq!(tainted.takes_none(&[]).unwrap(), "its taint dedicated=gpu:NoSchedule is not tolerated");
        for (text, takes) in [
            ("dedicated=gpu:NoSchedule", true),
            ("dedicated", true),
            ("*", true),
            ("dedicated=batch", false),
            ("dedicated:NoExecute", false),
            ("gpu", false),
        ] {
            let tolerations = parse_tolerations(text).unwrap();
            assert_eq!(tainted.takes_none(&tolerations).is_none(), takes, "{text}");
        }
    }
}
