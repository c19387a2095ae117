//! Everything that the check has seen so far, and what follows from it. No call is made here: the scene is filled by the watches,
//! and asked by the steps.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Toleration;
use serde::Serialize;
use tokio::time::Instant;

use super::claim::{SeenClaim, SeenPool};
use super::detect::Autoscaler;
use super::node::SeenNode;
use super::pod::SeenPod;
use super::settings::Settings;
use super::word::Word;
use crate::cluster::listing::Listing;
use crate::failure::ObjectRef;

/// What was there before the check asked for a node.
#[derive(Debug, Clone, Default)]
pub(super) struct Before {
    /// By UID: a node that is replaced under its old name is another one.
    pub(super) nodes: BTreeMap<String, Old>,
    /// The UIDs of NodeClaims.
    pub(super) claims: BTreeSet<String>,
    /// The names of NodeClaims whose node has not joined yet: it will take a replica, and is no answer to this run's.
    pub(super) on_their_way: Vec<String>,
}

/// A node that was there before.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Old {
    pub(super) name: String,
    pub(super) uid: String,
    /// Why it takes no replica; absent where it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) takes_none: Option<String>,
}

impl Before {
    pub(super) fn of(nodes: &Listing<SeenNode>, claims: &Listing<SeenClaim>, tolerations: &[Toleration]) -> Self {
        let old = |node: &SeenNode| Old {
            name: node.name.clone(),
            uid: node.uid.clone(),
            takes_none: node.takes_none(tolerations),
        };
        let joined = |claim: &SeenClaim| nodes.iter().any(|node| claim.is_of(node));
        let coming = claims.iter().filter(|claim| claim.carries_label && !claim.leaving && !joined(claim));
        Self {
            nodes: nodes.iter().map(|node| (node.uid.clone(), old(node))).collect(),
            claims: claims.iter().map(|claim| claim.uid.clone()).collect(),
            on_their_way: coming.map(|claim| claim.name.clone()).collect(),
        }
    }

    /// One replica for each node that takes one, and one more, for which there is no node.
    pub(super) fn replicas(&self) -> usize {
        self.nodes.values().filter(|old| old.takes_none.is_none()).count() + self.on_their_way.len() + 1
    }
}

/// Where a node under the label comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// It was there before the check asked for one, or was on its way.
    Old,
    /// The autoscaler has added it since.
    New,
    /// Somebody else has added it since.
    Foreign,
}

/// Everything seen.
pub(super) struct Scene {
    pub(super) settings: Settings,
    /// The namespace of the replicas.
    pub(super) namespace: String,
    /// The name of their Deployment.
    pub(super) deployment: String,
    pub(super) autoscaler: Autoscaler,
    /// Karpenter's NodePools as they were at the start.
    pub(super) pools: Vec<SeenPool>,
    pub(super) before: Before,
    /// The Deployment's creation: by the API server's clock, as nodes' creation is, and by our own.
    pub(super) start: Option<(Timestamp, Instant)>,
    pub(super) nodes: Listing<SeenNode>,
    pub(super) claims: Listing<SeenClaim>,
    pub(super) pods: Listing<SeenPod>,
    pub(super) words: Listing<Word>,
    pub(super) moments: Moments,
}

/// When each stage was first seen. A stage may be seen before the step that waits for it begins.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Moments {
    pub(super) triggered: Option<Instant>,
    pub(super) launched: Option<Instant>,
    pub(super) registered: Option<Instant>,
    pub(super) ready: Option<Instant>,
    pub(super) scheduled: Option<Instant>,
    pub(super) running: Option<Instant>,
}

impl Scene {
    pub(super) fn new(
        settings: Settings,
        (namespace, deployment): (&str, &str),
        autoscaler: Autoscaler,
        pools: Vec<SeenPool>,
    ) -> Self {
        Self {
            settings,
            namespace: namespace.to_owned(),
            deployment: deployment.to_owned(),
            autoscaler,
            pools,
            before: Before::default(),
            start: None,
            nodes: Listing::default(),
            claims: Listing::default(),
            pods: Listing::default(),
            words: Listing::default(),
            moments: Moments::default(),
        }
    }

    /// Whether every first list is there; before that, nothing follows from an absence.
    pub(super) fn is_complete(&self) -> bool {
        let claims = self.claims.is_complete() || !self.autoscaler.is_karpenter();
        claims && self.nodes.is_complete() && self.pods.is_complete() && self.words.is_complete()
    }

    /// Notes the stages that have been reached by now.
    pub(super) fn note_moments(&mut self, now: Instant) {
        if self.start.is_none() {
            return;
        }
        let reached = [
            (self.asked_for(), self.moments.triggered),
            (self.launched().is_some(), self.moments.launched),
            (self.registered().is_some(), self.moments.registered),
            (self.ready().is_some(), self.moments.ready),
            (self.on_new_node().next().is_some(), self.moments.scheduled),
            (self.on_new_node().any(|(pod, _)| pod.ready), self.moments.running),
        ];
        let [triggered, launched, registered, ready, scheduled, running] =
            reached.map(|(holds, before)| before.or(holds.then_some(now)));
        self.moments = Moments { triggered, launched, registered, ready, scheduled, running };
    }

    /// Seconds from the Deployment's creation to a moment, to the millisecond.
    pub(super) fn seconds(&self, moment: Option<Instant>) -> Option<f64> {
        let (_, start) = self.start?;
        Some(seconds(moment?.saturating_duration_since(start)))
    }

