//! Requests that do not reach the check's pod.

use super::{Cause, Finding};
use crate::diagnosis::evidence::Evidence;
use crate::diagnosis::wording::{has_any, quoted, shell_word};
use crate::failure::{Certainty, Failure, Origin};

/// The causes, the more specific first.
pub(super) static CAUSES: &[Cause] = &[
    Cause {
        id: "http-nobody-listens",
        about: "Nothing listens at the load balancer's address and port.",
        sign: "Connection refused.",
        certainty: Certainty::Likely,
        origin: Origin::Cluster,
        find: nobody_listens,
    },
    Cause {
        id: "http-no-way",
        about: "Packets to the load balancer's address get no answer: a firewall, a security group, or no route.",
        sign: "A request timed out, or there is no route.",
        certainty: Certainty::Likely,
        origin: Origin::Cluster,
        find: no_way,
    },
    Cause {
        id: "tls-certificate-untrusted",
        about: "The load balancer serves a certificate that is not trusted, is for another name, or has expired.",
        sign: "A TLS error about the certificate.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: untrusted,
    },
    Cause {
        id: "http-no-route",
        about: "The controller does not know the host or path (yet), or another controller answers.",
        sign: "404 without the nonce.",
        certainty: Certainty::Likely,
        origin: Origin::Cluster,
        find: no_route,
    },
    Cause {
        id: "http-backend-unreachable",
        about: "The load balancer knows the route and cannot reach the pods.",
        sign: "502, 503 or 504.",
        certainty: Certainty::Likely,
        origin: Origin::Cluster,
        find: backend,
    },
    Cause {
        id: "http-other-backend",
        about: "Another back end answers under the host name.",
        sign: "A good status without this run's nonce.",
        certainty: Certainty::Likely,
        origin: Origin::Cluster,
        find: other_backend,
    },
];

fn seen_of_http<'a>(failure: &'a Failure, evidence: &Evidence) -> Option<&'a str> {
    let about = |text: &str| has_any(text, &["http", "request", "repl", "tls"]);
    let ours = !matches!(evidence.check.as_str(), "fluent" | "datadog-agent");
    (ours && (about(&evidence.step) || about(&failure.expected))).then_some(failure.seen.as_str())
}

/// Host and address of the request, as far as the check's expectation tells them: `http://HOST/ with … from ADDRESS`.
fn asked(failure: &Failure) -> (&str, &str) {
    let url = failure.expected.split_once("://").map_or("", |(_, rest)| rest);
    let host = url.split(['/', ':', ' ']).next().filter(|host| !host.is_empty());
    let address = failure.expected.rsplit_once(" from ").and_then(|(_, list)| list.split(',').next());
    let address = address.filter(|address| address.parse::<std::net::IpAddr>().is_ok());
    (host.unwrap_or("HOST"), address.unwrap_or("ADDRESS"))
}

fn has_status(seen: &str, codes: &[&str]) -> bool {
    seen.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| codes.contains(&word))
}

fn nobody_listens(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let seen = seen_of_http(failure, evidence).filter(|seen| has_any(seen, &["connection refused"]))?;
    Some(
        Finding::new(format!("nothing listens at the load balancer's address: {}", quoted(seen)))
            .next("kubectl get services -A --field-selector spec.type=LoadBalancer")
            .next("see whether the controller's pods run, and whether the load balancer has a listener for the port"),
    )
}

fn no_way(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let words = [
        "timed out",
        "no answer within",
        "no answer in time",
        "no route to host",
        "network is unreachable",
        "deadline has elapsed",
    ];
    let seen = seen_of_http(failure, evidence).filter(|seen| has_any(seen, &words))?;
    let (host, address) = asked(failure);
    Some(
        Finding::new(format!("requests to the load balancer get no answer: {}", quoted(seen)))
            .next(format!("curl -v --max-time 5 -H 'Host: {host}' http://{address}/   # from here, and from a pod"))
            .next("see its security group or firewall, whether it is internal, and the health of its targets"),
    )
}

fn untrusted(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let words = [
        "invalid peer certificate",
        "UnknownIssuer",
        "NotValidForName",
        "certificate expired",
        "certificate not valid",
    ];
    let seen = seen_of_http(failure, evidence).filter(|seen| has_any(seen, &words))?;
    let (host, address) = asked(failure);
    Some(
        Finding::new(format!("the certificate that the load balancer serves is not good for the host name: {}", quoted(seen)))
            .next(format!("openssl s_client -connect {address}:443 -servername {host} </dev/null | openssl x509 -noout -subject -issuer -dates"))
            .next("see which certificate the Ingress's class serves by default, and whether its Secret or ACM certificate is there"),
    )
}

fn no_route(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let seen = seen_of_http(failure, evidence).filter(|seen| has_status(seen, &["404"]))?;
    Some(
        Finding::new(format!("whoever answers at the address does not know this host ({}): the controller has not taken the rule over, or another one answers", quoted(seen)))
            .next("kubectl get ingressclasses,services -A | grep -i -e ingress -e LoadBalancer   # do two controllers share an address?")
            .next("see the controller's log for the host"),
    )
}

fn backend(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let seen = seen_of_http(failure, evidence).filter(|seen| has_status(seen, &["502", "503", "504"]))?;
    Some(
        Finding::new(format!("the load balancer knows the route and cannot reach the pods: {}", quoted(seen)))
            .next("kubectl get networkpolicies -A   # may the controller's pods reach other namespaces?")
            .next("see the health of the load balancer's targets, and the security groups between it and the nodes"),
    )
}

fn other_backend(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let seen = seen_of_http(failure, evidence)?;
    let good = has_status(seen, &["200", "301", "302", "307", "308"]);
    let expected_own = has_any(&failure.expected, &["nonce", "own pod", "this run"]) || has_any(seen, &["nonce"]);
    (good && expected_own).then(|| {
        Finding::new(format!("another back end than this run's pod answers under the host name: {}", quoted(seen)))
            .next(format!(
                "kubectl get ingresses -A | grep -F {}   # which other Ingress has the same host?",
                shell_word(asked(failure).0)
            ))
    })
}
