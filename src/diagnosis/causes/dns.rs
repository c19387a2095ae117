//! Names that do not resolve, or to something else.

use super::{Cause, Finding};
use crate::diagnosis::controllers;
use crate::diagnosis::evidence::Evidence;
use crate::diagnosis::wording::{has_any, quoted};
use crate::failure::{Certainty, Failure, Origin};

/// The causes, the more specific first.
pub(super) static CAUSES: &[Cause] = &[
    Cause {
        id: "external-dns-down",
        about: "external-dns does not run, so nobody writes the record.",
        sign: "The record is not there, and the workload of external-dns has no ready pod.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: external_dns_down,
    },
    Cause {
        id: "dns-negative-cache",
        about: "The record is right at the zone's own servers; a caching resolver still holds that it does not exist.",
        sign: "NXDOMAIN or no address from a recursive resolver, after the authoritative servers were right.",
        certainty: Certainty::Likely,
        origin: Origin::Outside,
        find: negative_cache,
    },
    Cause {
        id: "dns-refused",
        about: "The name server refuses to answer for the zone, or for us.",
        sign: "REFUSED.",
        certainty: Certainty::Certain,
        origin: Origin::Outside,
        find: refused,
    },
    Cause {
        id: "dns-servfail",
        about: "The name server cannot answer: broken delegation, DNSSEC, or a server behind it that is down.",
        sign: "SERVFAIL.",
        certainty: Certainty::Certain,
        origin: Origin::Outside,
        find: servfail,
    },
    Cause {
        id: "dns-server-silent",
        about: "The name server does not answer.",
        sign: "A DNS question timed out or its server was unreachable.",
        certainty: Certainty::Likely,
        origin: Origin::Outside,
        find: silent,
    },
    Cause {
        id: "dns-record-missing",
        about: "Nobody has written the record into the zone: external-dns does not see the Ingress, or may not change the zone.",
        sign: "NXDOMAIN or no address from the zone's own servers.",
        certainty: Certainty::Likely,
        origin: Origin::Cluster,
        find: record_missing,
    },
    Cause {
        id: "dns-other-address",
        about: "The name is owned by somebody else: the other cluster, or an old record.",
        sign: "The answer has addresses, and none is the load balancer's.",
        certainty: Certainty::Likely,
        origin: Origin::Cluster,
        find: other_address,
    },
];

/// What was seen, if the failure is about a name in DNS.
fn seen_of_dns<'a>(failure: &'a Failure, evidence: &Evidence) -> Option<&'a str> {
    let about = |text: &str| has_any(text, &["dns", "resolver", "name server", "record", "resolve"]);
    (about(&evidence.step) || about(&failure.expected)).then_some(failure.seen.as_str())
}

fn is_absent(seen: &str) -> bool {
    has_any(seen, &["NXDOMAIN", "no address", "no record", "no such name"])
}

/// Whether the one who answered was a caching resolver, not a server of the zone.
fn asked_a_cache(failure: &Failure, evidence: &Evidence) -> bool {
    let told = format!("{} {} {}", evidence.step, failure.expected, failure.seen);
    has_any(&told, &["recursive", "caching", "public resolver"])
}

const LOG: &str = "kubectl get deployments -A -l app.kubernetes.io/name=external-dns, then its log";

fn external_dns_down(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    seen_of_dns(failure, evidence).filter(|seen| is_absent(seen))?;
    let (addon, standing) = controllers::silent(evidence, &["external-dns"])?;
    Some(Finding::new(format!("{addon}, which has to write the record, {}", standing.trouble)).next(standing.next))
}

fn negative_cache(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    seen_of_dns(failure, evidence).filter(|seen| is_absent(seen) && asked_a_cache(failure, evidence))?;
    Some(
        Finding::new("a caching resolver still holds that the name does not exist, though the zone's own servers have it; it may keep that for as long as the zone's SOA says")
            .next("dig +noall +authority SOA ZONE   # the last number: how long a name may be held for missing, in seconds")
            .next("wait that long, or lower the SOA's minimum; and ask no resolver for the name before it exists"),
    )
}

fn refused(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let seen = seen_of_dns(failure, evidence).filter(|seen| seen.contains("REFUSED"))?;
    Some(
        Finding::new(format!(
            "the name server refuses to answer: it does not serve the zone, or not for this address: {}",
            quoted(seen)
        ))
        .next("dig NS ZONE   # are these the servers that the registrar delegates to?")
        .next("set the check's resolvers to servers that answer this machine"),
    )
}

fn servfail(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let seen = seen_of_dns(failure, evidence).filter(|seen| has_any(seen, &["SERVFAIL", "server failure"]))?;
    Some(
        Finding::new(format!("the name server itself failed: {}", quoted(seen)))
            .next("dig +trace NAME; dig +cd NAME   # delegation; and whether DNSSEC validation is what fails")
            .next("see the servers of the zone"),
    )
}

fn silent(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let words = ["no answer within", "timed out", "unreachable", "connection refused"];
    let seen = seen_of_dns(failure, evidence).filter(|seen| has_any(seen, &words))?;
    Some(
        Finding::new(format!("the name server does not answer this machine: {}", quoted(seen)))
            .next("dig @SERVER NAME; dig +tcp @SERVER NAME   # is port 53 open, by UDP and TCP?")
            .next("set the check's resolvers to servers that this machine reaches"),
    )
}

fn record_missing(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let seen = seen_of_dns(failure, evidence).filter(|seen| is_absent(seen) && !asked_a_cache(failure, evidence))?;
    Some(
        Finding::new(format!(
            "nobody has written the record ({}): external-dns does not run, does not see the Ingress (class, annotation or domain \
             filter), or may not change the zone",
            quoted(seen)
        ))
        .next(LOG)
        .next("compare external-dns's --domain-filter, --txt-owner-id and --source with the host name and the zone"),
    )
}

fn other_address(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let seen = seen_of_dns(failure, evidence).filter(|seen| !is_absent(seen))?;
    let an_address = seen
        .split(|c: char| !(c.is_ascii_hexdigit() || c == '.' || c == ':'))
        .any(|word| word.parse::<std::net::IpAddr>().is_ok());
    let failed = has_any(seen, &["SERVFAIL", "REFUSED", "no answer", "timed out", "unreachable", "connection refused"]);
    (an_address && !failed).then(|| {
        Finding::new(format!("the name resolves to something else than the Ingress's load balancer ({}): the record is old, or the other cluster's", quoted(seen)))
            .next("dig +short NAME; dig +short TXT NAME   # external-dns's owner is in the TXT record")
            .next("see whether the external-dns of both clusters have the same --txt-owner-id or fight for the name")
    })
}
