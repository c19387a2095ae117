//! Certificates that are not issued.

use super::{Cause, Finding};
use crate::diagnosis::controllers;
use crate::diagnosis::evidence::{Condition, Evidence, Object};
use crate::diagnosis::wording::{between, has_any, quoted, shell_word};
use crate::failure::{Certainty, Failure, Origin};

/// The causes, the more specific first.
pub(super) static CAUSES: &[Cause] = &[
    Cause {
        id: "certificate-request-denied",
        about: "An approver denied the CertificateRequest.",
        sign: "Its condition Denied is True.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: denied,
    },
    Cause {
        id: "certificate-request-invalid",
        about: "The CertificateRequest asks for what the issuer does not give.",
        sign: "Its condition InvalidRequest is True.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: invalid,
    },
    Cause {
        id: "issuer-missing",
        about: "The issuer that the Certificate names is not there.",
        sign: "`Referenced … not found` in the CertificateRequest's condition.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: issuer_missing,
    },
    Cause {
        id: "ca-secret-missing",
        about: "The Secret with the CA's key pair that the issuer names is not there.",
        sign: "The issuer's Ready condition says that the key pair's Secret was not found.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: ca_secret_missing,
    },
    Cause {
        id: "ca-secret-invalid",
        about: "The Secret of the CA issuer holds no key pair of a CA.",
        sign: "The issuer's Ready condition has the reason ErrInvalidKeyPair or ErrGetKeyPair.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: ca_secret_invalid,
    },
    Cause {
        id: "acme-rate-limited",
        about: "The ACME server has rate-limited the account or the domain.",
        sign: "`rateLimited` or `too many certificates` in the story's conditions or events.",
        certainty: Certainty::Certain,
        origin: Origin::Outside,
        find: acme_rate_limited,
    },
    Cause {
        id: "acme-challenge-fails",
        about: "The ACME server's challenge is not met: the name or the path does not answer as it should.",
        sign: "A Challenge that is pending or invalid, with its reason.",
        certainty: Certainty::Likely,
        origin: Origin::Cluster,
        find: challenge_fails,
    },
    Cause {
        id: "acme-account-fails",
        about: "The issuer could not register its account with the ACME server.",
        sign: "The issuer's Ready condition has an ACME registration error.",
        certainty: Certainty::Certain,
        origin: Origin::Outside,
        find: acme_account,
    },
    Cause {
        id: "issuer-not-ready",
        about: "The issuer is not ready.",
        sign: "Its Ready condition is not True.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: issuer_not_ready,
    },
    Cause {
        id: "certificate-request-not-approved",
        about: "Nobody approves the CertificateRequest: cert-manager's own approver is off or may not.",
        sign: "A CertificateRequest without Approved or Denied, though cert-manager has made it.",
        certainty: Certainty::Likely,
        origin: Origin::Cluster,
        find: not_approved,
    },
    Cause {
        id: "cert-manager-silent",
        about: "cert-manager's controller does not act.",
        sign: "The Certificate has no condition and no request; or nobody renews cert-manager's lease.",
        certainty: Certainty::Likely,
        origin: Origin::Cluster,
        find: silent,
    },
    Cause {
        id: "certificate-request-failed",
        about: "The issuer failed to sign.",
        sign: "The CertificateRequest's Ready condition has the reason Failed.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: failed,
    },
];

const ISSUERS: &[&str] = &["Issuer", "ClusterIssuer"];

/// The latest request with a condition, and that condition.
fn request_with<'a>(
    evidence: &'a Evidence,
    type_: &str,
    fits: impl Fn(&Condition<'_>) -> bool,
) -> Option<(&'a Object, Condition<'a>)> {
    let requests = evidence.of_kind("CertificateRequest");
    let mut with = requests.filter_map(|request| Some((request, request.condition(type_)?)));
    with.find(|(_, condition)| fits(condition))
}

