//! Why an issuance that was not refused does not come to an end: at which of cert-manager's hands it lies.
//!
//! <https://cert-manager.io/docs/troubleshooting/>

use kube::ResourceExt;

use super::objects::{Certificate, CertificateRequest, Condition, Conditions};
use super::readiness::{Seen, SeenIssuer, Wanted, judge};
use crate::cluster::Look;
use crate::failure::{Certainty, Failure, ObjectRef, Origin};

/// The command that shows whether cert-manager's controller runs.
const CONTROLLER: &str = "kubectl get deploy,pods -A -l app.kubernetes.io/name=cert-manager";
/// The command that shows what the controller says.
const CONTROLLER_LOG: &str = "kubectl logs -n cert-manager deploy/cert-manager --tail=50";

/// Adds to the failure of a wait whose time is up which hand the issuance waits for.
pub(super) fn explain(failure: Failure, all: &[Wanted], seen: &Seen) -> Failure {
    let is_stuck = |wanted: &&Wanted| !matches!(judge(std::slice::from_ref(wanted), seen, false), Look::Found(_));
    let Some(wanted) = all.iter().find(is_stuck) else { return failure };
    let Some(certificate) = seen.certificate(wanted) else { return failure };
    let failure = Failure { object: Some(ObjectRef::of(certificate)), ..failure };
    let request = seen.request(wanted).map(|(_, request)| request);
    if let SeenIssuer::There(issuer) = &seen.issuer
        && let Some(why) = issuer.refusal()
    {
        let text = format!("{} is not ready: {}", issuer.object, why.told());
        return failure
            .because(Certainty::Certain, Origin::Cluster, text)
            .next(format!("kubectl describe {}", issuer.object.kubectl_args()));
    }
    match request {
        None => without_request(failure, certificate, seen),
        Some(request) => with_request(failure, certificate, request),
    }
}

fn without_request(failure: Failure, certificate: &Certificate, seen: &Seen) -> Failure {
    if matches!(seen.issuer, SeenIssuer::Absent) {
        return failure.because(
            Certainty::Certain,
            Origin::Cluster,
            "the issuer that the Certificate names is not there",
        );
    }
    let describe = format!("kubectl describe {}", ObjectRef::of(certificate).kubectl_args());
    if certificate.conditions().is_empty() {
        let issuer = match &seen.issuer {
            SeenIssuer::There(issuer) if issuer.ready.is_none() => {
                format!(", nor does the {} have one", issuer.object.kind)
            }
            _ => String::new(),
        };
        return Failure {
            seen: format!(
                "nothing acted on the Certificate: it has no condition and no CertificateRequest{issuer}{}",
                waited(&failure)
            ),
            ..failure
        }
        .because(
            Certainty::Likely,
            Origin::Cluster,
            "cert-manager's controller is not working: it is stopped, cannot reach the API server, or does not get the \
             leader's lease",
        )
        .next(CONTROLLER)
        .next(CONTROLLER_LOG);
    }
    // A renewal is asked for by a condition of ours: that it is there says nothing about the controller.
    let text = if certificate.condition("Issuing").is_some_and(Condition::is_true) {
        "cert-manager's controller does not go on: the Certificate is to be issued, but there is no CertificateRequest for it"
    } else {
        "cert-manager's controller saw the Certificate, but has not begun to issue it"
    };
    failure.because(Certainty::Likely, Origin::Cluster, text).next(CONTROLLER).next(CONTROLLER_LOG).next(describe)
}

fn with_request(failure: Failure, certificate: &Certificate, request: &CertificateRequest) -> Failure {
    let (object, name) = (ObjectRef::of(request), request.name_any());
    let describe = format!("kubectl describe {}", object.kubectl_args());
    let approved = request.condition("Approved").is_some_and(Condition::is_true);
    match request.condition("Ready") {
        Some(ready) if ready.is_true() => {
            let text = format!("CertificateRequest {name} was given a certificate, but the Certificate does not take it");
            let of = format!("kubectl describe {}", ObjectRef::of(certificate).kubectl_args());
            failure.because(Certainty::Likely, Origin::Cluster, text).next(of).next(CONTROLLER_LOG)
        }
        Some(pending) => failure
            .because(Certainty::Certain, Origin::Cluster, format!("the issuer has not signed: {}", pending.told()))
            .next(describe),
        None if approved => failure
            .because(
                Certainty::Likely,
                Origin::Cluster,
                format!("CertificateRequest {name} is approved, but no controller signs for its issuer"),
            )
            .next(describe)
            .next(CONTROLLER_LOG),
        None => failure
            .because(
                Certainty::Likely,
                Origin::Cluster,
                format!(
                    "nobody approved or denied CertificateRequest {name}: cert-manager's own approver is switched off, and the \
                     approver in its place is not working or has no policy for it"
                ),
            )
            .next(describe)
            .next("kubectl get certificaterequestpolicies"),
    }
}

/// The waiting time that the failure tells, kept when its words are replaced.
fn waited(failure: &Failure) -> &str {
    failure.seen.rfind(" (waited ").map_or("", |start| &failure.seen[start..])
}
