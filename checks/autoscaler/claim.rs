//! Karpenter's NodeClaim and NodePool as far as the check looks at them.
//!
//! Their stages are the conditions of <https://karpenter.sh/docs/concepts/nodeclaims/>. Both are read without a type of
//! their own, because `v1` and `v1beta1` agree in all that is looked at here.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kube::ResourceExt;
use kube::api::DynamicObject;
use serde::Serialize;
use serde_json::Value;

use super::node::SeenNode;
use super::settings::Label;

/// How far a claim has come with one stage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// Whether it is behind it.
    pub(super) reached: bool,
    /// Whether Karpenter has given it up.
    pub(super) refused: bool,
    /// What Karpenter says about it: reason and message.
    pub(super) says: String,
}

/// A NodeClaim.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SeenClaim {
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) created: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) node_pool: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) instance_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) zone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) capacity_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) provider_id: Option<String>,
    #[serde(skip)]
    pub(super) node_name: Option<String>,
    #[serde(skip)]
    pub(super) launched: Progress,
    #[serde(skip)]
    pub(super) registered: Progress,
    #[serde(skip)]
    pub(super) initialized: Progress,
    #[serde(skip)]
    pub(super) leaving: bool,
    /// Whether its node is to carry the label that the check asks for.
    #[serde(skip)]
    pub(super) carries_label: bool,
}

impl SeenClaim {
    pub(super) fn of(claim: &DynamicObject, label: &Label) -> Self {
        let labels = claim.labels();
        let text = |pointer: &str| {
            claim.data.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
        };
        Self {
            name: claim.name_any(),
            uid: claim.uid().unwrap_or_default(),
            created: claim.creation_timestamp().map(|time| time.0),
            node_pool: labels.get("karpenter.sh/nodepool").cloned(),
            instance_type: labels.get("node.kubernetes.io/instance-type").cloned(),
            zone: labels.get("topology.kubernetes.io/zone").cloned(),
            capacity_type: labels.get("karpenter.sh/capacity-type").cloned(),
            provider_id: text("/status/providerID"),
            node_name: text("/status/nodeName"),
            launched: progress(&claim.data, "Launched"),
            registered: progress(&claim.data, "Registered"),
            initialized: progress(&claim.data, "Initialized"),
            leaving: claim.metadata.deletion_timestamp.is_some(),
            carries_label: labels.get(&label.key) == Some(&label.value) || requires(&claim.data, label),
        }
    }

    /// Whether this is the node that the claim became. A node that has just registered may carry the owner only, or the provider's
    /// id only.
    pub(super) fn is_of(&self, node: &SeenNode) -> bool {
        node.claim.as_ref() == Some(&self.uid)
            || self.node_name.as_ref() == Some(&node.name)
            || (self.provider_id.is_some() && self.provider_id == node.provider_id)
    }
}

fn conditions(object: &Value) -> &[Value] {
    object.pointer("/status/conditions").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn progress(object: &Value, kind: &str) -> Progress {
    let Some(condition) = conditions(object).iter().find(|condition| condition["type"] == kind) else {
        return Progress { says: "no word yet".to_owned(), ..Progress::default() };
    };
    let text = |field: &str| condition[field].as_str().unwrap_or_default();
    let says = match (text("reason"), text("message")) {
        (reason, "") => reason.to_owned(),
        (reason, message) => format!("{reason}: {message}"),
    };
    Progress { reached: text("status") == "True", refused: text("status") == "False", says }
}

/// Whether the claim's requirements leave no other value for the label.
fn requires(claim: &Value, label: &Label) -> bool {
    let requirements = claim.pointer("/spec/requirements").and_then(Value::as_array);
    requirements.into_iter().flatten().any(|requirement| {
        requirement["key"] == label.key.as_str()
            && requirement["operator"] == "In"
            && requirement["values"] == serde_json::json!([label.value])
    })
}

/// A NodePool.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SeenPool {
    pub(super) name: String,
    /// Why it is not ready; `None`: it is, or does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) not_ready: Option<String>,
    /// What its nodes may have together, by resource.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) limits: BTreeMap<String, String>,
    /// What its nodes have together, by resource.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) in_use: BTreeMap<String, String>,
    /// How long a node stays after its last pod has gone; `Never` keeps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) consolidate_after: Option<String>,
}

