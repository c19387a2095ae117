//! Which versions of the add-ons a cluster runs, so that two results tell what was upgraded between them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::ListParams;
use kube::{Api, Client};

use super::controllers::{CONTROLLERS, by_label};

/// What an add-on calls itself: <https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/>.
const NAME: &str = "app.kubernetes.io/name";
/// Which version of it that is.
const VERSION: &str = "app.kubernetes.io/version";
/// How long the cluster may take to tell; a run does not wait longer for it.
const PATIENCE: Duration = Duration::from_secs(10);

/// The versions of the add-ons whose workloads are found by their label, by the add-on's name. Nothing where they may not be listed:
/// no verdict depends on them.
pub async fn versions(client: &Client) -> BTreeMap<String, String> {
    let names = CONTROLLERS.iter().flat_map(|controller| controller.labels).copied().collect::<Vec<_>>().join(",");
    let meant = ListParams::default().labels(&format!("{NAME} in ({names})"));
    let deployments = Api::<Deployment>::all(client.clone());
    let daemon_sets = Api::<DaemonSet>::all(client.clone());
    let asked = async { futures::join!(deployments.list(&meant), daemon_sets.list(&meant)) };
    let Ok((deployments, daemon_sets)) = tokio::time::timeout(PATIENCE, asked).await else { return BTreeMap::new() };
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut take = |metadata: &ObjectMeta, template: Option<&PodTemplateSpec>| {
        if let Some((add_on, version)) = version_of(metadata, template) {
            found.entry(add_on.to_owned()).or_default().insert(version);
        }
    };
    for deployment in deployments.into_iter().flatten() {
        take(&deployment.metadata, deployment.spec.as_ref().map(|spec| &spec.template));
    }
    for daemon_set in daemon_sets.into_iter().flatten() {
        take(&daemon_set.metadata, daemon_set.spec.as_ref().map(|spec| &spec.template));
    }
    let joined = |versions: BTreeSet<String>| versions.into_iter().collect::<Vec<_>>().join(", ");
    found.into_iter().map(|(add_on, versions)| (add_on, joined(versions))).collect()
}

/// The add-on and the version of a workload: the tag of its image, which is what runs; else what its label says.
fn version_of(metadata: &ObjectMeta, template: Option<&PodTemplateSpec>) -> Option<(&'static str, String)> {
    let label = |key: &str| metadata.labels.as_ref().and_then(|labels| labels.get(key));
    let add_on = by_label(label(NAME)?)?.addon;
    let image = template.and_then(|template| template.spec.as_ref()?.containers.first()?.image.as_deref());
    let version = image.and_then(tag_of).map(str::to_owned).or_else(|| label(VERSION).cloned());
    Some((add_on, version?))
}

/// The tag of an image: `v1.2` of `registry:5000/team/name:v1.2@sha256:…`.
/// <https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests>
fn tag_of(image: &str) -> Option<&str> {
    let name = image.split_once('@').map_or(image, |(name, _digest)| name);
    let last = name.rsplit('/').next()?;
    last.split_once(':').map(|(_, tag)| tag).filter(|tag| !tag.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::cluster::faults::{Say, scripted, status};

    fn workload(name: &str, image: &str, version: Option<&str>) -> Value {
        let mut labels = json!({NAME: name});
        if let Some(version) = version {
            labels[VERSION] = json!(version);
        }
        json!({"metadata": {"name": "x", "namespace": "y", "labels": labels},
               "spec": {"selector": {}, "template": {"spec": {"containers": [{"name": "c", "image": image}]}}}})
    }

    fn list(kind: &str, items: &[Value]) -> Say {
        Say::Json(200, json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {}, "items": items}))
    }

    #[test]
    fn tags_are_told_from_ports_and_digests() {
        assert_eq!(tag_of("quay.io/jetstack/cert-manager-controller:v1.19.1"), Some("v1.19.1"));
        assert_eq!(tag_of("registry:5000/a/b:v1@sha256:0123"), Some("v1"));
        for without in ["registry:5000/a/b", "name@sha256:0123", "name", ""] {
            assert_eq!(tag_of(without), None, "{without}");
        }
    }

    #[tokio::test]
    async fn what_runs_counts_and_else_the_label() {
        let deployments = [
            workload("cert-manager", "cert-manager-controller:v1.19.1", Some("v1.18.0")),
            workload("argo-rollouts", "argo-rollouts@sha256:0123", Some("v1.8.3")),
            workload("external-dns", "external-dns@sha256:0123", None),
        ];
        let daemon_sets =
            [workload("fluent-bit", "fluent-bit:4.1", None), workload("fluent-bit", "fluent-bit:4.0", None)];
        let (client, _served) =
            scripted(vec![list("DeploymentList", &deployments), list("DaemonSetList", &daemon_sets)]);
        let found = versions(&client).await;
        let found: Vec<_> = found.iter().map(|(name, version)| (name.as_str(), version.as_str())).collect();
        assert_eq!(found, [("Argo Rollouts", "v1.8.3"), ("cert-manager", "v1.19.1"), ("fluent-bit", "4.0, 4.1")]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_not_be_listed_is_simply_not_known() {
        let (client, _served) = scripted(vec![status(403, "no"), status(403, "no")]);
        assert!(versions(&client).await.is_empty());
        let (silent, _served) = scripted(Vec::new());
        assert!(versions(&silent).await.is_empty(), "nobody answers");
    }
}