/// The issuer that the story's Certificate or request refers to.
fn issuer(evidence: &Evidence) -> Option<&Object> {
    let mut refers = evidence.of_kind("CertificateRequest").chain(evidence.of_kind("Certificate"));
    let reference = refers.find(|object| object.at("/spec/issuerRef/name").is_string());
    match reference {
        Some(object) => {
            let kind = Some(object.text("/spec/issuerRef/kind")).filter(|kind| !kind.is_empty()).unwrap_or("Issuer");
            evidence.object(kind, object.text("/spec/issuerRef/name"))
        }
        None => evidence.of_kind("Issuer").next(),
    }
}

fn issuer_condition(evidence: &Evidence) -> Option<(&Object, Condition<'_>)> {
    let issuer = issuer(evidence)?;
    let condition = issuer.condition("Ready").filter(|condition| condition.status != "True")?;
    Some((issuer, condition))
}

fn describe(object: &Object) -> String {
    match object.kind() {
        "ClusterIssuer" => format!("kubectl describe clusterissuer {}", shell_word(object.name())),
        _ => "kibertas-rs test cert-manager --keep, then: kubectl describe issuers,certificates,certificaterequests -A -l app.kubernetes.io/managed-by=kibertas-rs".to_owned(),
    }
}

const LOG: &str = "kubectl get deploy,pods -A -l app.kubernetes.io/name=cert-manager";

fn denied(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let (request, condition) = request_with(evidence, "Denied", |c| c.status == "True")?;
    Some(
        Finding::new(format!(
            "CertificateRequest {} was denied ({}): {}",
            request.name(),
            quoted(condition.reason),
            quoted(condition.message)
        ))
        .next("kubectl get certificaterequestpolicies   # where approver-policy is installed")
        .next("see which approver denied it, and which policy would allow the names and the issuer"),
    )
}

fn invalid(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let (request, condition) = request_with(evidence, "InvalidRequest", |c| c.status == "True")?;
    Some(
        Finding::new(format!(
            "the issuer does not give what CertificateRequest {} asks for: {}",
            request.name(),
            quoted(condition.message)
        ))
        .next("see the issuer's rules on names, usages and durations"),
    )
}

fn issuer_missing(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let by_request =
        request_with(evidence, "Ready", |c| c.message.contains("Referenced \"") && c.message.contains("not found"));
    let text = by_request.map(|(_, condition)| condition.message);
    let text = text.or_else(|| {
        Some(failure.seen.as_str()).filter(|seen| seen.contains("Referenced \"") && seen.contains("not found"))
    })?;
    let kind = between(text, "Referenced \"", "\"").unwrap_or("Issuer");
    let name = between(text, ".cert-manager.io \"", "\"").unwrap_or("?");
    Some(
        Finding::new(format!("the {} {} that the Certificate names is not there", quoted(kind), quoted(name)))
            .next("kubectl get issuers,clusterissuers -A"),
    )
}

fn ca_secret_missing(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let (issuer, condition) = issuer_condition(evidence)
        .filter(|(_, c)| has_any(c.message, &["secret \"", "secrets \""]) && c.message.contains("not found"))?;
    issuer.at("/spec/ca").is_object().then_some(())?;
    let secret =
        between(condition.message, "secret \"", "\"").or_else(|| between(condition.message, "secrets \"", "\""))?;
    let place =
        if issuer.kind() == "ClusterIssuer" { "cert-manager's own namespace" } else { "the issuer's namespace" };
    Some(
        Finding::new(format!("the Secret {} with the CA of {} is not in {place}", quoted(secret), issuer.reference()))
            .next(format!("kubectl get secrets -A --field-selector metadata.name={}", shell_word(secret)))
            .next(describe(issuer)),
    )
}

fn ca_secret_invalid(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let reasons = ["ErrInvalidKeyPair", "ErrGetKeyPair"];
    let (issuer, condition) = issuer_condition(evidence).filter(|(_, c)| reasons.contains(&c.reason))?;
    Some(
        Finding::new(format!(
            "the Secret of {} holds no key pair of a CA: {}",
            issuer.reference(),
            quoted(condition.message)
        ))
        .next(describe(issuer)),
    )
}

