//! The Deployment that needs one node more than there are.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec};
use k8s_openapi::api::core::v1::{Affinity, PodAffinityTerm, PodAntiAffinity, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};

use super::settings::Settings;
use crate::cluster::pods::{APP_LABEL, pod_spec};
use crate::cluster::scratch::{Scratch, named};

/// Keeps the autoscalers from moving a replica while the check looks at it.
///
/// <https://karpenter.sh/docs/concepts/disruption/#pod-level-controls> and
/// <https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/FAQ.md#what-types-of-pods-can-prevent-ca-from-removing-a-node>
const STAY: [(&str, &str); 2] =
    [("karpenter.sh/do-not-disrupt", "true"), ("cluster-autoscaler.kubernetes.io/safe-to-evict", "false")];

/// `replicas` pods under the label, no two of them on the same node.
pub(super) fn deployment(
    scratch: &Scratch,
    image: &str,
    name: &str,
    replicas: usize,
    settings: &Settings,
) -> Deployment {
    let mut labels = scratch.labels();
    labels.insert(APP_LABEL.to_owned(), name.to_owned());
    let selector = LabelSelector {
        match_labels: Some([(APP_LABEL.to_owned(), name.to_owned())].into()),
        ..LabelSelector::default()
    };
    let mut spec = pod_spec(image, &["probe", "pause"], &[], false);
    for container in &mut spec.containers {
        let resources = container.resources.get_or_insert_default();
        let requests = resources.requests.get_or_insert_default();
        requests.insert("cpu".to_owned(), Quantity(settings.cpu.clone()));
        if let Some(memory) = &settings.memory {
            // The usual limit may be below a request that is given.
            requests.insert("memory".to_owned(), Quantity(memory.clone()));
            resources.limits.get_or_insert_default().insert("memory".to_owned(), Quantity(memory.clone()));
        }
    }
    spec.node_selector = Some([(settings.label.key.clone(), settings.label.value.clone())].into());
    spec.tolerations = (!settings.tolerations.is_empty()).then(|| settings.tolerations.clone());
    spec.priority_class_name.clone_from(&settings.priority_class);
    spec.affinity = Some(Affinity {
        pod_anti_affinity: Some(PodAntiAffinity {
            required_during_scheduling_ignored_during_execution: Some(vec![PodAffinityTerm {
                topology_key: "kubernetes.io/hostname".to_owned(),
                label_selector: Some(selector.clone()),
                ..PodAffinityTerm::default()
            }]),
            ..PodAntiAffinity::default()
        }),
        ..Affinity::default()
    });
    let annotations: BTreeMap<String, String> = STAY.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    Deployment {
        metadata: named(name),
        spec: Some(DeploymentSpec {
            replicas: Some(i32::try_from(replicas).unwrap_or(i32::MAX)),
            selector,
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(labels),
                    annotations: Some(annotations),
                    ..ObjectMeta::default()
                }),
                spec: Some(spec),
            },
            ..DeploymentSpec::default()
        }),
        ..Deployment::default()
    }
}
