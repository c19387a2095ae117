//! What it means that the API server does not take, or does not know, an object of cert-manager's kinds.

use super::objects::GROUP;
use crate::context::Context;
use crate::failure::{Certainty, Failure, Origin};
use crate::verdict::Verdict;

/// Names the cause of a refusal, where the answer alone would leave the reader to guess.
pub(super) async fn explain(cx: &Context, failure: Failure) -> Failure {
    if failure.verdict != Verdict::Failed {
        return failure;
    }
    if failure.seen.contains("webhook") {
        return of_webhook(failure);
    }
    // An answer of 404 does not say whether the object, its namespace or its whole kind is missing.
    match cx.client.list_api_group_resources(&format!("{GROUP}/v1")).await {
        Err(kube::Error::Api(status)) if status.code == 404 => not_installed(failure),
        _ => failure,
    }
}

/// A webhook that does not answer, or that said no.
fn of_webhook(failure: Failure) -> Failure {
    let seen = failure.seen.clone();
    let text = if seen.contains("denied the request") {
        return failure.because(Certainty::Certain, Origin::Cluster, "an admission webhook denied the object");
    } else if seen.contains("x509") {
        "the API server does not trust the certificate of cert-manager's webhook: cainjector has not written its CA into the \
         webhook's configuration"
    } else if seen.contains("no endpoints available") || seen.contains("connection refused") {
        "cert-manager's webhook is not running"
    } else {
        "the API server cannot reach cert-manager's webhook"
    };
    failure
        .because(Certainty::Likely, Origin::Cluster, text)
        .next("kubectl get deploy,pods,endpointslices -A -l 'app.kubernetes.io/name in (webhook,cainjector)'")
        .next("kubectl logs -n cert-manager deploy/cert-manager-cainjector --tail=50")
}

fn not_installed(failure: Failure) -> Failure {
    failure
        .because(
            Certainty::Certain,
            Origin::Cluster,
            format!(
                "cert-manager's CustomResourceDefinitions are not installed: the cluster does not serve {GROUP}/v1"
            ),
        )
        .next(format!("kubectl get crd certificates.{GROUP}"))
        .next("https://cert-manager.io/docs/installation/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::call::{Action, Answer};
    use crate::failure::ObjectRef;

    fn at_the_deadline(answer: &str) -> Failure {
        let object = ObjectRef::new("Certificate", "ns", "c");
        let action = Action { verb: "create", resource: "certificates.cert-manager.io".to_owned(), object };
        of_webhook(action.failure(Answer::Transient(answer.to_owned())))
    }

    #[test]
    fn a_webhook_that_never_came_up_is_named_with_what_is_wrong_with_it() {
        let calling = r#"Internal error occurred: failed calling webhook "webhook.cert-manager.io": failed to call webhook: Post "https://cert-manager-webhook.cert-manager.svc:443/validate?timeout=30s": "#;
        for (answer, cause) in [
            ("tls: failed to verify certificate: x509: certificate signed by unknown authority", "does not trust"),
            ("no endpoints available for service \"cert-manager-webhook\"", "is not running"),
            ("dial tcp 10.0.0.1:443: connect: connection refused", "is not running"),
            ("context deadline exceeded", "cannot reach"),
        ] {
            let failure = at_the_deadline(&format!("{calling}{answer} (500)"));
            assert_eq!(failure.verdict, Verdict::Failed);
            assert!(failure.seen.contains(answer), "{failure}");
            assert!(failure.cause.as_ref().unwrap().text.contains(cause), "{:?}", failure.cause);
            assert!(failure.next[0].contains("webhook"), "{:?}", failure.next);
        }
    }

    #[test]
    fn a_denial_is_no_outage() {
        let failure = at_the_deadline(r#"admission webhook "policy" denied the request: no such names here"#);
        assert_eq!(failure.cause.unwrap().text, "an admission webhook denied the object");
        assert!(failure.next.is_empty());
    }
}
