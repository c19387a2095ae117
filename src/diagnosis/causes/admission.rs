//! The API server refuses to create something by its own rules: quota, limits, Pod Security, policies, what must exist before.

use super::{Cause, Finding};
use crate::diagnosis::evidence::{Evidence, Object};
use crate::diagnosis::refusals::{self, is_of_call};
use crate::diagnosis::wording::{between, has_any, quoted, shell_word};
use crate::failure::{Certainty, Failure, Origin};

/// The causes, the more specific first.
pub(super) static CAUSES: &[Cause] = &[
    Cause {
        id: "namespace-terminating",
        about: "The namespace is being deleted while the check works in it.",
        sign: "A create is refused because the namespace is being terminated; or what was waited for is gone, and the namespace is, too, or is being deleted.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: namespace_terminating,
    },
    Cause {
        id: "quota-exceeded",
        about: "A ResourceQuota leaves no room for the check's pods or objects.",
        sign: "`exceeded quota` in the refusal of a create, to us or to a controller.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: quota_exceeded,
    },
    Cause {
        id: "quota-wants-requests",
        about: "A ResourceQuota counts a resource that the pod states no request or limit for.",
        sign: "`failed quota … must specify` in the refusal of a create.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: quota_wants_requests,
    },
    Cause {
        id: "limit-range",
        about: "A LimitRange forbids the requests or limits of the check's pods.",
        sign: "`maximum …`, `minimum …` or `… ratio` of a LimitRange in the refusal of a create.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: limit_range,
    },
    Cause {
        id: "pod-security",
        about: "The namespace's Pod Security level forbids the pod.",
        sign: "`violates PodSecurity` in the refusal of a create.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: pod_security,
    },
    Cause {
        id: "policy-denied",
        about: "A ValidatingAdmissionPolicy denies the object.",
        sign: "`ValidatingAdmissionPolicy … denied request` in the refusal of a create.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: policy_denied,
    },
    Cause {
        id: "service-account-missing",
        about: "The pod runs under a ServiceAccount that is not there.",
        sign: "`error looking up service account` in the refusal of a create.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: service_account_missing,
    },
    Cause {
        id: "priority-class-missing",
        about: "The pod names a PriorityClass that is not there.",
        sign: "`no PriorityClass with name` in the refusal of a create.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: priority_class_missing,
    },
    Cause {
        id: "object-invalid",
        about: "The API server's validation does not accept the object: a setting of the check does not fit, or the versions do not.",
        sign: "`… is invalid:` in the answer to a create or patch.",
        certainty: Certainty::Likely,
        origin: Origin::Harness,
        find: object_invalid,
    },
];

fn refusal<'a>(failure: &'a Failure, evidence: &'a Evidence, words: &str) -> Option<&'a str> {
    refusals::of(failure, evidence).find(|text| text.contains(words))
}

fn namespace_terminating(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let namespace = namespace_being_deleted(failure, evidence)?;
    Some(
        Finding::new(format!("the namespace {namespace} is being deleted, so nothing can be created in it any more"))
            .next(format!(
                "kubectl get namespace {} -o yaml   # its conditions name what it waits for",
                shell_word(namespace)
            ))
            .next("find out who deletes it: another sweep, a GitOps controller that prunes, or a person"),
    )
}

/// The namespace that goes while the check needs it.
fn namespace_being_deleted<'a>(failure: &'a Failure, evidence: &'a Evidence) -> Option<&'a str> {
    if let Some(text) = refusal(failure, evidence, "because it is being terminated") {
        return Some(between(text, "in namespace ", " because").unwrap_or(&evidence.namespace));
    }
    if let Some(text) = refusal(failure, evidence, "object is being deleted: namespaces \"") {
        return between(text, "namespaces \"", "\"");
    }
    let own = evidence.of_kind("Namespace").find(|namespace| namespace.name() == evidence.namespace);
    let goes = own.map_or(evidence.has_all("Namespace"), Object::is_terminating);
    let should_go = has_any(&failure.expected, &["gone", "removed", "deleted"]);
    (goes && !should_go && !is_of_call(failure)).then_some(evidence.namespace.as_str())
}

