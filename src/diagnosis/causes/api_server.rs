//! The API server cannot be asked, or cannot answer.

use super::{Cause, Finding};
use crate::diagnosis::evidence::Evidence;
use crate::diagnosis::refusals::is_of_call;
use crate::diagnosis::wording::{between, has_any, quoted};
use crate::failure::{Certainty, Failure, Origin};

/// The causes, the more specific first.
pub(super) static CAUSES: &[Cause] = &[
    Cause {
        id: "etcd-trouble",
        about: "The API server's store (etcd) is full, slow or without a leader.",
        sign: "`etcdserver:` or `mvcc:` in the API server's answer.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: etcd,
    },
    Cause {
        id: "api-server-untrusted",
        about: "The API server's certificate is not one that the kubeconfig trusts.",
        sign: "A TLS error about the peer's certificate on a request to the API server.",
        certainty: Certainty::Certain,
        origin: Origin::Harness,
        find: untrusted,
    },
    Cause {
        id: "api-server-name-unknown",
        about: "The API server's host name does not resolve.",
        sign: "A name that does not resolve, on a request to the API server.",
        certainty: Certainty::Certain,
        origin: Origin::Harness,
        find: name_unknown,
    },
    Cause {
        id: "api-server-overloaded",
        about: "The API server turns requests away because it has too many.",
        sign: "429 in the API server's last answer.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: overloaded,
    },
    Cause {
        id: "api-server-store-silent",
        about: "The API server runs, and does not answer where it has to read or write its store (etcd).",
        sign: "The API server tells its version, and answers no list in time.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: store_silent,
    },
    Cause {
        id: "api-server-down",
        about: "Nothing answers at the API server's address.",
        sign: "Connection refused, reset or timed out on a request to the API server.",
        certainty: Certainty::Likely,
        origin: Origin::Cluster,
        find: down,
    },
    Cause {
        id: "api-server-errors",
        about: "The API server answers with an error of its own.",
        sign: "A 5xx in the API server's last answer.",
        certainty: Certainty::Likely,
        origin: Origin::Cluster,
        find: errors,
    },
];

/// What the API server, or the way to it, said last; only for failures that could not be told because of it.
fn last_answer(failure: &Failure) -> Option<&str> {
    let told = failure.verdict == crate::verdict::Verdict::Inconclusive;
    // The core's words for a call whose last answer was transient, and for a watch that went blind.
    let of_api = is_of_call(failure) || failure.seen.contains("the API server could not be asked");
    let seen = failure.seen.as_str();
    // What was seen before the watch went blind is no answer to why it did.
    let seen = between(seen, "could not be asked any more: ", "; before that:").unwrap_or(seen);
    (told && of_api).then_some(seen)
}

const READY: &str = "kubectl get --raw '/readyz?verbose'";

fn etcd(failure: &Failure, _evidence: &Evidence) -> Option<Finding> {
    let text = last_answer(failure).filter(|text| has_any(text, &["etcdserver:", "mvcc:"]))?;
    Some(
        Finding::new(format!("the API server's store, etcd, is in trouble: {}", quoted(text)))
            .next("kubectl get --raw '/readyz/etcd'")
            .next(
                "see the disk, the leader changes and the database size of etcd (on EKS: the control plane's metrics)",
            ),
    )
}

fn untrusted(failure: &Failure, _evidence: &Evidence) -> Option<Finding> {
    let words = ["invalid peer certificate", "UnknownIssuer", "certificate verify failed", "NotValidForName"];
    let text = last_answer(failure).filter(|text| has_any(text, &words))?;
    Some(
        Finding::new(format!("the API server's certificate is not trusted: {}", quoted(text)))
            .next("kubectl cluster-info   # is it the server that the kubeconfig means?")
            .next("fetch the kubeconfig again: the cluster's CA may have been replaced"),
    )
}

fn name_unknown(failure: &Failure, _evidence: &Evidence) -> Option<Finding> {
    let words = ["failed to lookup address", "dns error", "no such host", "name resolution"];
    let text = last_answer(failure).filter(|text| has_any(text, &words))?;
    Some(
        Finding::new(format!("the API server's host name does not resolve here: {}", quoted(text)))
            .next("kubectl config view --minify -o jsonpath='{.clusters[0].cluster.server}'")
            .next("see this machine's DNS and VPN; a private endpoint resolves only inside its network"),
    )
}

fn overloaded(failure: &Failure, _evidence: &Evidence) -> Option<Finding> {
    let text = last_answer(failure).filter(|text| has_any(text, &["(429)", "too many requests"]))?;
    Some(
        Finding::new(format!("the API server has too many requests and turned ours away: {}", quoted(text)))
            .next("kubectl get --raw /metrics | grep apiserver_flowcontrol_rejected_requests_total")
            .next("find the client that floods it: apiserver_request_total by resource and verb"),
    )
}

const SILENCE: &str = "no answer in time";

fn store_silent(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    // Its version it tells from memory; by that its clock is known. A watch stays open and silent meanwhile.
    let silent = evidence.gaps.iter().filter(|gap| gap.contains(SILENCE)).count();
    let told = evidence.clock_ahead_s.is_some() && evidence.listed.is_empty() && evidence.objects.is_empty();
    (told && silent > 1 && failure.verdict != crate::verdict::Verdict::Cancelled).then(|| {
        Finding::new(format!(
            "the API server runs but answers nothing that needs its store, etcd ({silent} lists without an answer in time), so nothing \
             is known of what was waited for"
        ))
        .next("kubectl get --raw '/readyz/etcd'; kubectl get --raw '/readyz?verbose'")
        .next("if it is well again: run the check again; nothing was learnt about the add-on")
    })
}

fn down(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let words = [
        SILENCE,
        "connection refused",
        "connection reset",
        "timed out",
        "deadline has elapsed",
        "no answer within",
        "connection closed",
        "broken pipe",
        "no route to host",
        "network is unreachable",
        "unexpected eof",
    ];
    let text = last_answer(failure).filter(|text| has_any(text, &words) && evidence.clock_ahead_s.is_none())?;
    Some(
        Finding::new(format!("the API server does not answer: {}", quoted(text)))
            .next(READY)
            .next("if it is up again: run the check again; nothing was learnt about the add-on"),
    )
}

fn errors(failure: &Failure, _evidence: &Evidence) -> Option<Finding> {
    let text = last_answer(failure)?;
    let codes = ["(500)", "(501)", "(502)", "(503)", "(504)"];
    let code = codes.iter().find(|code| text.contains(*code))?;
    Some(Finding::new(format!("the API server answered with an error of its own {code}: {}", quoted(text))).next(READY))
}
