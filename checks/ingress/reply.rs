//! What one address answers to a request for the host, and what that means.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::cluster::Look;
use crate::probe::http::{PROBE, Reply as ProbeReply};

/// The outcome of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reply {
    /// This run's back end.
    Ours {
        /// The pod.
        pod: String,
        /// The Host header as it reached the pod.
        host: String,
        /// The server's certificate, in words; only with https.
        certificate: Option<String>,
    },
    /// A back end of ours, but of another run.
    OtherRun(String),
    /// 200 from somebody else; the beginning of what it says.
    OtherBackEnd(String),
    /// The load balancer's or the controller's own answer.
    Status {
        code: u16,
        /// Where a redirect leads.
        location: Option<String>,
        /// The Server header.
        server: Option<String>,
    },
    /// No connection, with the reason.
    NoConnection(String),
    /// This machine has no way to such addresses; says nothing about the cluster.
    NoRoute(String),
    /// Not within the request's time.
    TimedOut,
    /// The certificate's chain or name does not verify, or the server speaks no TLS.
    Untrusted(String),
    /// The connection ended early, or what came was no HTTP.
    Broken(String),
}

impl Reply {
    /// Reads a complete answer.
    pub(super) fn of_answer(
        (code, location, server): (u16, Option<String>, Option<String>),
        body: &[u8],
        nonce: &str,
        certificate: Option<String>,
    ) -> Self {
        if code != 200 {
            return Self::Status { code, location, server };
        }
        match serde_json::from_slice::<ProbeReply>(body) {
            Ok(reply) if reply.probe == PROBE && reply.nonce == nonce && !nonce.is_empty() => {
                Self::Ours { pod: reply.pod, host: reply.host, certificate }
            }
            Ok(reply) if reply.probe == PROBE => Self::OtherRun(reply.pod),
            _ => Self::OtherBackEnd(excerpt(body)),
        }
    }

    /// What broke, judging by this reply, in one sentence.
    pub(super) fn meaning(&self) -> &'static str {
        match self {
            Self::Ours { .. } | Self::NoRoute(_) => "",
            Self::OtherRun(_) => {
                "the request ends at the back end of another run: another Ingress has the same host, or the address is \
                 another cluster's"
            }
            Self::OtherBackEnd(_) => {
                "another back end takes the host's requests: another Ingress has the same host or a catch-all rule, or the \
                 address is not this Ingress's"
            }
            Self::Status { code: 301..=308, .. } => {
                "the load balancer redirects instead of serving; where it redirects to https, set scheme to https"
            }
            Self::Status { code: 404, .. } => {
                "the controller has no rule for the host: it has not taken the Ingress, or another controller listens there"
            }
            Self::Status { code: 502..=504, .. } => {
                "the controller has the rule but reaches no back end: a NetworkPolicy, a security group or the health check"
            }
            Self::Status { .. } => "something before the back end answers in its place",
            Self::NoConnection(_) => {
                "nothing listens at the address: the ingress controller or its load balancer does not run"
            }
            Self::TimedOut => {
                "nothing answers at the address: the ingress controller hangs, or a firewall or security group drops requests \
                 from here"
            }
            Self::Untrusted(_) => "the certificate that is served for the host does not verify",
            Self::Broken(_) => "what listens at the address does not speak HTTP, or gives up in the middle",
        }
    }
}

impl std::fmt::Display for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ours { pod, .. } => write!(f, "this run's nonce from pod {pod}"),
            Self::OtherRun(pod) => write!(f, "200 from the back end of another run, pod {pod}"),
            Self::OtherBackEnd(text) => write!(f, "200 without this run's nonce, from another back end: {text:?}"),
            Self::Status { code, location, server } => {
                write!(f, "{code}")?;
                if let Some(location) = location {
                    write!(f, " to {location}")?;
                }
                if let Some(server) = server {
                    write!(f, " (Server: {server})")?;
                }
                Ok(())
            }
            Self::NoConnection(reason) => write!(f, "no connection: {reason}"),
            Self::NoRoute(reason) => write!(f, "no way there from this machine: {reason}"),
            Self::TimedOut => f.write_str("no answer in time"),
            Self::Untrusted(reason) => write!(f, "TLS: {reason}"),
            Self::Broken(reason) => write!(f, "no HTTP answer: {reason}"),
        }
    }
}

