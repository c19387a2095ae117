//! What the watched objects say about the issuance. Pure: from what is there now to ready, not yet, or never.
//!
//! <https://cert-manager.io/docs/usage/certificate/>

use std::collections::BTreeMap;

use kube::ResourceExt;
use rustls::pki_types::CertificateDer;

use super::objects::{Certificate, CertificateRequest, Condition, Conditions, REVISION};
use super::stored::certificates;
use crate::cluster::Look;
use crate::failure::{Certainty, Failure, ObjectRef, Origin};

/// A Certificate that was asked for.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// The name of the Certificate and of its Secret.
    pub(super) name: String,
    /// The Certificate's.
    pub(super) uid: String,
    /// Only a later revision than this counts.
    pub(super) after_revision: i64,
    /// A Secret of its name was there before it.
    pub(super) secret_before: bool,
}

/// A certificate that the issuer gave to a request of ours.
#[derive(Debug, Clone)]
pub(super) struct Issued {
    /// The Certificate's name.
    pub(super) name: String,
    /// The Certificate's revision.
    pub(super) revision: i64,
    /// The `CertificateRequest`'s name.
    pub(super) request: String,
    /// What the request was given.
    pub(super) certificate: CertificateDer<'static>,
    /// The Certificate's conditions.
    pub(super) conditions: Vec<Condition>,
}

/// An issuer, as far as it matters here.
#[derive(Debug, Clone)]
pub(super) struct IssuerState {
    /// Which one.
    pub(super) object: ObjectRef,
    /// Its condition `Ready`, of its current generation.
    pub(super) ready: Option<Condition>,
}

impl IssuerState {
    /// What an issuer says; its condition counts only for the generation that it is at.
    pub(super) fn of<K: Conditions + ResourceExt>(issuer: &K) -> Self {
        let current =
            |ready: &&Condition| ready.observed_generation.is_none_or(|g| Some(g) >= issuer.meta().generation);
        Self { object: ObjectRef::of(issuer), ready: issuer.condition("Ready").filter(current).cloned() }
    }

    /// Why it is not ready, if it says so.
    pub(super) fn refusal(&self) -> Option<&Condition> {
        self.ready.as_ref().filter(|ready| ready.is_false())
    }

    /// The failure of an issuer that stays not ready.
    pub(super) fn failure(&self, why: &Condition) -> Failure {
        let kind = &self.object.kind;
        Failure::failed("")
            .saw(format!("the {kind} is not ready: {}", why.told()))
            .on(self.object.clone())
            .because(Certainty::Certain, Origin::Cluster, format!("the {kind} cannot issue: {}", why.told()))
            .next(format!("kubectl describe {}", self.object.kubectl_args()))
    }
}

/// What the watches show; `None`: not listed yet.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The run's Certificates, by `NAMESPACE/NAME`.
    pub(super) certificates: Option<BTreeMap<String, Certificate>>,
    /// The run's `CertificateRequests`, by `NAMESPACE/NAME`.
    pub(super) requests: Option<BTreeMap<String, CertificateRequest>>,
    /// The issuer.
    pub(super) issuer: SeenIssuer,
}

/// What is known of the issuer.
#[derive(Debug, Default)]
pub(super) enum SeenIssuer {
    /// Nothing yet.
    #[default]
    Unknown,
    /// It is not there.
    Absent,
    /// It is there.
    There(Box<IssuerState>),
}

impl Seen {
    /// The Certificate that was asked for; one of the same name but another UID is somebody else's.
    pub(super) fn certificate(&self, wanted: &Wanted) -> Option<&Certificate> {
        let all = self.certificates.iter().flat_map(BTreeMap::values);
        all.into_iter().find(|certificate| certificate.metadata.uid.as_ref() == Some(&wanted.uid))
    }

