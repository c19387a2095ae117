//! Texts by which the API server refused to create something: to us, or to a controller that acts on our object.

use super::evidence::{EventSeen, Evidence};
use crate::failure::Failure;

/// Whether what failed is a call of the API server itself, as the core's calls and watches word it (`to create Pod a/b`): its answer
/// says why, and what else is in the cluster does not.
pub(super) fn is_of_call(failure: &Failure) -> bool {
    let kind = failure.expected.strip_prefix("to ").and_then(|rest| rest.split(' ').nth(1));
    kind.is_some_and(|kind| kind.starts_with(|c: char| c.is_ascii_uppercase()))
}

/// Every refusal that still holds: what the failed call was told, then what controllers were told, latest first.
pub(super) fn of<'a>(failure: &'a Failure, evidence: &'a Evidence) -> impl Iterator<Item = &'a str> {
    let conditions = evidence.objects.iter().flat_map(super::evidence::Object::conditions);
    let conditions = conditions.filter(|c| c.type_ == "ReplicaFailure" && c.status == "True").map(|c| c.message);
    let events = evidence.events_with(&["FailedCreate"]).filter(|event| still_wants_pods(evidence, event));
    let of_others = conditions.chain(events.map(|event| event.message.as_str()));
    std::iter::once(failure.seen.as_str()).chain(of_others.filter(|_| !is_of_call(failure)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_call_of_the_api_server_is_one() {
        let is = |expected: &str| is_of_call(&Failure::failed(expected));
        assert!(is("to create Ingress a/b") && is("to discover APIGroup argoproj.io/v1alpha1"));
        assert!(!is("to list s3://logs") && !is("web.example.com to lead to 192.0.2.1") && !is("to wait"));
    }
}
