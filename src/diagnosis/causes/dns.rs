//! Names that do not resolve, or to something else.

use super::{Cause, Finding};
use crate::diagnosis::controllers;
use crate::diagnosis::evidence::Evidence;
use crate::diagnosis::wording::{between, has_any, quoted};
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
    has_any(&told, &["recursive", "caching", "public resolver", "through resolvers"])
}

/// The name that was asked for, who was asked, and the zone, as far as the check's expectation tells them:
/// `HOST to lead to ADDRESS at SERVER (zone ZONE)`.
struct Asked<'a> {
    name: &'a str,
    /// How `dig` is told whom to ask.
    server: String,
    zone: &'a str,
}

fn asked(failure: &Failure) -> Asked<'_> {
    let (name, rest) = failure.expected.split_once(" to lead to ").unwrap_or(("NAME", ""));
    let server = rest.split_once(" at ").and_then(|(_, servers)| servers.split([',', ' ']).next());
    let server = server.and_then(|server| server.parse::<std::net::SocketAddr>().ok());
    let zone = between(rest, "(zone ", ")").or_else(|| name.split_once('.').map(|(_, parent)| parent));
    Asked {
        name: if name.contains(' ') { "NAME" } else { name },
        server: match server {
            Some(server) if server.port() == 53 => format!("@{}", server.ip()),
            Some(server) => format!("-p {} @{}", server.port(), server.ip()),
            None => "@SERVER".to_owned(),
        },
        zone: zone.unwrap_or("ZONE"),
    }
}

const LOG: &str = "kubectl get pods -A -l app.kubernetes.io/name=external-dns; and its log";

fn external_dns_down(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    seen_of_dns(failure, evidence).filter(|seen| is_absent(seen))?;
    let (addon, standing) = controllers::silent(evidence, &["external-dns"])?;
    Some(Finding::new(format!("{addon}, which has to write the record, {}", standing.trouble)).next(standing.next))
}

fn negative_cache(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    seen_of_dns(failure, evidence).filter(|seen| is_absent(seen) && asked_a_cache(failure, evidence))?;
    let asked = asked(failure);
    Some(
        Finding::new("a caching resolver still holds that the name does not exist, though the zone's own servers have it; it may keep that for as long as the zone's SOA says")
            .next(format!("dig +noall +answer SOA {}   # the last number: how long a name may be held for missing, in seconds", asked.zone))
            .next("wait that long, or lower the SOA's minimum; and ask no resolver for the name before it exists"),
    )
}

fn refused(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let seen = seen_of_dns(failure, evidence).filter(|seen| seen.contains("REFUSED"))?;
    let asked = asked(failure);
    Some(
        Finding::new(format!(
            "the name server refuses to answer: it does not serve the zone, or not for this address: {}",
            quoted(seen)
        ))
        .next(format!("dig NS {}   # which servers have the zone?", asked.zone))
        .next("see that EXTERNAL_HOSTNAME is a name of a zone that these servers have; name others by KIBERTAS_DNS_SERVERS"),
    )
}

fn servfail(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let seen = seen_of_dns(failure, evidence).filter(|seen| has_any(seen, &["SERVFAIL", "server failure"]))?;
    let Asked { name, server, zone } = asked(failure);
    Some(
        Finding::new(format!("the name server itself failed: {}", quoted(seen)))
            .next(format!("dig {server} {name}; dig +cd {server} {name}   # the second without DNSSEC validation"))
            .next(format!("dig NS {zone}; dig +trace {name}   # do the zone's own servers answer?")),
    )
}

fn silent(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let words = ["no answer within", "timed out", "unreachable", "connection refused"];
    let seen = seen_of_dns(failure, evidence).filter(|seen| has_any(seen, &words))?;
    let Asked { name, server, .. } = asked(failure);
    Some(
        Finding::new(format!("the name server does not answer this machine: {}", quoted(seen)))
            .next(format!("dig {server} {name}; dig +tcp {server} {name}   # is its port open, by UDP and TCP?"))
            .next("name servers that this machine reaches by KIBERTAS_DNS_SERVERS"),
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
        let Asked { name, server, .. } = asked(failure);
        Finding::new(format!("the name resolves to something else than the Ingress's load balancer ({}): the record is old, or the other cluster's", quoted(seen)))
            .next(format!("dig +short {server} {name}; dig +short {server} TXT a-{name}   # external-dns's owner is in the TXT record"))
            .next("see whether the external-dns of both clusters have the same --txt-owner-id or fight for the name")
    })
}
