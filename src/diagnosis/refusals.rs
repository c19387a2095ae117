//! Texts by which the API server refused to create something: to us, or to a controller that acts on our object.

use super::evidence::{EventSeen, Evidence};
use crate::failure::Failure;

/// Every refusal that still holds: what the failed call was told, then what controllers were told, latest first.
pub(super) fn of<'a>(failure: &'a Failure, evidence: &'a Evidence) -> impl Iterator<Item = &'a str> {
    let conditions = evidence.objects.iter().flat_map(super::evidence::Object::conditions);
    let conditions = conditions.filter(|c| c.type_ == "ReplicaFailure" && c.status == "True").map(|c| c.message);
    let events = evidence.events_with(&["FailedCreate"]).filter(|event| still_wants_pods(evidence, event));
    std::iter::once(failure.seen.as_str()).chain(conditions).chain(events.map(|event| event.message.as_str()))
}

/// Whether the owner that the event is about still has fewer pods than it should: a refusal that was overcome explains nothing.
fn still_wants_pods(evidence: &Evidence, event: &EventSeen) -> bool {
    match evidence.object(&event.kind, &event.name) {
        Some(owner) if owner.kind() == "Job" => {
            owner.number("/status/active") + owner.number("/status/succeeded")
                < owner.number("/spec/parallelism").max(1)
        }
        Some(owner) => owner.number("/status/replicas") < owner.number("/spec/replicas"),
        None => !evidence.of_kind("Pod").any(|pod| pod.name().starts_with(&event.name)),
    }
}
