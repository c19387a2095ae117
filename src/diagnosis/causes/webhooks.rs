//! Admission webhooks: they deny, or they cannot be asked.

use super::{Cause, Finding};
use crate::diagnosis::evidence::Evidence;
use crate::diagnosis::refusals;
use crate::diagnosis::wording::{between, has_any, quoted, shell_word};
use crate::failure::{Certainty, Failure, Origin};

/// The causes, the more specific first.
pub(super) static CAUSES: &[Cause] = &[
    Cause {
        id: "webhook-denies",
        about: "An admission webhook denies the object.",
        sign: "`admission webhook … denied the request` in the refusal of a create.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: denies,
    },
    Cause {
        id: "webhook-certificate",
        about: "The API server does not trust an admission webhook's certificate: its caBundle is old, or its certificate expired.",
        sign: "`failed calling webhook` with an x509 error.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: certificate,
    },
    Cause {
        id: "webhook-without-endpoints",
        about: "An admission webhook has no pod behind its Service.",
        sign: "`failed calling webhook` with `no endpoints available`, `connection refused` or a Service that is not found.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: without_endpoints,
    },
    Cause {
        id: "webhook-timeout",
        about: "An admission webhook does not answer in time: its pod hangs, or the control plane cannot reach it.",
        sign: "`failed calling webhook` with a deadline or timeout.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: timeout,
    },
    Cause {
        id: "webhook-fails",
        about: "An admission webhook does not answer as it should.",
        sign: "`failed calling webhook` with any other error.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: fails,
    },
];

fn denies(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let text = refusals::of(failure, evidence)
        .find(|t| t.contains("admission webhook \"") && t.contains("denied the request"))?;
    let webhook = between(text, "admission webhook \"", "\"")?;
    let why = between(text, "denied the request: ", "\n").unwrap_or("it gives no reason");
    Some(
        Finding::new(format!("the admission webhook {} denies the object: {}", quoted(webhook), quoted(why)))
            .next(configurations(webhook))
            .next("exempt the namespaces with the label app.kubernetes.io/managed-by=kibertas-rs, or fit the policy"),
    )
}

/// A call of a webhook that failed: its name, and what came of it.
fn failed_call<'a>(failure: &'a Failure, evidence: &'a Evidence) -> Option<(&'a str, &'a str)> {
    refusals::of(failure, evidence).find_map(|text| {
        let webhook = between(text, "failed calling webhook \"", "\"")?;
        let why = between(text, "failed to call webhook: ", "\n").unwrap_or(text);
        Some((webhook, why))
    })
}

fn certificate(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let (webhook, why) = failed_call(failure, evidence).filter(|(_, why)| why.contains("x509:"))?;
    let error = between(why, "x509: ", "\n").unwrap_or(why);
    Some(
        Finding::new(format!(
            "the API server does not trust the certificate of the admission webhook {}: {}",
            quoted(webhook),
            quoted(error)
        ))
        .next(configurations(webhook))
        .next("see whether what writes its caBundle (cert-manager's cainjector, a Helm hook) ran, and restart it"),
    )
}

fn without_endpoints(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let nobody = ["no endpoints available for service", "connection refused", "service \""];
    let (webhook, why) = failed_call(failure, evidence).filter(|(_, why)| has_any(why, &nobody))?;
    let (name, namespace) = service_of(why);
    Some(
        Finding::new(format!(
            "nobody answers for the admission webhook {}: its Service {} has no pod that is ready",
            quoted(webhook),
            quoted(&name)
        ))
        .next(match &namespace {
            Some(namespace) => format!("kubectl -n {} get pods,endpointslices", shell_word(namespace)),
            None => configurations(webhook),
        })
        .next(configurations(webhook)),
    )
}

/// The Service in a webhook's URL: `https://NAME.NAMESPACE.svc:443/…`, or as it is named in the error.
fn service_of(why: &str) -> (String, Option<String>) {
    let host = why.split_once("https://").and_then(|(_, rest)| rest.split_once(".svc")).map(|(host, _)| host);
    match host.and_then(|host| host.split_once('.')) {
        Some((name, namespace)) => (format!("{namespace}/{name}"), Some(namespace.to_owned())),
        None => (between(why, "service \"", "\"").unwrap_or("?").to_owned(), None),
    }
}

fn timeout(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let late = ["deadline exceeded", "timeout", "timed out", "Client.Timeout"];
    let (webhook, why) = failed_call(failure, evidence).filter(|(_, why)| has_any(why, &late))?;
    let (name, namespace) = service_of(why);
    Some(
        Finding::new(format!(
            "the admission webhook {} does not answer in time{}",
            quoted(webhook),
            if namespace.is_some() { format!("; its Service is {}", quoted(&name)) } else { String::new() }
        ))
        .next(match &namespace {
            Some(namespace) => format!("kubectl -n {} get pods -o wide", shell_word(namespace)),
            None => configurations(webhook),
        })
        .next("if its pods are well, see whether the control plane reaches them (security group, NetworkPolicy, pod network)"),
    )
}

fn fails(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let (webhook, why) = failed_call(failure, evidence)?;
    Some(
        Finding::new(format!(
            "the admission webhook {}, which the API server has to ask, does not answer as it should: {}",
            quoted(webhook),
            quoted(why)
        ))
        .next(configurations(webhook)),
    )
}

/// The command that finds the configuration that a webhook belongs to.
fn configurations(webhook: &str) -> String {
    format!(
        "kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations -o yaml | grep -B9 -A30 {}",
        shell_word(webhook)
    )
}
