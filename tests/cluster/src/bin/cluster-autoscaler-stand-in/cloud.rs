//! The cloud: machines are ordered, come as nodes that kwok plays the kubelet of, and are given back.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Node;
use k8s_openapi::jiff::Timestamp;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use crate::group::{Group, LABEL};

/// The taint on a node that is about to be removed.
///
/// <https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/FAQ.md#how-does-scale-down-work>
const LEAVING: &str = "ToBeDeletedByClusterAutoscaler";

/// The machines that are on their way.
pub(crate) struct Cloud {
    nodes: Api<Node>,
    /// How many, by group.
    ordered: BTreeMap<String, usize>,
    /// Numbers the machines of this process's life.
    count: usize,
}

impl Cloud {
    pub(crate) fn new(client: Client) -> Self {
        Self { nodes: Api::all(client), ordered: BTreeMap::new(), count: 0 }
    }

    /// How many machines are on their way, by group.
    pub(crate) fn on_their_way(&self) -> BTreeMap<String, usize> {
        self.ordered.clone()
    }

    /// How many machines of a group are on their way.
    pub(crate) fn of(&self, group: &Group) -> usize {
        self.ordered.get(&group.name).copied().unwrap_or_default()
    }

    /// Orders machines.
    pub(crate) fn order(&mut self, group: &Group, machines: usize) {
        if machines > 0 {
            *self.ordered.entry(group.name.clone()).or_default() += machines;
        }
    }

    /// Lets machines join. Orders of groups that are not configured any more are dropped.
    pub(crate) async fn deliver(&mut self, groups: &[Group]) -> kube::Result<()> {
        self.ordered.retain(|name, _| groups.iter().any(|group| group.name == *name));
        for group in groups.iter().filter(|group| group.launches) {
            while self.of(group) > 0 {
                self.count += 1;
                let name = format!("{}-{}-{}", group.name, Timestamp::now().as_millisecond(), self.count);
                self.nodes.create(&PostParams::default(), &node(group, &name)?).await?;
                self.ordered.entry(group.name.clone()).and_modify(|machines| *machines -= 1);
            }
        }
        Ok(())
    }

    /// Marks a node as leaving, and removes it.
    pub(crate) async fn give_back(&self, node: &Node) -> kube::Result<()> {
        let name = node.name_any();
        let mut taints = node.spec.as_ref().and_then(|spec| spec.taints.clone()).unwrap_or_default();
        taints.retain(|taint| taint.key != LEAVING);
        let mut taints: Vec<Value> = taints.iter().map(|taint| json!(taint)).collect();
        taints.push(json!({"key": LEAVING, "value": Timestamp::now().as_second().to_string(), "effect": "NoSchedule"}));
        let patch = Patch::Merge(json!({"spec": {"taints": taints}}));
        let removed = async {
            self.nodes.patch(&name, &PatchParams::default(), &patch).await?;
            self.nodes.delete(&name, &DeleteParams::default()).await
        };
        match removed.await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn node(group: &Group, name: &str) -> kube::Result<Node> {
    let mut labels: BTreeMap<&str, &str> = group.labels.iter().map(|(key, value)| (&**key, &**value)).collect();
    labels.extend([(LABEL, group.name.as_str()), ("kubernetes.io/hostname", name)]);
    labels.insert("node.kubernetes.io/instance-type", "stand-in");
    let room = json!({"cpu": group.cpu.to_string(), "memory": "8Gi", "pods": "110"});
    let mut status = json!({"allocatable": room, "capacity": room});
    if group.boots {
        labels.insert("kwok.x-k8s.io/node", "fake");
    } else {
        // Nobody plays its kubelet, so that it stays as it is.
        status["conditions"] = json!([{
            "type": "Ready", "status": "False", "reason": "KubeletNotReady",
            "message": "container runtime network not ready: cni plugin not initialized",
        }]);
    }
    let node = json!({
        "metadata": {"name": name, "labels": labels},
        "spec": {"providerID": format!("stand-in:///{}/{name}", group.name), "taints": group.taints},
        "status": status,
    });
    serde_json::from_value(node).map_err(kube::Error::SerdeError)
}