/// What the ACME objects and the issuer say, the deepest first.
fn acme_texts(evidence: &Evidence) -> impl Iterator<Item = &str> {
    let challenges = evidence.of_kind("Challenge").map(|challenge| challenge.text("/status/reason"));
    let orders = evidence.of_kind("Order").map(|order| order.text("/status/reason"));
    let issuers =
        ISSUERS.iter().flat_map(|kind| evidence.of_kind(kind)).flat_map(Object::conditions).map(|c| c.message);
    let events =
        evidence.events.iter().rev().filter(|event| event.type_ == "Warning").map(|event| event.message.as_str());
    challenges.chain(orders).chain(issuers).chain(events)
}

fn acme_rate_limited(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let words =
        ["acme:error:rateLimited", "too many certificates", "too many new orders", "too many failed authorizations"];
    let text = acme_texts(evidence).find(|text| has_any(text, &words))?;
    Some(
        Finding::new(format!("the ACME server has rate-limited us: {}", quoted(text)))
            .next("wait for the time in the message, or use the ACME server's staging environment for checks"),
    )
}

fn challenge_fails(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let open = |challenge: &&Object| {
        challenge.text("/status/state") != "valid" && !challenge.text("/status/reason").is_empty()
    };
    let challenge = evidence.of_kind("Challenge").find(open)?;
    let (kind, name) = (challenge.text("/spec/type"), challenge.text("/spec/dnsName"));
    Some(
        Finding::new(format!(
            "the {} challenge for {} is not met: {}",
            quoted(kind),
            quoted(name),
            quoted(challenge.text("/status/reason"))
        ))
        .next(match kind {
            "DNS-01" => format!("dig TXT _acme-challenge.{}", shell_word(name)),
            _ => format!("curl -v http://{}/.well-known/acme-challenge/x", shell_word(name)),
        })
        .next("kubectl describe challenges -A"),
    )
}

fn acme_account(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let (issuer, condition) = issuer_condition(evidence).filter(|(_, c)| has_any(c.reason, &["ACME"]))?;
    Some(
        Finding::new(format!(
            "{} has no account with its ACME server: {}",
            issuer.reference(),
            quoted(condition.message)
        ))
        .next(describe(issuer)),
    )
}

fn issuer_not_ready(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let (issuer, condition) = issuer_condition(evidence)?;
    Some(
        Finding::new(format!(
            "{} is not ready ({}): {}",
            issuer.reference(),
            quoted(condition.reason),
            quoted(condition.message)
        ))
        .next(describe(issuer)),
    )
}

fn not_approved(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let undecided = |request: &&Object| {
        request.condition("Approved").is_none()
            && request.condition("Denied").is_none()
            && !request.has_condition("Ready", "True")
    };
    let request = evidence.of_kind("CertificateRequest").find(undecided)?;
    Some(
        Finding::new(format!("nobody has approved CertificateRequest {}: cert-manager's own approver is switched off or may not, and no other one acts", request.name()))
            .next("kubectl get deployments -A -l app.kubernetes.io/name=cert-manager -o yaml | grep -e controllers= -e disable-auto-approval")
            .next("kubectl get clusterroles | grep approve"),
    )
}

fn silent(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let waiting = |certificate: &&Object| !certificate.has_condition("Ready", "True");
    let certificate = evidence.of_kind("Certificate").find(waiting)?;
    if let Some((addon, standing)) = controllers::silent(evidence, &["cert-manager"]) {
        return Some(
            Finding::new(format!("{addon} does not act: its controller {}", standing.trouble))
                .next(standing.next)
                .next(LOG),
        );
    }
    let untouched = certificate.conditions().next().is_none()
        && evidence.has_all("CertificateRequest")
        && evidence.of_kind("CertificateRequest").next().is_none();
    untouched.then(|| {
        Finding::new(format!(
            "cert-manager's controller does not act: it has not touched Certificate {}",
            certificate.name()
        ))
        .next(LOG)
    })
}

fn failed(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let (request, condition) = request_with(evidence, "Ready", |c| c.status == "False" && c.reason == "Failed")?;
    Some(
        Finding::new(format!(
            "the issuer failed to sign CertificateRequest {}: {}",
            request.name(),
            quoted(condition.message)
        ))
        .next(LOG),
    )
}