    /// The newest request for a revision of the Certificate that counts.
    pub(super) fn request(&self, wanted: &Wanted) -> Option<(i64, &CertificateRequest)> {
        let all = self.requests.iter().flat_map(BTreeMap::values);
        let owned = all.filter(|request| request.owner_references().iter().any(|owner| owner.uid == wanted.uid));
        let dated = owned.filter_map(|request| Some((revision_of(request)?, request)));
        dated.filter(|(revision, _)| *revision > wanted.after_revision).max_by_key(|(revision, _)| *revision)
    }
}

fn revision_of(request: &CertificateRequest) -> Option<i64> {
    request.annotations().get(REVISION)?.parse().ok()
}

/// Judges everything that is seen. `settled`: long enough has passed for an issuer that is not ready, and for a Certificate that
/// became ready without a request, to be believed.
pub(super) fn judge(all: &[Wanted], seen: &Seen, settled: bool) -> Look<Vec<Issued>> {
    for wanted in all {
        if let Some(failure) = refused(wanted, seen) {
            return Look::Never(Box::new(failure));
        }
    }
    if settled
        && let SeenIssuer::There(issuer) = &seen.issuer
        && let Some(why) = issuer.refusal()
    {
        return Look::Never(Box::new(issuer.failure(why)));
    }
    let (mut issued, mut waiting) = (Vec::new(), Vec::new());
    for wanted in all {
        match one(wanted, seen, settled) {
            Look::Found(one) => issued.push(one),
            Look::NotYet(text) => waiting.push(text),
            Look::Never(failure) => return Look::Never(failure),
        }
    }
    match waiting.as_slice() {
        [] if issued.is_empty() => Look::NotYet("no Certificate was asked for".to_owned()),
        [] => Look::Found(issued),
        [only] if all.len() == 1 => Look::NotYet(only.clone()),
        [first, ..] => Look::NotYet(format!("{} of {} are ready; {first}", issued.len(), all.len())),
    }
}

/// Whether the issuance was refused for good: tried again only after an hour, and later still after each further failure.
///
/// <https://cert-manager.io/docs/faq/#what-happens-if-issuance-fails-will-it-be-retried>
fn refused(wanted: &Wanted, seen: &Seen) -> Option<Failure> {
    if let Some((_, request)) = seen.request(wanted) {
        let denied = request.condition("Denied").filter(|c| c.is_true());
        let invalid = request.condition("InvalidRequest").filter(|c| c.is_true());
        let ready = request.condition("Ready").filter(|c| c.is_false());
        let told = match (denied, invalid, ready) {
            (Some(denied), _, _) => Some(("an approver denied the request", denied)),
            (_, Some(invalid), _) => Some(("the request is invalid to the issuer", invalid)),
            (_, _, Some(ready)) if ready.reason == "Failed" => Some(("the issuer failed to sign", ready)),
            (_, _, Some(ready)) if ready.reason == "Denied" => Some(("an approver denied the request", ready)),
            _ => None,
        };
        if let Some((what, why)) = told {
            let object = ObjectRef::of(request);
            return Some(refusal(what, why, object, wanted));
        }
    }
    let certificate = seen.certificate(wanted)?;
    let failed = certificate.status.as_ref().is_some_and(|status| status.last_failure_time.is_some());
    let issuing = certificate.condition("Issuing").filter(|issuing| failed && issuing.is_false())?;
    Some(refusal("the issuance failed", issuing, ObjectRef::of(certificate), wanted))
}

fn refusal(what: &str, why: &Condition, object: ObjectRef, wanted: &Wanted) -> Failure {
    let describe = format!("kubectl describe {}", object.kubectl_args());
    Failure::failed("")
        .saw(format!("{what}: {} (Certificate {})", why.told(), wanted.name))
        .on(object)
        .because(Certainty::Certain, Origin::Cluster, format!("{what}: {}", why.told()))
        .next(describe)
}

