//! Which autoscaler is there.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{DynamicObject, ListParams};
use kube::core::{ApiResource, GroupVersionKind};

use super::claim::SeenPool;
use super::settings::Settings;
use crate::cluster::call::{Action, Answer, call, try_call};
use crate::context::{Context, Step};
use crate::failure::{Certainty, Failure, ObjectRef, Origin};

/// Karpenter's API group.
const KARPENTER: &str = "karpenter.sh";
/// Its versions that have NodeClaims, newest first.
const VERSIONS: [&str; 2] = ["v1", "v1beta1"];
/// The namespace in which Cluster Autoscaler writes its status by default.
pub(super) const STATUS_NAMESPACE: &str = "kube-system";
/// Where Cluster Autoscaler writes its status by default (`--status-config-map-name`).
///
/// <https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/FAQ.md#how-can-i-check-what-is-going-on-in-ca->
pub(super) const STATUS_CONFIG_MAP: &str = "cluster-autoscaler-status";
/// The annotation on it with the time of its last loop.
const LAST_UPDATED: &str = "cluster-autoscaler.kubernetes.io/last-updated";

/// The autoscaler that has to add the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Autoscaler {
    /// <https://karpenter.sh>
    Karpenter {
        /// The version of its API.
        version: &'static str,
    },
    /// <https://github.com/kubernetes/autoscaler/tree/master/cluster-autoscaler>
    ClusterAutoscaler,
}

impl Autoscaler {
    pub(super) fn is_karpenter(self) -> bool {
        matches!(self, Self::Karpenter { .. })
    }
}

impl std::fmt::Display for Autoscaler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.is_karpenter() { "Karpenter" } else { "Cluster Autoscaler" })
    }
}

/// What speaks for each autoscaler.
#[derive(Debug, Clone, Default)]
pub(super) struct Signs {
    /// The version of Karpenter's API, where it is served.
    pub(super) karpenter: Option<&'static str>,
    /// How many NodePools there are.
    pub(super) pools: usize,
    /// Whether Cluster Autoscaler's status is there.
    pub(super) status: bool,
}

/// Chooses by the setting, else by the signs: Karpenter where it has something to do, then Cluster Autoscaler, then a Karpenter
/// without any NodePool, so that a CRD left behind by Karpenter does not hide a Cluster Autoscaler that runs.
pub(super) fn choose(wanted: &str, signs: &Signs) -> Option<Autoscaler> {
    let karpenter = signs.karpenter.map(|version| Autoscaler::Karpenter { version });
    match wanted {
        "karpenter" => karpenter,
        "cluster-autoscaler" => Some(Autoscaler::ClusterAutoscaler),
        _ if signs.pools > 0 => karpenter,
        _ if signs.status => Some(Autoscaler::ClusterAutoscaler),
        _ => karpenter,
    }
}

/// One of Karpenter's resources.
pub(super) fn karpenter_resource(version: &str, kind: &str, plural: &str) -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(KARPENTER, version, kind), plural)
}

/// Looks which autoscaler is there, and reads Karpenter's NodePools.
pub(super) async fn detect(
    cx: &Context,
    step: &Step,
    settings: &Settings,
) -> Result<(Autoscaler, Vec<SeenPool>), Failure> {
    let wanted = settings.autoscaler.as_str();
    let mut signs = Signs::default();
    let mut pools = Vec::new();
    if wanted != "cluster-autoscaler" {
        signs.karpenter = karpenter_version(cx, step).await?;
        if let Some(version) = signs.karpenter {
            pools = node_pools(cx, step, version).await?;
            signs.pools = pools.len();
        }
    }
    if wanted == "auto" {
        let status = status_config_map(cx, step).await?;
        signs.status = status.is_some();
        let updated = status.and_then(|map| map.metadata.annotations?.remove(LAST_UPDATED));
        if let Some(updated) = updated {
            step.evidence("clusterAutoscalerStatusUpdated", updated);
        }
    }
    let Some(autoscaler) = choose(wanted, &signs) else { return Err(none_found(wanted)) };
    step.evidence("autoscaler", autoscaler.to_string());
    step.evidence("chosenBy", if wanted == "auto" { "what is there" } else { "the setting" });
    if let Autoscaler::Karpenter { version } = autoscaler {
        step.evidence("api", format!("{KARPENTER}/{version}"));
        step.evidence("nodePools", &pools);
    }
    if signs.pools > 0 && signs.status {
        step.evidence("alsoFound", "Cluster Autoscaler");
    }
    Ok((autoscaler, pools))
}

