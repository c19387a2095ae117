//! Objects that do not go.

use super::{Cause, Finding};
use crate::diagnosis::evidence::{Evidence, Object};
use crate::diagnosis::wording::{between, has_any, quoted, shell_word};
use crate::failure::{Certainty, Failure, Origin};

/// The causes, the more specific first.
pub(super) static CAUSES: &[Cause] = &[
    Cause {
        id: "api-group-unavailable",
        about: "An aggregated API does not answer, so namespaces cannot be emptied.",
        sign: "The namespace's condition NamespaceDeletionDiscoveryFailure is True.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: api_group_unavailable,
    },
    Cause {
        id: "finalizer-stuck",
        about: "A controller does not let go of an object: its finalizer stays.",
        sign: "A deleted object, or the namespace's condition NamespaceFinalizersRemaining, names the finalizer.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: finalizer_stuck,
    },
    Cause {
        id: "namespace-content-remains",
        about: "The namespace waits for objects in it to go.",
        sign: "The namespace's condition NamespaceContentRemaining is True, or there are pods in it that have not ended.",
        certainty: Certainty::Likely,
        origin: Origin::Cluster,
        find: content_remains,
    },
];

/// Whether the failure is about something that should go.
fn should_go(failure: &Failure) -> bool {
    has_any(&failure.expected, &["gone", "removed", "deleted"])
}

fn namespace_condition<'a>(evidence: &'a Evidence, type_: &str) -> Option<(&'a Object, &'a str)> {
    let namespace = evidence.of_kind("Namespace").find(|namespace| namespace.is_terminating())?;
    let condition = namespace.condition(type_).filter(|condition| condition.status == "True")?;
    Some((namespace, condition.message))
}

fn api_group_unavailable(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let (namespace, message) =
        namespace_condition(evidence, "NamespaceDeletionDiscoveryFailure").filter(|_| should_go(failure))?;
    Some(
        Finding::new(format!(
            "namespace {} cannot be emptied because an API group does not answer: {}",
            namespace.name(),
            quoted(message)
        ))
        .next("kubectl get apiservices | grep False")
        .next("repair or remove that APIService's back end (often metrics-server or an adapter)"),
    )
}

fn finalizer_stuck(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    should_go(failure).then_some(())?;
    let held = |object: &&Object| object.is_terminating() && !object.list("/metadata/finalizers").is_empty();
    if let Some(object) = evidence.objects.iter().find(held) {
        let finalizers = object.list("/metadata/finalizers").iter().filter_map(serde_json::Value::as_str);
        let finalizers = finalizers.collect::<Vec<_>>().join(", ");
        return Some(
            Finding::new(format!("{} is deleted and held by the finalizer {}", object.reference(), quoted(&finalizers)))
                .next(format!("kubectl get {} -o yaml", object.reference().kubectl_args()))
                .next("see why the controller that set the finalizer does not act; taking it off by hand leaves behind what it guards"),
        );
    }
    let (namespace, message) = namespace_condition(evidence, "NamespaceFinalizersRemaining")?;
    let finalizer = between(message, "finalizers remaining: ", " in ").unwrap_or(message);
    Some(
        Finding::new(format!("namespace {} waits for objects held by the finalizer {}", namespace.name(), quoted(finalizer)))
            .next(format!("kubectl get namespace {} -o yaml   # its conditions name kinds and finalizers", shell_word(namespace.name())))
            .next("see why the controller that set the finalizer does not act; taking it off by hand leaves behind what it guards"),
    )
}

fn content_remains(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    should_go(failure).then_some(())?;
    if let Some((namespace, message)) = namespace_condition(evidence, "NamespaceContentRemaining") {
        return Some(
            Finding::new(format!("namespace {} waits for what is still in it: {}", namespace.name(), quoted(message)))
                .next(format!("kubectl -n {} get all,ingresses,persistentvolumeclaims", shell_word(namespace.name()))),
        );
    }
    // While pods have time to end, the namespace's conditions pass over them.
    let pod = evidence.of_kind("Pod").find(|pod| pod.is_terminating())?;
    let (name, node) = (pod.name(), pod.text("/spec/nodeName"));
    Some(
        Finding::new(format!("pod {name} was told to end, and the kubelet of node {} has not ended it", quoted(node)))
            .next(format!("kubectl get node {}", shell_word(node)))
            .next("see the kubelet's log for that pod, and its volumes and preStop hooks"),
    )
}
