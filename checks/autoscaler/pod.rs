//! A replica as far as the check looks at it.

use k8s_openapi::api::core::v1::Pod;
use serde::Serialize;

use crate::cluster::pods;

/// A replica.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SeenPod {
    pub(super) name: String,
    pub(super) uid: String,
    /// The node that it is bound to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) node: Option<String>,
    pub(super) ready: bool,
    /// Why it will not become ready.
    #[serde(skip)]
    pub(super) broken: Option<String>,
    /// What the scheduler says while it finds no node.
    #[serde(skip)]
    pub(super) unschedulable: Option<String>,
    /// The node on which pods of lower priority give way to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) preempts_on: Option<String>,
    #[serde(skip)]
    pub(super) priority: Option<i32>,
}

impl SeenPod {
    pub(super) fn of(pod: &Pod) -> Self {
        let spec = pod.spec.as_ref();
        let status = pod.status.as_ref();
        let conditions = status.and_then(|status| status.conditions.as_deref()).unwrap_or_default();
        let scheduled = conditions.iter().find(|condition| condition.type_ == "PodScheduled");
        Self {
            name: pod.metadata.name.clone().unwrap_or_default(),
            uid: pod.metadata.uid.clone().unwrap_or_default(),
            node: spec.and_then(|spec| spec.node_name.clone()),
            ready: pods::is_ready(pod),
            broken: pods::broken(pod),
            unschedulable: scheduled.filter(|s| s.status == "False").and_then(|s| s.message.clone()),
            preempts_on: status.and_then(|status| status.nominated_node_name.clone()),
            priority: spec.and_then(|spec| spec.priority),
        }
    }
}