async fn karpenter_version(cx: &Context, step: &Step) -> Result<Option<&'static str>, Failure> {
    let action = Action {
        verb: "list",
        resource: "apigroups".to_owned(),
        object: ObjectRef::cluster_scoped("APIGroup", KARPENTER),
    };
    let groups = call(step, &action, async || cx.client.list_api_groups().await).await?;
    let served = groups.groups.into_iter().find(|group| group.name == KARPENTER);
    let has = |version: &str| served.iter().flat_map(|group| &group.versions).any(|v| v.version == version);
    Ok(VERSIONS.into_iter().find(|version| has(version)))
}

async fn node_pools(cx: &Context, step: &Step, version: &str) -> Result<Vec<SeenPool>, Failure> {
    let resource = karpenter_resource(version, "NodePool", "nodepools");
    let api: Api<DynamicObject> = Api::all_with(cx.client.clone(), &resource);
    let action = Action {
        verb: "list",
        resource: format!("nodepools.{KARPENTER}"),
        object: ObjectRef::cluster_scoped("NodePool", "all"),
    };
    let pools = call(step, &action, async || api.list(&ListParams::default()).await).await?;
    Ok(pools.iter().map(SeenPool::of).collect())
}

async fn status_config_map(cx: &Context, step: &Step) -> Result<Option<ConfigMap>, Failure> {
    let api: Api<ConfigMap> = Api::namespaced(cx.client.clone(), STATUS_NAMESPACE);
    let action = Action::on::<ConfigMap>("get", STATUS_NAMESPACE, STATUS_CONFIG_MAP);
    match try_call(step, &action, async || api.get(STATUS_CONFIG_MAP).await).await {
        Ok(map) => Ok(Some(map)),
        Err(Answer::NotFound(_)) => Ok(None),
        Err(answer) => Err(action.failure(answer)),
    }
}

fn none_found(wanted: &str) -> Failure {
    let failure = Failure::failed("an autoscaler in the cluster");
    if wanted == "karpenter" {
        return failure
            .saw(format!("the API server does not serve NodeClaims of {KARPENTER}"))
            .because(Certainty::Certain, Origin::Cluster, "Karpenter, or its CRDs, are not installed")
            .next("kubectl get crd nodeclaims.karpenter.sh nodepools.karpenter.sh");
    }
    failure
        .saw(format!("neither the API group {KARPENTER} nor the ConfigMap {STATUS_NAMESPACE}/{STATUS_CONFIG_MAP}"))
        .because(
            Certainty::Likely,
            Origin::Cluster,
            "no autoscaler is installed, or Cluster Autoscaler writes its status elsewhere",
        )
        .next("kubectl get deployments -A | grep -e karpenter -e autoscaler")
        .next("set the check's setting autoscaler to cluster-autoscaler where it runs under other names")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_something_to_do_is_chosen() {
        let karpenter = Some(Autoscaler::Karpenter { version: "v1" });
        let signs = |karpenter: bool, pools, status| Signs { karpenter: karpenter.then_some("v1"), pools, status };
        for (signs, chosen) in [
            (signs(false, 0, false), None),
            (signs(true, 1, false), karpenter),
            (signs(true, 1, true), karpenter),
            (signs(true, 0, true), Some(Autoscaler::ClusterAutoscaler)),
            (signs(true, 0, false), karpenter),
            (signs(false, 0, true), Some(Autoscaler::ClusterAutoscaler)),
        ] {
            assert_eq!(choose("auto", &signs), chosen, "{signs:?}");
        }
        assert_eq!(choose("cluster-autoscaler", &Signs::default()), Some(Autoscaler::ClusterAutoscaler));
        assert_eq!(choose("karpenter", &Signs::default()), None);
    }
}