/// Whether all addresses serve this run's nonce for `host`. Addresses without a way from here do not count, unless all are such.
pub(super) fn judge(host: &str, replies: &BTreeMap<IpAddr, Reply>) -> Look<()> {
    let mut served = false;
    let mut seen = Vec::new();
    for (address, reply) in replies {
        match reply {
            Reply::Ours { host: got, .. } if bare(got) != host => {
                return Look::never(format!("the Host header {got:?} at the back end, through {address}"));
            }
            Reply::Ours { .. } => served = true,
            Reply::NoRoute(_) => {}
            other => seen.push(format!("{other} from {address}")),
        }
    }
    match (served, seen.is_empty()) {
        (true, true) => Look::Found(()),
        (false, true) => Look::NotYet(no_way(replies)),
        (_, false) => Look::NotYet(seen.join("; ")),
    }
}

fn no_way(replies: &BTreeMap<IpAddr, Reply>) -> String {
    let each: Vec<String> = replies.iter().map(|(address, reply)| format!("{reply} ({address})")).collect();
    if each.is_empty() { "no address to ask".to_owned() } else { each.join("; ") }
}

/// A Host header without its port, in lower case.
fn bare(host: &str) -> String {
    let name = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
    name.map_or(host, |(name, _)| name).to_lowercase()
}

/// The beginning of a body in one line; markup's tags are left out.
fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(2_000)]).into_owned();
    let mut out = String::new();
    let mut in_tag = false;
    for c in text.chars() {
        match c {
            '<' => in_tag = true,
            '>' if in_tag => {
                in_tag = false;
                out.push(' ');
            }
            _ if in_tag => {}
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    let words: Vec<&str> = out.split_whitespace().collect();
    words.join(" ").chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(probe: &str, nonce: &str) -> Vec<u8> {
        serde_json::to_vec(&ProbeReply {
            probe: probe.to_owned(),
            nonce: nonce.to_owned(),
            version: String::new(),
            pod: "web-1".to_owned(),
            host: "web.example.com".to_owned(),
            path: "/".to_owned(),
        })
        .unwrap()
    }

    fn ok(body: &[u8]) -> Reply {
        Reply::of_answer((200, None, None), body, "n-1", None)
    }

    fn replies(all: &[(&str, Reply)]) -> BTreeMap<IpAddr, Reply> {
        all.iter().map(|(address, reply)| (address.parse().unwrap(), reply.clone())).collect()
    }

    #[test]
    fn a_200_is_only_ours_with_the_nonce() {
        assert!(matches!(ok(&body(PROBE, "n-1")), Reply::Ours { .. }));
        assert_eq!(ok(&body(PROBE, "n-2")), Reply::OtherRun("web-1".to_owned()));
        let page = ok(b"<html><title>Welcome to nginx!</title>\n<p>n-1</p>");
        assert_eq!(page, Reply::OtherBackEnd("Welcome to nginx! n-1".to_owned()));
        assert!(matches!(ok(b""), Reply::OtherBackEnd(_)));
        assert!(matches!(Reply::of_answer((200, None, None), &body(PROBE, ""), "", None), Reply::OtherRun(_)));
    }

    #[test]
    fn the_nonce_under_another_status_is_no_pass() {
        let reply = Reply::of_answer((503, None, Some("awselb/2.0".into())), &body(PROBE, "n-1"), "n-1", None);
        assert_eq!(reply.to_string(), "503 (Server: awselb/2.0)");
    }

    #[test]
    fn every_address_has_to_serve() {
        let ours = ok(&body(PROBE, "n-1"));
        let host = "web.example.com";
        assert!(matches!(judge(host, &replies(&[("192.0.2.1", ours.clone())])), Look::Found(())));
        let half = replies(&[("192.0.2.1", ours.clone()), ("192.0.2.2", Reply::TimedOut)]);
        let Look::NotYet(seen) = judge(host, &half) else { panic!("half is not enough") };
        assert_eq!(seen, "no answer in time from 192.0.2.2");
        let v6 = replies(&[("192.0.2.1", ours), ("2001:db8::1", Reply::NoRoute("x".into()))]);
        assert!(matches!(judge(host, &v6), Look::Found(())));
    }

    #[test]
    fn nothing_asked_or_nothing_reachable_is_no_pass() {
        assert!(matches!(judge("a.b", &BTreeMap::new()), Look::NotYet(_)));
        let unreachable = replies(&[("2001:db8::1", Reply::NoRoute("x".into()))]);
        assert!(matches!(judge("a.b", &unreachable), Look::NotYet(_)));
    }

    #[test]
    fn a_host_header_that_arrives_changed_is_final() {
        let ours = |host: &str| Reply::Ours { pod: "p".into(), host: host.into(), certificate: None };
        let arrived = |host: &str| judge("web.example.com", &replies(&[("192.0.2.1", ours(host))]));
        assert!(matches!(arrived("WEB.example.com:8080"), Look::Found(())));
        assert!(matches!(arrived("10.0.0.7"), Look::Never(_)));
    }
}