impl SeenPool {
    pub(super) fn of(pool: &DynamicObject) -> Self {
        let amounts = |pointer: &str| {
            let map = pool.data.pointer(pointer).and_then(Value::as_object);
            let amount = |(name, amount): (&String, &Value)| {
                (name.clone(), amount.as_str().map_or_else(|| amount.to_string(), str::to_owned))
            };
            map.into_iter().flatten().map(amount).collect()
        };
        let ready = progress(&pool.data, "Ready");
        Self {
            name: pool.name_any(),
            not_ready: ready.refused.then_some(ready.says),
            limits: amounts("/spec/limits"),
            in_use: amounts("/status/resources"),
            consolidate_after: pool
                .data
                .pointer("/spec/disruption/consolidateAfter")
                .and_then(Value::as_str)
                .map(str::to_owned),
        }
    }

    /// One line for a reader.
    pub(super) fn line(&self) -> String {
        let state = self.not_ready.as_ref().map(|why| format!(" is not ready: {why}")).unwrap_or_default();
        let used = |resource: &String| self.in_use.get(resource).map_or("0", String::as_str);
        let limit = |(resource, limit)| format!(", {resource}: {} of at most {limit} in use", used(resource));
        format!("NodePool {}{state}{}", self.name, self.limits.iter().map(limit).collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> DynamicObject {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn stages_are_told_with_karpenters_words() {
        let claim = object(json!({"metadata": {"name": "c", "uid": "u"}, "status": {"conditions": [
            {"type": "Launched", "status": "True", "reason": "Launched", "message": ""},
            {"type": "Registered", "status": "False", "reason": "MultipleNodesFound", "message": "Invariant violated"},
            {"type": "Initialized", "status": "Unknown", "reason": "NodeNotReady", "message": "Node status is NotReady"},
        ]}}));
        let label = Label { key: "pool".into(), value: "spot".into() };
        let claim = SeenClaim::of(&claim, &label);
        assert!(claim.launched.reached);
        assert!(claim.registered.refused);
        assert_eq!(claim.initialized.says, "NodeNotReady: Node status is NotReady");
        assert!(!claim.initialized.refused, "not yet is not never");
    }

    #[test]
    fn a_claim_carries_a_label_by_label_or_by_requirement() {
        let label = Label { key: "karpenter.sh/capacity-type".into(), value: "spot".into() };
        let with = |labels: Value, values: Value| {
            let requirements = json!([{"key": "karpenter.sh/capacity-type", "operator": "In", "values": values}]);
            let claim = json!({"metadata": {"name": "c", "labels": labels}, "spec": {"requirements": requirements}});
            SeenClaim::of(&object(claim), &label).carries_label
        };
        assert!(with(json!({"karpenter.sh/capacity-type": "spot"}), json!([])));
        assert!(with(json!({}), json!(["spot"])), "before the launch only the requirement tells");
        assert!(!with(json!({}), json!(["spot", "on-demand"])));
        assert!(!with(json!({}), json!(["on-demand"])));
    }

    #[test]
    fn a_pool_tells_its_limits_and_what_is_used() {
        let pool = SeenPool::of(&object(json!({"metadata": {"name": "default"},
            "spec": {"limits": {"cpu": "8"}, "disruption": {"consolidateAfter": "Never"}},
            "status": {"resources": {"cpu": "8"}, "conditions": [
                {"type": "Ready", "status": "False", "reason": "NodeClassNotReady", "message": ""}]}})));
        assert_eq!(pool.line(), "NodePool default is not ready: NodeClassNotReady, cpu: 8 of at most 8 in use");
        assert_eq!(pool.consolidate_after.as_deref(), Some("Never"));
    }
}
