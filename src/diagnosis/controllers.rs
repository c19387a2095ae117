//! The controllers behind the add-ons: how their workloads and leader elections are found in any cluster.

use super::evidence::Evidence;
use super::kinds::Story;

/// A controller that has to act for a story to go on.
#[derive(Debug)]
pub(super) struct Controller {
    /// What the add-on is called.
    pub addon: &'static str,
    /// The story that it acts in.
    pub story: Story,
    /// Values of the label `app.kubernetes.io/name` that its manifests and charts give its workloads.
    pub labels: &'static [&'static str],
    /// Names of its leader-election leases.
    pub leases: &'static [&'static str],
}

/// Every controller that is looked for.
///
/// Labels are those of each project's own chart; lease names are the defaults of each project's `--leader-election-id` or alike.
pub(super) static CONTROLLERS: &[Controller] = &[
    Controller { addon: "kube-scheduler", story: Story::Pods, labels: &[], leases: &["kube-scheduler"] },
    Controller {
        addon: "kube-controller-manager",
        story: Story::Pods,
        labels: &[],
        leases: &["kube-controller-manager"],
    },
    Controller { addon: "Traefik", story: Story::Traffic, labels: &["traefik"], leases: &[] },
    Controller {
        addon: "ingress-nginx",
        story: Story::Traffic,
        labels: &["ingress-nginx"],
        leases: &["ingress-nginx-leader", "ingress-controller-leader"],
    },
    Controller {
        addon: "AWS Load Balancer Controller",
        story: Story::Traffic,
        labels: &["aws-load-balancer-controller"],
        leases: &["aws-load-balancer-controller-leader"],
    },
    Controller { addon: "external-dns", story: Story::Traffic, labels: &["external-dns"], leases: &[] },
    Controller {
        addon: "cert-manager",
        story: Story::Certificates,
        labels: &["cert-manager"],
        leases: &["cert-manager-controller"],
    },
    Controller {
        addon: "Argo Rollouts",
        story: Story::Rollouts,
        labels: &["argo-rollouts"],
        leases: &["argo-rollouts-controller-lock"],
    },
    Controller {
        addon: "Karpenter",
        story: Story::Nodes,
        labels: &["karpenter"],
        leases: &["karpenter-leader-election"],
    },
    Controller {
        addon: "Cluster Autoscaler",
        story: Story::Nodes,
        labels: &["aws-cluster-autoscaler", "cluster-autoscaler"],
        leases: &["cluster-autoscaler"],
    },
    Controller { addon: "fluent-bit", story: Story::Logs, labels: &["fluent-bit", "aws-for-fluent-bit"], leases: &[] },
    Controller { addon: "fluentd", story: Story::Logs, labels: &["fluentd"], leases: &[] },
    Controller {
        addon: "OpenTelemetry collector",
        story: Story::Logs,
        labels: &["opentelemetry-collector"],
        leases: &[],
    },
    Controller {
        addon: "Datadog agent",
        story: Story::Metrics,
        labels: &["datadog", "datadog-agent", "datadog-agent-deployment"],
        leases: &[],
    },
];

/// The controller that a workload's label `app.kubernetes.io/name` names.
pub(super) fn by_label(label: &str) -> Option<&'static Controller> {
    CONTROLLERS.iter().find(|controller| controller.labels.contains(&label))
}

/// The controller that a lease belongs to.
pub(super) fn by_lease(lease: &str) -> Option<&'static Controller> {
    CONTROLLERS.iter().find(|controller| controller.leases.contains(&lease))
}

/// What the evidence says about a controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    /// What is wrong with it, as the end of a sentence that begins with its name.
    pub trouble: String,
    /// The command that shows more.
    pub next: String,
}

/// A controller that provably does not act: its workload has no ready pod, or nobody has held its lease for long.
pub(super) fn silent(evidence: &Evidence, addons: &[&str]) -> Option<(String, Standing)> {
    let stopped = evidence.controllers.iter().filter(|w| addons.contains(&w.addon.as_str())).find_map(|workload| {
        let others = evidence.controllers.iter().filter(|w| w.addon == workload.addon);
        if others.into_iter().any(|other| other.ready > 0) {
            return None;
        }
        let place = format!("{} {}/{}", workload.kind, workload.namespace, workload.name);
        let trouble = match workload.wanted {
            0 if workload.kind == "DaemonSet" => format!("fits on no node ({place})"),
            0 => format!("is scaled to 0 ({place})"),
            wanted => format!("has no ready pod of {wanted} ({place})"),
        };
        let next =
            format!("kubectl -n {} describe {} {}", workload.namespace, workload.kind.to_lowercase(), workload.name);
        Some((workload.addon.clone(), Standing { trouble, next }))
    });
    stopped.or_else(|| {
        let leases = evidence.leases.iter().filter(|lease| addons.contains(&lease.addon.as_str()));
        // A cluster may hold the lease of an installation that was removed, beside the one that is used now.
        let freshest = leases.min_by_key(|lease| lease.renewed_ago_s)?;
        // Three times its duration: a holder that was merely slow would have been replaced twice.
        let is_stale = freshest.renewed_ago_s > 3 * freshest.duration_s.max(5);
        is_stale.then(|| {
            let place = format!("{}/{}", freshest.namespace, freshest.name);
            let trouble = format!("has not renewed its lease {place} for {} s", freshest.renewed_ago_s);
            let next = format!("kubectl -n {} get pods -o wide", freshest.namespace);
            (freshest.addon.clone(), Standing { trouble, next })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::evidence::{LeaseSeen, Workload};

    fn lease(addon: &str, renewed_ago_s: i64) -> LeaseSeen {
        LeaseSeen { addon: addon.into(), name: "l".into(), renewed_ago_s, duration_s: 15, ..LeaseSeen::default() }
    }

    #[test]
    fn a_controller_with_one_ready_pod_is_not_silent() {
        let workload = |ready| Workload { addon: "Traefik".into(), wanted: 1, ready, ..Workload::default() };
        let mut evidence = Evidence { controllers: vec![workload(0)], ..Evidence::default() };
        assert!(silent(&evidence, &["Traefik"]).is_some());
        assert!(silent(&evidence, &["ingress-nginx"]).is_none());
        evidence.controllers.push(workload(1));
        assert!(silent(&evidence, &["Traefik"]).is_none());
    }

    #[test]
    fn only_the_freshest_lease_counts() {
        let mut evidence = Evidence { leases: vec![lease("Karpenter", 46)], ..Evidence::default() };
        assert!(silent(&evidence, &["Karpenter"]).is_some());
        evidence.leases.push(lease("Karpenter", 2));
        assert!(silent(&evidence, &["Karpenter"]).is_none());
    }

    #[test]
    fn every_label_and_lease_has_one_controller() {
        let labels: Vec<_> = CONTROLLERS.iter().flat_map(|c| c.labels.iter().chain(c.leases)).collect();
        let unique: std::collections::BTreeSet<_> = labels.iter().collect();
        // Cluster Autoscaler's lease has the name that some give its label.
        assert_eq!(labels.len(), unique.len() + 1);
    }
}
