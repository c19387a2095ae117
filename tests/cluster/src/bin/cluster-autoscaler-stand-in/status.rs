//! The status: a ConfigMap that is written anew at each look, so that its age tells whether anybody looks.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ConfigMap, Node};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::NAMESPACE;
use crate::group::Group;

/// The ConfigMap's name (`--status-config-map-name`).
const NAME: &str = "cluster-autoscaler-status";
/// The annotation with the time of the last look.
const LAST_UPDATED: &str = "cluster-autoscaler.kubernetes.io/last-updated";

/// Writes the status.
///
/// <https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/FAQ.md#how-can-i-check-what-is-going-on-in-ca->
pub(crate) async fn write(
    client: &Client,
    groups: &[Group],
    nodes: &[Node],
    on_their_way: &BTreeMap<String, usize>,
) -> kube::Result<()> {
    let now = Timestamp::now().strftime("%Y-%m-%d %H:%M:%S.%9f +0000 UTC").to_string();
    let coming = |group: &Group| on_their_way.get(&group.name).copied().unwrap_or_default();
    let each: Vec<Value> = groups.iter().map(|group| of_group(group, group.size(nodes), coming(group))).collect();
    // JSON is YAML, in which newer versions write it.
    let status = json!({"time": now, "autoscalerStatus": "Running", "nodeGroups": each});
    let map = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": NAME, "annotations": {LAST_UPDATED: now}},
        "data": {"status": format!("{status:#}")},
    });
    let maps = Api::<ConfigMap>::namespaced(client.clone(), NAMESPACE);
    maps.patch(NAME, &PatchParams::apply("cluster-autoscaler").force(), &Patch::Apply(&map)).await.map(drop)
}

fn of_group(group: &Group, size: usize, coming: usize) -> Value {
    let activity = if coming > 0 { "InProgress" } else { "NoActivity" };
    json!({
        "name": group.name,
        "health": {
            "status": "Healthy",
            "nodeCounts": {"registered": {"total": size}},
            "cloudProviderTarget": size + coming,
            "minSize": group.min,
            "maxSize": group.max,
        },
        "scaleUp": {"status": activity},
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::tests::group;

    #[test]
    fn a_group_tells_its_size_and_its_bounds() {
        let told = of_group(&group("spot", json!({"min": 1, "max": 5})), 2, 1);
        assert_eq!(told["health"]["cloudProviderTarget"], 3);
        assert_eq!(told["health"]["maxSize"], 5);
        assert_eq!(told["scaleUp"]["status"], "InProgress");
    }
}