    /// Where a node comes from.
    pub(super) fn origin(&self, node: &SeenNode) -> Origin {
        let Some((start, _)) = self.start else { return Origin::Old };
        // Older than the Deployment: it has got the label, or has been missed, but nobody added it for this run.
        if self.before.nodes.contains_key(&node.uid) || node.created.is_none_or(|at| at < start) {
            return Origin::Old;
        }
        let claim = self.claim_of(node);
        if claim.is_some_and(|claim| self.before.claims.contains(&claim.uid)) {
            return Origin::Old;
        }
        let added = match self.autoscaler {
            Autoscaler::Karpenter { .. } => claim.is_some(),
            // Cluster Autoscaler leaves no mark on its nodes. Its word on a pod of this run comes before the node does; both are
            // told to the second.
            Autoscaler::ClusterAutoscaler => {
                let said = self.triggers().filter_map(|word| word.first).min();
                said.is_some_and(|said| node.created.is_some_and(|at| at.as_second() >= said.as_second()))
            }
        };
        if added { Origin::New } else { Origin::Foreign }
    }

    /// Nodes of one origin.
    pub(super) fn nodes_of(&self, origin: Origin) -> impl Iterator<Item = &SeenNode> {
        self.nodes.iter().filter(move |node| self.origin(node) == origin)
    }

    /// The NodeClaim that a node was made for.
    pub(super) fn claim_of(&self, node: &SeenNode) -> Option<&SeenClaim> {
        self.claims.iter().find(|claim| claim.is_of(node))
    }

    /// NodeClaims under the label that were not there before; those made for this run's replicas first.
    pub(super) fn new_claims(&self) -> Vec<&SeenClaim> {
        let Some((start, _)) = self.start else { return Vec::new() };
        let nominated: Vec<&str> = self.own_words().filter_map(Word::nominated_claim).collect();
        let ours = |claim: &SeenClaim| nominated.contains(&claim.name.as_str());
        let new = |claim: &&SeenClaim| {
            (claim.carries_label || ours(claim))
                && !self.before.claims.contains(&claim.uid)
                && claim.created.is_some_and(|at| at >= start)
        };
        let mut claims: Vec<&SeenClaim> = self.claims.iter().filter(new).collect();
        claims.sort_by_key(|claim| !ours(claim));
        claims
    }

    /// What is said about this run's replicas.
    pub(super) fn own_words(&self) -> impl Iterator<Item = &Word> {
        self.words.iter().filter(|word| self.pods.get(&word.name).is_some_and(|pod| pod.uid == word.about))
    }

    /// Cluster Autoscaler's words that replicas of this run made it ask for a node.
    pub(super) fn triggers(&self) -> impl Iterator<Item = &Word> {
        self.own_words().filter(|word| word.triggered().is_some())
    }

    /// Whether the autoscaler has asked for a node.
    pub(super) fn asked_for(&self) -> bool {
        match self.autoscaler {
            Autoscaler::Karpenter { .. } => !self.new_claims().is_empty(),
            Autoscaler::ClusterAutoscaler => self.triggers().next().is_some(),
        }
    }

    /// A new NodeClaim whose instance was launched.
    pub(super) fn launched(&self) -> Option<&SeenClaim> {
        self.new_claims().into_iter().find(|claim| claim.launched.reached)
    }

    /// New nodes; those on which a replica runs first.
    pub(super) fn new_nodes(&self) -> Vec<&SeenNode> {
        let hosts = |node: &SeenNode| self.pods.iter().any(|pod| pod.node.as_ref() == Some(&node.name));
        let mut nodes: Vec<&SeenNode> = self.nodes_of(Origin::New).collect();
        nodes.sort_by_key(|node| !hosts(node));
        nodes
    }

    /// A new node that has joined.
    pub(super) fn registered(&self) -> Option<&SeenNode> {
        let registered = |node: &SeenNode| self.claim_of(node).is_none_or(|claim| claim.registered.reached);
        self.new_nodes().into_iter().find(|node| registered(node))
    }

    /// A new node that is ready for pods.
    pub(super) fn ready(&self) -> Option<&SeenNode> {
        let initialized = |node: &SeenNode| self.claim_of(node).is_none_or(|claim| claim.initialized.reached);
        self.new_nodes().into_iter().find(|node| node.is_ready() && initialized(node))
    }

    /// Replicas that are bound to a new node, with it.
    pub(super) fn on_new_node(&self) -> impl Iterator<Item = (&SeenPod, &SeenNode)> {
        self.pods.iter().filter_map(|pod| {
            let node = self.nodes.get(pod.node.as_deref()?)?;
            (self.origin(node) == Origin::New).then_some((pod, node))
        })
    }

    /// Replicas for which there is no node yet.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &SeenPod> {
        self.pods.iter().filter(|pod| pod.node.is_none())
    }

    /// Names a replica.
    pub(super) fn pod_ref(&self, pod: &SeenPod) -> ObjectRef {
        ObjectRef::new("Pod", &self.namespace, &pod.name)
    }

    /// Names the Deployment of the replicas.
    pub(super) fn deployment_ref(&self) -> ObjectRef {
        ObjectRef::new("Deployment", &self.namespace, &self.deployment)
    }

    /// Whether all replicas are there.
    pub(super) fn has_all_replicas(&self) -> bool {
        self.pods.len() >= self.before.replicas()
    }
}

/// A span in seconds, to the millisecond.
pub(super) fn seconds(span: Duration) -> f64 {
    (span.as_secs_f64() * 1000.0).round() / 1000.0
}