/// One Certificate: ready only if cert-manager says so of the current generation, no issuance is under way, and the request of
/// that very revision was given a certificate.
fn one(wanted: &Wanted, seen: &Seen, settled: bool) -> Look<Issued> {
    let name = &wanted.name;
    let Some(certificate) = seen.certificate(wanted) else {
        return match &seen.certificates {
            None => Look::NotYet(format!("Certificate {name} is not listed yet")),
            Some(_) => Look::never(format!("Certificate {name} of this run is gone: somebody deleted it")),
        };
    };
    let ready = certificate.condition("Ready").filter(|ready| ready.is_true());
    let current = ready.is_some_and(|ready| ready.observed_generation == certificate.metadata.generation);
    let issuing = certificate.condition("Issuing").is_some_and(Condition::is_true);
    let revision = certificate.status.as_ref().and_then(|status| status.revision).unwrap_or_default();
    let request = seen.request(wanted);
    if !current || issuing || revision <= wanted.after_revision {
        if settled && current && !issuing && wanted.secret_before && request.is_none() {
            return Look::Never(Box::new(taken_over(wanted, certificate)));
        }
        return Look::NotYet(progress(certificate, request.map(|(_, request)| request)));
    }
    let given = request.filter(|(of, _)| *of == revision).and_then(|(_, request)| given(request).map(|g| (request, g)));
    match given {
        Some((request, certificates)) => Look::Found(Issued {
            name: name.clone(),
            revision,
            request: request.name_any(),
            certificate: certificates,
            conditions: certificate.conditions().to_vec(),
        }),
        None => Look::NotYet(format!(
            "Certificate {name} is ready at revision {revision}, but no CertificateRequest of that revision was given a certificate"
        )),
    }
}

/// The certificate that an issuer gave to a request.
fn given(request: &CertificateRequest) -> Option<CertificateDer<'static>> {
    request.condition("Ready").filter(|ready| ready.is_true())?;
    let pem = request.status.as_ref()?.certificate.as_ref()?;
    certificates("the CertificateRequest's certificate", &pem.0).ok()?.into_iter().next()
}

/// cert-manager found a Secret that fits and left it as it was: nothing was issued.
fn taken_over(wanted: &Wanted, certificate: &Certificate) -> Failure {
    let secret = ObjectRef { kind: "Secret".to_owned(), ..ObjectRef::of(certificate) };
    Failure::failed("")
        .saw(format!(
            "Certificate {} is ready without a CertificateRequest: its Secret was there before it",
            wanted.name
        ))
        .on(secret)
        .because(
            Certainty::Likely,
            Origin::Cluster,
            "somebody else made a Secret of this name, and cert-manager took it for the Certificate's own",
        )
}

/// Where the issuance stands, in one line.
pub(super) fn progress(certificate: &Certificate, request: Option<&CertificateRequest>) -> String {
    let name = certificate.name_any();
    let mut parts = Vec::new();
    match certificate.condition("Ready") {
        Some(ready) if ready.observed_generation != certificate.metadata.generation => parts.push(format!(
            "Ready={} is of generation {}, not of the current {}",
            ready.status,
            ready.observed_generation.unwrap_or_default(),
            certificate.metadata.generation.unwrap_or_default()
        )),
        Some(ready) if ready.is_true() => {}
        Some(ready) => parts.push(format!("Ready={}: {}", ready.status, ready.told())),
        None => parts.push("no condition Ready".to_owned()),
    }
    if let Some(issuing) = certificate.condition("Issuing").filter(|issuing| issuing.is_true()) {
        parts.push(format!("issuing ({})", issuing.reason));
    }
    match request {
        None => parts.push("no CertificateRequest".to_owned()),
        Some(request) => {
            let told = match (request.condition("Approved"), request.condition("Ready")) {
                (_, Some(ready)) => ready.told(),
                (Some(approved), None) if approved.is_true() => "approved, not looked at by the issuer".to_owned(),
                _ => "not approved".to_owned(),
            };
            parts.push(format!("CertificateRequest {}: {told}", request.name_any()));
        }
    }
    format!("Certificate {name}: {}", parts.join("; "))
}
