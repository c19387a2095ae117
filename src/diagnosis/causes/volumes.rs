//! Volumes that a pod waits for.

use super::{Cause, Finding};
use crate::diagnosis::containers::{pods_in_trouble, unscheduled};
use crate::diagnosis::evidence::{EventSeen, Evidence};
use crate::diagnosis::wording::{between, quoted, shell_word};
use crate::failure::{Certainty, Failure, Origin};

/// The causes, the more specific first.
pub(super) static CAUSES: &[Cause] = &[
    Cause {
        id: "volume-claim-missing",
        about: "The pod names a PersistentVolumeClaim that is not there.",
        sign: "The scheduler says `persistentvolumeclaim … not found`.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: claim_missing,
    },
    Cause {
        id: "storage-class-missing",
        about: "The claim names a StorageClass that is not there.",
        sign: "`storageclass.storage.k8s.io … not found` in an event of a pending claim.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: class_missing,
    },
    Cause {
        id: "storage-class-default-missing",
        about: "The claim names no StorageClass, and the cluster has no default one.",
        sign: "`no storage class is set` in an event of a pending claim.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: no_default_class,
    },
    Cause {
        id: "volume-not-provisioned",
        about: "The storage driver does not make the volume.",
        sign: "ProvisioningFailed in an event of a pending claim, or ExternalProvisioning and nothing else.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: not_provisioned,
    },
    Cause {
        id: "volume-zone-conflict",
        about: "The volume is in a zone or on a node that the pod cannot go to.",
        sign: "The scheduler says `volume node affinity conflict`, or that nodes didn't match the volume's affinity.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: zone_conflict,
    },
    Cause {
        id: "volume-source-missing",
        about: "A Secret or ConfigMap that the pod mounts is not there.",
        sign: "FailedMount with `secret … not found` or `configmap … not found`.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: source_missing,
    },
    Cause {
        id: "volume-not-mounted",
        about: "A volume cannot be attached to the node or mounted.",
        sign: "FailedMount or FailedAttachVolume in the events of a pod that is not ready.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: not_mounted,
    },
];

fn pod_says<'a>(evidence: &'a Evidence, words: &str) -> Option<(&'a str, &'a str)> {
    unscheduled(evidence).map(|(pod, message)| (pod.name(), message)).find(|(_, message)| message.contains(words))
}

fn claim_missing(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let (pod, message) = pod_says(evidence, "persistentvolumeclaim \"").filter(|(_, m)| m.contains("not found"))?;
    let claim = between(message, "persistentvolumeclaim \"", "\"")?;
    Some(
        Finding::new(format!("the PersistentVolumeClaim {} that pod {pod} names is not there", quoted(claim)))
            .next("kubectl get persistentvolumeclaims -A"),
    )
}

/// The latest event with one of these reasons about a claim that is still pending.
fn claim_event<'a>(evidence: &'a Evidence, reasons: &'a [&'a str]) -> Option<&'a EventSeen> {
    let pending = |event: &&EventSeen| {
        let claim = evidence.object("PersistentVolumeClaim", &event.name);
        event.kind == "PersistentVolumeClaim" && claim.is_some_and(|claim| claim.text("/status/phase") == "Pending")
    };
    evidence.events_with(reasons).find(pending)
}

fn class_missing(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let event = claim_event(evidence, &["ProvisioningFailed"])?;
    let class = between(&event.message, "storageclass.storage.k8s.io \"", "\" not found")?;
    Some(
        Finding::new(format!("the StorageClass {} that claim {} names is not there", quoted(class), event.name))
            .next("kubectl get storageclasses"),
    )
}

fn no_default_class(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let event = claim_event(evidence, &["FailedBinding"]).filter(|e| e.message.contains("no storage class is set"))?;
    Some(
        Finding::new(format!("claim {} names no StorageClass, and the cluster has no default one", event.name))
            .next("kubectl get storageclasses   # one has to be marked (default)"),
    )
}

fn not_provisioned(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let event = claim_event(evidence, &["ProvisioningFailed", "ExternalProvisioning"])?;
    Some(
        Finding::new(format!(
            "the storage driver has not made the volume of claim {}: {}",
            event.name,
            quoted(&event.message)
        ))
        .next("kubectl get csidrivers; kubectl get pods -A | grep -i csi"),
    )
}

fn zone_conflict(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let found = pod_says(evidence, "volume node affinity conflict");
    let (pod, message) = found.or_else(|| pod_says(evidence, "didn't match PersistentVolume's node affinity"))?;
    Some(
        Finding::new(format!("pod {pod} cannot go where its volume is: {}", quoted(message)))
            .next("kubectl get persistentvolumes -o custom-columns='NAME:.metadata.name,CLAIM:.spec.claimRef.name,NODES:.spec.nodeAffinity'")
            .next("kubectl get nodes -L topology.kubernetes.io/zone"),
    )
}

/// The latest event about a volume of a pod that still waits for its containers.
fn mount_event(evidence: &Evidence) -> Option<&EventSeen> {
    let waits = |event: &&EventSeen| {
        pods_in_trouble(evidence).any(|pod| {
            let ran = pod.list("/status/containerStatuses").iter().any(|c| c.pointer("/state/waiting").is_none());
            pod.name() == event.name && !ran
        })
    };
    // The kubelet says so of every pod that it does not know yet, and again while its network is not ready.
    let fleeting = |event: &&EventSeen| event.message.ends_with("not registered");
    evidence.events_with(&["FailedMount", "FailedAttachVolume"]).filter(|event| !fleeting(event)).find(waits)
}

fn source_missing(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let event = mount_event(evidence).filter(|event| event.message.contains("not found"))?;
    let (kind, name) = ["secret", "configmap"]
        .iter()
        .find_map(|kind| Some((*kind, between(&event.message, &format!("{kind} \""), "\" not found")?)))?;
    Some(
        Finding::new(format!("the {kind} {} that pod {} mounts is not there", quoted(name), event.name))
            .next(format!("kubectl get {kind} -A --field-selector metadata.name={}", shell_word(name))),
    )
}

fn not_mounted(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let event = mount_event(evidence)?;
    Some(
        Finding::new(format!("a volume of pod {} cannot be mounted: {}", event.name, quoted(&event.message)))
            .next("kubectl get csinodes,volumeattachments"),
    )
}
