//! The kinds of objects that tell why something failed, and the stories that they belong to.

use kube::core::ApiResource;

use crate::check::Grant;

/// What a failure is about. Each story has its kinds and its controllers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Story {
    /// Pods start and become ready.
    Pods,
    /// Requests reach pods from outside.
    Traffic,
    /// Certificates are issued.
    Certificates,
    /// Canaries advance.
    Rollouts,
    /// Nodes join and leave.
    Nodes,
    /// Logs leave the cluster.
    Logs,
    /// Metrics leave the cluster.
    Metrics,
    /// A namespace goes.
    Removal,
}

/// A kind that is read for a story.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    /// The kind.
    pub name: &'static str,
    /// Its API group; empty for the core group.
    pub group: &'static str,
    /// The group's version.
    pub version: &'static str,
    /// The resource.
    pub plural: &'static str,
    /// Whether its objects are in a namespace.
    pub namespaced: bool,
    /// The stories that it is part of.
    pub stories: &'static [Story],
}

impl Kind {
    /// The resource, for the client.
    pub(super) fn resource(&self) -> ApiResource {
        let api_version =
            if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) };
        ApiResource {
            group: self.group.to_owned(),
            version: self.version.to_owned(),
            api_version,
            kind: self.name.to_owned(),
            plural: self.plural.to_owned(),
        }
    }
}

const fn local(
    kind: &'static str,
    group: &'static str,
    version: &'static str,
    plural: &'static str,
    stories: &'static [Story],
) -> Kind {
    Kind { name: kind, group, version, plural, namespaced: true, stories }
}

const fn global(
    kind: &'static str,
    group: &'static str,
    version: &'static str,
    plural: &'static str,
    stories: &'static [Story],
) -> Kind {
    Kind { name: kind, group, version, plural, namespaced: false, stories }
}

const CERT_MANAGER: &str = "cert-manager.io";
const ACME: &str = "acme.cert-manager.io";
const ARGO: &str = "argoproj.io";
const KARPENTER: &str = "karpenter.sh";

/// Every kind that is read, in the order in which evidence lists them. Neither Secrets nor `ConfigMaps` are ever read.
pub(super) static KINDS: &[Kind] = {
    use Story::{Certificates, Logs, Nodes, Pods, Removal, Rollouts, Traffic};
    &[
        local("Ingress", "networking.k8s.io", "v1", "ingresses", &[Traffic]),
        global("IngressClass", "networking.k8s.io", "v1", "ingressclasses", &[Traffic]),
        local("Service", "", "v1", "services", &[Traffic, Rollouts]),
        local("EndpointSlice", "discovery.k8s.io", "v1", "endpointslices", &[Traffic]),
        local("Certificate", CERT_MANAGER, "v1", "certificates", &[Certificates]),
        local("CertificateRequest", CERT_MANAGER, "v1", "certificaterequests", &[Certificates]),
        local("Issuer", CERT_MANAGER, "v1", "issuers", &[Certificates]),
        global("ClusterIssuer", CERT_MANAGER, "v1", "clusterissuers", &[Certificates]),
        local("Order", ACME, "v1", "orders", &[Certificates]),
        local("Challenge", ACME, "v1", "challenges", &[Certificates]),
        local("Rollout", ARGO, "v1alpha1", "rollouts", &[Rollouts]),
        local("AnalysisRun", ARGO, "v1alpha1", "analysisruns", &[Rollouts]),
        global("NodePool", KARPENTER, "v1", "nodepools", &[Nodes]),
        global("NodeClaim", KARPENTER, "v1", "nodeclaims", &[Nodes]),
        global("Node", "", "v1", "nodes", &[Nodes]),
        local("Deployment", "apps", "v1", "deployments", &[Pods, Traffic, Nodes, Logs]),
        local("ReplicaSet", "apps", "v1", "replicasets", &[Pods, Traffic, Rollouts, Nodes]),
        local("Job", "batch", "v1", "jobs", &[Pods, Rollouts, Logs]),
        local("Pod", "", "v1", "pods", &[Pods, Traffic, Certificates, Rollouts, Nodes, Logs, Removal]),
        local("PersistentVolumeClaim", "", "v1", "persistentvolumeclaims", &[Pods]),
    ]
};

/// The kind of a name.
pub(super) fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

/// The stories that a failure belongs to, by its check and the kind of its object.
pub(super) fn stories_of(check: &str, object_kind: Option<&str>) -> Vec<Story> {
    let mut stories = match check {
        "ingress" => vec![Story::Pods, Story::Traffic],
        "cert-manager" => vec![Story::Certificates],
        "rollouts" => vec![Story::Pods, Story::Rollouts],
        "autoscaler" | "cluster-autoscaler" => vec![Story::Pods, Story::Nodes],
        "fluent" => vec![Story::Pods, Story::Logs],
        "datadog-agent" => vec![Story::Metrics],
        _ => Vec::new(),
    };
    if stories.is_empty() {
        stories.extend(object_kind.and_then(kind).iter().flat_map(|kind| kind.stories));
    }
    if object_kind == Some("Namespace") {
        stories.push(Story::Removal);
    }
    stories
}

/// The permissions that make explanations better. None of them is needed for a verdict, and none is asked for by the preflight.
pub fn optional_grants() -> Vec<Grant> {
    let why = "to explain a failure";
    let read = |kind: &Kind| {
        let grant = if kind.namespaced { Grant::namespaced } else { Grant::cluster };
        grant(kind.group, kind.plural, &["list"], why).optional()
    };
    let mut grants: Vec<Grant> = KINDS.iter().map(read).collect();
    grants.push(Grant::cluster("apps", "deployments", &["list"], why).optional());
    grants.push(Grant::cluster("apps", "daemonsets", &["list"], why).optional());
    grants.push(Grant::cluster("coordination.k8s.io", "leases", &["list"], why).optional());
    grants
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_story_reads_secrets_or_config_maps() {
        assert!(KINDS.iter().all(|kind| !matches!(kind.plural, "secrets" | "configmaps")));
        assert!(optional_grants().iter().all(|grant| grant.verbs == ["list"]));
    }

    #[test]
    fn an_unknown_check_is_explained_by_its_object() {
        assert_eq!(stories_of("mine", Some("Certificate")), [Story::Certificates]);
        assert_eq!(stories_of("mine", None), []);
        assert!(stories_of("ingress", Some("Namespace")).contains(&Story::Removal));
    }
}