fn quota_exceeded(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let text = refusal(failure, evidence, "exceeded quota: ")?;
    let rest = between(text, "exceeded quota: ", "\n")?;
    let (quota, numbers) = rest.split_once(", ").unwrap_or((rest, ""));
    Some(
        Finding::new(format!("the ResourceQuota {} leaves no room ({})", quoted(quota), quoted(numbers)))
            .next("kubectl describe resourcequota -A")
            .next("raise the quota, or set RESOURCE_NAMESPACE to a namespace with room"),
    )
}

fn quota_wants_requests(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let text = refusal(failure, evidence, "failed quota: ")?;
    let rest = between(text, "failed quota: ", "\n")?;
    let (quota, wanted) = rest.split_once(": ").unwrap_or((rest, "it must specify more"));
    Some(
        Finding::new(format!("the ResourceQuota {} counts what the pod does not state: {}", quoted(quota), quoted(wanted)))
            .next("kubectl describe resourcequota,limitrange -A")
            .next("give the namespace a LimitRange with defaults for it, or set RESOURCE_NAMESPACE to a namespace without that quota"),
    )
}

fn limit_range(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let rule = |text: &&str| {
        let ruled = text.contains(" usage per ") || text.contains(" max limit to request ratio per ");
        ruled && text.contains("is forbidden:")
    };
    let text = refusals::of(failure, evidence).find(rule)?;
    let said = between(text, "is forbidden: ", "\n")?;
    Some(
        Finding::new(format!("a LimitRange of the namespace forbids the pod: {}", quoted(said)))
            .next("kubectl describe limitrange -A")
            .next("widen the LimitRange, or set RESOURCE_NAMESPACE to a namespace without it"),
    )
}

fn pod_security(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let text = refusal(failure, evidence, "violates PodSecurity ")?;
    let level = between(text, "violates PodSecurity \"", "\"").unwrap_or("?");
    let why = text.split_once("\": ").map_or("", |(_, rest)| rest.split_once("\": ").map_or(rest, |(_, why)| why));
    Some(
        Finding::new(format!("the Pod Security level {} forbids the pod: {}", quoted(level), quoted(why)))
            .next("kubectl get namespaces -L pod-security.kubernetes.io/enforce")
            .next("see which controller or webhook changes the pod: the check's own pods fit the level restricted"),
    )
}

fn policy_denied(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let text = refusal(failure, evidence, "ValidatingAdmissionPolicy '")?;
    let policy = between(text, "ValidatingAdmissionPolicy '", "'")?;
    let why = between(text, "denied request: ", "\n").unwrap_or("it gives no reason");
    Some(
        Finding::new(format!("the ValidatingAdmissionPolicy {} denies the object: {}", quoted(policy), quoted(why)))
            .next(format!("kubectl get validatingadmissionpolicy {} -o yaml", shell_word(policy)))
            .next("exempt the namespaces with the label app.kubernetes.io/managed-by=kibertas-rs, or fit the policy"),
    )
}

fn service_account_missing(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let text = refusal(failure, evidence, "error looking up service account ")?;
    let account = between(text, "service account ", ":").unwrap_or("?");
    Some(
        Finding::new(format!("the ServiceAccount {} that the pod runs under is not there", quoted(account)))
            .next("kubectl -n kube-system get events --field-selector involvedObject.kind=Pod")
            .next("in a new namespace its `default` ServiceAccount is made by kube-controller-manager: see whether that runs"),
    )
}

fn priority_class_missing(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let text = refusal(failure, evidence, "no PriorityClass with name ")?;
    let class = between(text, "no PriorityClass with name ", " was found").unwrap_or("?");
    Some(
        Finding::new(format!("the PriorityClass {} that the pod names is not there", quoted(class)))
            .next("kubectl get priorityclasses"),
    )
}

fn object_invalid(failure: &Failure, _evidence: &Evidence) -> Option<Finding> {
    let (object, why) = failure.seen.split_once(" is invalid: ")?;
    Some(
        Finding::new(format!("the API server does not accept {}: {}", quoted(object), quoted(why)))
            .next("kibertas-rs list   # the settings of the check and what they may be")
            .next("kubectl version   # is the cluster of a version that this harness knows?"),
    )
}
