//! States of cert-manager's objects as it writes them, and what each means.

use serde_json::{Value, json};

use super::super::objects::Issuer;
use super::super::stall;
use super::*;
use crate::verdict::Verdict;

const UID: &str = "c56e302d-910c-4a1d-bb68-59ac18911a47";

fn wanted() -> Wanted {
    Wanted { name: "web".to_owned(), uid: UID.to_owned(), after_revision: 0 }
}

fn certificate(generation: i64, status: &Value) -> Certificate {
    serde_json::from_value(json!({
        "apiVersion": "cert-manager.io/v1", "kind": "Certificate",
        "metadata": {"name": "web", "namespace": "ns", "uid": UID, "generation": generation},
        "spec": {"secretName": "web", "issuerRef": {"name": "ca"}}, "status": status,
    }))
    .unwrap()
}

fn request(revision: i64, conditions: &Value) -> CertificateRequest {
    serde_json::from_value(json!({
        "apiVersion": "cert-manager.io/v1", "kind": "CertificateRequest",
        "metadata": {
            "name": format!("web-{revision}"), "namespace": "ns", "uid": "r",
            "annotations": {REVISION: revision.to_string()},
            "ownerReferences": [{"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "name": "web", "uid": UID}],
        },
        "spec": {"request": ""},
        "status": {"conditions": conditions, "certificate": k8s_openapi::ByteString(pem().into_bytes())},
    }))
    .unwrap()
}

fn pem() -> String {
    rcgen::generate_simple_self_signed(["a.example.com".to_owned()]).unwrap().cert.pem()
}

fn issuer(conditions: &Value) -> SeenIssuer {
    let issuer: Issuer = serde_json::from_value(json!({
        "apiVersion": "cert-manager.io/v1", "kind": "Issuer",
        "metadata": {"name": "ca", "namespace": "ns", "generation": 1},
        "spec": {}, "status": {"conditions": conditions},
    }))
    .unwrap();
    SeenIssuer::There(Box::new(IssuerState::of(&issuer)))
}

fn seen(certificate: Certificate, requests: impl IntoIterator<Item = CertificateRequest>) -> Seen {
    let requests = requests.into_iter().map(|request| (request.name_any(), request)).collect();
    Seen {
        certificates: Some([("ns/web".to_owned(), certificate)].into()),
        requests: Some(requests),
        issuer: issuer(&json!([{"type": "Ready", "status": "True", "observedGeneration": 1}])),
    }
}

fn condition_json(type_: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({"type": type_, "status": status, "reason": reason, "message": message, "observedGeneration": 1,
           "lastTransitionTime": "2026-11-21T12:32:41Z"})
}

fn ready_status() -> Value {
    json!({"revision": 1, "conditions": [condition_json("Ready", "True", "Ready", "Certificate is up to date")]})
}

fn approved() -> Value {
    condition_json("Approved", "True", "cert-manager.io", "approved")
}

fn issued_request(revision: i64) -> CertificateRequest {
    request(revision, &json!([approved(), condition_json("Ready", "True", "Issued", "fetched")]))
}

fn look(seen: &Seen, settled: bool) -> Look<Vec<Issued>> {
    judge(&[wanted()], seen, settled)
}

fn not_yet(seen: &Seen) -> String {
    match look(seen, false) {
        Look::NotYet(text) => text,
        other => panic!("{other:?}"),
    }
}

fn never(seen: &Seen, settled: bool) -> Failure {
    match look(seen, settled) {
        Look::Never(failure) => *failure,
        other => panic!("{other:?}"),
    }
}

#[test]
fn ready_at_the_current_generation_by_its_own_request_is_issued() {
    let Look::Found(issued) = look(&seen(certificate(1, &ready_status()), [issued_request(1)]), false) else {
        panic!("not found");
    };
    assert_eq!((issued[0].revision, issued[0].request.as_str()), (1, "web-1"));
    assert_eq!(issued[0].conditions.len(), 1);
}

#[test]
fn nothing_wanted_and_nothing_listed_is_never_ready() {
    assert!(matches!(judge(&[], &Seen::default(), true), Look::NotYet(_)));
    assert_eq!(not_yet(&Seen::default()), "Certificate web is not listed yet");
}

#[test]
fn a_stale_generation_is_not_ready() {
    let told = not_yet(&seen(certificate(2, &ready_status()), [issued_request(1)]));
    assert!(told.contains("Ready=True is of generation 1, not of the current 2"), "{told}");
}

#[test]
fn an_issuance_under_way_is_not_ready() {
    let mut status = ready_status();
    let issuing = condition_json("Issuing", "True", "ManuallyTriggered", "");
    status["conditions"].as_array_mut().unwrap().push(issuing);
    assert!(not_yet(&seen(certificate(1, &status), [issued_request(1)])).contains("issuing (ManuallyTriggered)"));
}

#[test]
fn ready_by_the_request_of_another_certificate_is_not_ready() {
    let mut foreign = issued_request(1);
    foreign.metadata.owner_references.as_mut().unwrap()[0].uid = "another".to_owned();
    let told = not_yet(&seen(certificate(1, &ready_status()), [foreign]));
    assert!(told.contains("no CertificateRequest of that revision"), "{told}");
}

#[test]
fn a_secret_that_was_there_is_not_believed_once_nothing_was_issued() {
    let mut status = ready_status();
    status["revision"] = Value::Null;
    let seen = seen(certificate(1, &status), []);
    not_yet(&seen);
    let failure = never(&seen, true);
    assert_eq!(failure.seen, "Certificate web is ready without a CertificateRequest");
}

#[test]
fn a_renewal_is_ready_only_at_the_next_revision() {
    let renewing = Wanted { after_revision: 1, ..wanted() };
    let first = seen(certificate(1, &ready_status()), [issued_request(1)]);
    assert!(matches!(judge(std::slice::from_ref(&renewing), &first, true), Look::NotYet(_)));
    let mut status = ready_status();
    status["revision"] = json!(2);
    let second = seen(certificate(1, &status), [issued_request(1), issued_request(2)]);
    let Look::Found(issued) = judge(&[renewing], &second, false) else { panic!("not found") };
    assert_eq!(issued[0].request, "web-2");
}

#[test]
fn a_deleted_certificate_ends_the_wait() {
    let seen = Seen { certificates: Some(BTreeMap::new()), ..Seen::default() };
    assert!(never(&seen, false).seen.contains("somebody deleted it"));
}

#[test]
fn denied_invalid_and_failed_end_the_wait_with_their_reason() {
    let issuing = json!({"conditions": [condition_json("Ready", "False", "DoesNotExist", "no Secret"),
                                        condition_json("Issuing", "True", "DoesNotExist", "no Secret")]});
    for (conditions, told) in [
        (
            json!([condition_json("Denied", "True", "policy", "no such names")]),
            "denied the request: policy: no such names",
        ),
        (
            json!([approved(), condition_json("InvalidRequest", "True", "Bad", "CSR")]),
            "invalid to the issuer: Bad: CSR",
        ),
        (
            json!([approved(), condition_json("Ready", "False", "Failed", "order is invalid")]),
            "failed to sign: Failed: order",
        ),
        (json!([condition_json("Ready", "False", "Denied", "by somebody")]), "denied the request: Denied: by somebody"),
    ] {
        let failure = never(&seen(certificate(1, &issuing), [request(1, &conditions)]), false);
        assert!(failure.seen.contains(told), "{failure}");
        assert_eq!(failure.verdict, Verdict::Failed);
        assert_eq!(failure.object.as_ref().unwrap().kind, "CertificateRequest");
        assert_eq!(failure.next, ["kubectl describe -n ns certificaterequest web-1"]);
    }
    let pending = json!([approved(), condition_json("Ready", "False", "Pending", "Waiting on order")]);
    assert!(not_yet(&seen(certificate(1, &issuing), [request(1, &pending)])).contains("Pending: Waiting on order"));
}

#[test]
fn a_refusal_of_an_earlier_revision_does_not_count() {
    let renewing = Wanted { after_revision: 1, ..wanted() };
    let denied = request(1, &json!([condition_json("Denied", "True", "policy", "no")]));
    let seen = seen(certificate(1, &ready_status()), [denied]);
    assert!(matches!(judge(&[renewing], &seen, false), Look::NotYet(_)));
}

#[test]
fn a_failed_issuance_is_told_from_one_that_goes_on() {
    let failed = |time: Value| {
        json!({"lastFailureTime": time, "conditions": [condition_json("Ready", "False", "DoesNotExist", ""),
               condition_json("Issuing", "False", "Failed", "will be retried: order is invalid")]})
    };
    let failure = never(&seen(certificate(1, &failed(json!("2026-11-21T12:32:41Z"))), []), false);
    assert!(failure.seen.contains("the issuance failed: Failed: will be retried: order is invalid"), "{failure}");
    not_yet(&seen(certificate(1, &failed(Value::Null)), []));
}

#[test]
fn one_refused_of_several_ends_the_wait_for_all() {
    let other = Wanted { name: "other".to_owned(), uid: "other".to_owned(), after_revision: 0 };
    let mut seen = seen(certificate(1, &ready_status()), [issued_request(1)]);
    let mut second = certificate(1, &json!({}));
    second.metadata.name = Some("other".to_owned());
    second.metadata.uid = Some("other".to_owned());
    seen.certificates.as_mut().unwrap().insert("ns/other".to_owned(), second);
    let Look::NotYet(told) = judge(&[wanted(), other.clone()], &seen, false) else { panic!("not awaited") };
    assert!(told.starts_with("1 of 2 are ready; Certificate other: no condition Ready"), "{told}");
    let mut denied = request(1, &json!([condition_json("Denied", "True", "policy", "no")]));
    denied.metadata.owner_references.as_mut().unwrap()[0].uid = "other".to_owned();
    seen.requests.as_mut().unwrap().insert("x".to_owned(), denied);
    assert!(matches!(judge(&[wanted(), other], &seen, false), Look::Never(_)));
}

#[test]
fn an_issuer_that_is_not_ready_is_believed_after_a_moment() {
    let mut seen = seen(certificate(1, &json!({})), []);
    seen.issuer = issuer(&json!([condition_json("Ready", "False", "ErrGetKeyPair", "secret \"ca\" not found")]));
    not_yet(&seen);
    let failure = never(&seen, true);
    assert_eq!(failure.seen, "the Issuer is not ready: ErrGetKeyPair: secret \"ca\" not found");
    assert_eq!(failure.next, ["kubectl describe -n ns issuer ca"]);
    // A condition of an earlier generation says nothing about this one.
    let mut stale = condition_json("Ready", "False", "ErrGetKeyPair", "x");
    stale["observedGeneration"] = json!(0);
    seen.issuer = issuer(&json!([stale]));
    assert!(matches!(look(&seen, true), Look::NotYet(_)));
}

/// The failure at the deadline, as the check tells it.
fn at_the_deadline(seen: &Seen) -> Failure {
    let failure = Failure::failed("the Certificate to be Ready=True").saw(format!("{} (waited 6.0 s)", not_yet(seen)));
    stall::explain(failure, &[wanted()], seen)
}

fn cause(failure: &Failure) -> &str {
    &failure.cause.as_ref().unwrap().text
}

#[test]
fn a_controller_that_does_nothing_is_named() {
    let mut seen = seen(certificate(1, &json!({})), []);
    seen.issuer = issuer(&json!([]));
    let failure = at_the_deadline(&seen);
    assert_eq!(
        failure.seen,
        "nothing acted on the Certificate: it has no condition and no CertificateRequest, nor does the Issuer have one (waited 6.0 s)"
    );
    assert!(cause(&failure).starts_with("cert-manager's controller is not working"));
    assert_eq!(failure.object.as_ref().unwrap().to_string(), "Certificate ns/web");
    assert_eq!(failure.next[0], "kubectl get deploy,pods -A -l app.kubernetes.io/name=cert-manager");
}

#[test]
fn each_hand_that_the_issuance_may_wait_for_is_told_apart() {
    let issuing = json!({"conditions": [condition_json("Ready", "False", "DoesNotExist", "no Secret"),
                                        condition_json("Issuing", "True", "DoesNotExist", "no Secret")]});
    let with = |conditions: Value| seen(certificate(1, &issuing), [request(1, &conditions)]);
    let pending = condition_json("Ready", "False", "Pending", "Waiting on order");
    let issued = condition_json("Ready", "True", "Issued", "");
    for (seen, told) in [
        (seen(certificate(1, &issuing), []), "controller does not go on"),
        (with(json!([])), "nobody approved or denied CertificateRequest web-1"),
        (with(json!([approved()])), "approved, but no controller signs for its issuer"),
        (with(json!([approved(), pending])), "the issuer has not signed: Pending: Waiting on order"),
        (with(json!([approved(), issued])), "was given a certificate, but the Certificate does not take it"),
    ] {
        let failure = at_the_deadline(&seen);
        assert!(cause(&failure).contains(told), "{:?}", failure.cause);
        assert!(!failure.next.is_empty());
    }
    let mut gone = seen(certificate(1, &issuing), []);
    gone.issuer = SeenIssuer::Absent;
    assert!(cause(&at_the_deadline(&gone)).contains("the issuer that the Certificate names is not there"));
}
