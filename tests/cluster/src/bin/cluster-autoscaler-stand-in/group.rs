//! Node groups: what the cloud would call an auto scaling group.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ConfigMap, Node, Pod, Taint, Toleration};
use serde::Deserialize;

/// The label that says which group a node is of.
pub(crate) const LABEL: &str = "stand-in.test/node-group";

/// A node group.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Group {
    #[serde(skip)]
    pub(crate) name: String,
    /// The fewest nodes that it has.
    #[serde(default)]
    pub(crate) min: usize,
    /// The most nodes that it may have.
    pub(crate) max: usize,
    /// The labels of its nodes.
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
    /// The taints of its nodes.
    #[serde(default)]
    pub(crate) taints: Vec<Taint>,
    /// The CPU of each node, in cores.
    #[serde(default = "four")]
    pub(crate) cpu: u64,
    /// Whether the cloud gives machines; otherwise they are ordered and never come.
    #[serde(default = "yes")]
    pub(crate) launches: bool,
    /// Whether its nodes become ready.
    #[serde(default = "yes")]
    pub(crate) boots: bool,
}

const fn yes() -> bool {
    true
}

const fn four() -> u64 {
    4
}

/// The groups of the ConfigMap, by name. One that cannot be read is told and left out.
pub(crate) fn read(map: &ConfigMap) -> Vec<Group> {
    let read = |(name, text): (&String, &String)| match serde_json::from_str::<Group>(text) {
        Ok(group) => Some(Group { name: name.clone(), ..group }),
        Err(error) => {
            eprintln!("group {name}: {error}");
            None
        }
    };
    map.data.iter().flatten().filter_map(read).collect()
}

/// The group that a node is of.
pub(crate) fn of(node: &Node) -> Option<&str> {
    node.metadata.labels.as_ref()?.get(LABEL).map(String::as_str)
}

impl Group {
    /// How many nodes it has.
    pub(crate) fn size(&self, nodes: &[Node]) -> usize {
        nodes.iter().filter(|node| of(node) == Some(&self.name)).count()
    }

    /// Whether a new node of the group would take the pod; if not, why, in the scheduler's words.
    pub(crate) fn takes(&self, pod: &Pod) -> Result<(), String> {
        let Some(spec) = &pod.spec else { return Ok(()) };
        let selector = spec.node_selector.iter().flatten();
        if selector.into_iter().any(|(key, value)| self.labels.get(key) != Some(value)) {
            return Err("node(s) didn't match Pod's node affinity/selector".to_owned());
        }
        let tolerations = spec.tolerations.as_deref().unwrap_or_default();
        let kept = self.taints.iter().find(|taint| {
            taint.effect != "PreferNoSchedule" && !tolerations.iter().any(|toleration| tolerates(toleration, taint))
        });
        if let Some(taint) = kept {
            let value = taint.value.as_deref().unwrap_or_default();
            return Err(format!("node(s) had untolerated taint {{{}: {value}}}", taint.key));
        }
        let requested = |container: &k8s_openapi::api::core::v1::Container| {
            let requests = container.resources.as_ref()?.requests.as_ref()?;
            millicores(&requests.get("cpu")?.0)
        };
        if spec.containers.iter().filter_map(requested).sum::<u64>() > self.cpu * 1000 {
            return Err("Insufficient cpu".to_owned());
        }
        Ok(())
    }
}

/// <https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/>
fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let exists = toleration.operator.as_deref() == Some("Exists");
    toleration.effect.as_ref().is_none_or(|effect| effect.is_empty() || *effect == taint.effect)
        && toleration.key.as_ref().map_or(exists, |key| *key == taint.key)
        && (exists || toleration.value.as_deref().unwrap_or_default() == taint.value.as_deref().unwrap_or_default())
}

/// A quantity of CPU; `None` where it is written in a way that no check here uses.
fn millicores(quantity: &str) -> Option<u64> {
    match quantity.strip_suffix('m') {
        Some(millis) => millis.parse().ok(),
        None => quantity.parse::<u64>().ok().map(|cores| cores * 1000),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::{Value, json};

    use super::*;

    pub(crate) fn group(name: &str, value: Value) -> Group {
        Group { name: name.to_owned(), ..serde_json::from_value(value).unwrap() }
    }

    #[allow(clippy::needless_pass_by_value, reason = "a literal is given, as `json!` itself takes it")]
    pub(crate) fn pod(name: &str, spec: Value) -> Pod {
        let conditions = json!([{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]);
        let pod = json!({"metadata": {"name": name, "uid": name}, "spec": spec, "status": {"conditions": conditions}});
        serde_json::from_value(pod).unwrap()
    }

    #[test]
    fn a_pod_is_refused_in_the_schedulers_words() {
        let taint = json!([{"key": "dedicated", "value": "gpu", "effect": "NoSchedule"}]);
        let group = group("g", json!({"max": 1, "labels": {"pool": "spot"}, "taints": taint}));
        let tolerations = json!([{"key": "dedicated", "operator": "Exists"}]);
        let with = |selector: Value, tolerations: &Value, cpu: &str| {
            let containers = json!([{"name": "c", "resources": {"requests": {"cpu": cpu}}}]);
            group.takes(&pod(
                "p",
                json!({"nodeSelector": selector, "tolerations": tolerations, "containers": containers}),
            ))
        };
        assert_eq!(with(json!({"pool": "spot"}), &tolerations, "4"), Ok(()));
        for (refused, why) in [
            (with(json!({"pool": "other"}), &tolerations, "1"), "node(s) didn't match Pod's node affinity/selector"),
            (with(json!({"pool": "spot"}), &json!([]), "1"), "node(s) had untolerated taint {dedicated: gpu}"),
            (with(json!({"pool": "spot"}), &tolerations, "4001m"), "Insufficient cpu"),
        ] {
            assert_eq!(refused, Err(why.to_owned()));
        }
    }
}
