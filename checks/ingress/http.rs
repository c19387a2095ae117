//! Requests for the host to given addresses: each short, repeated until all addresses serve this run's nonce.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use reqwest::header::{LOCATION, SERVER};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::objects::Names;
use super::reply::{Reply, judge};
use super::settings::Settings;
use crate::cluster::connect::innermost;
use crate::context::Step;
use crate::failure::{Certainty, Failure, Origin};
use crate::verdict::Verdict;

/// The longest pause between two rounds of requests; controllers take some hundred milliseconds to load a rule.
const PAUSE: Duration = Duration::from_millis(250);
/// What is read of an answer, in bytes: the probe's has a few hundred.
const MOST_OF_BODY: usize = 64 * 1024;

/// What is asked for.
pub(super) struct Requests<'a> {
    pub(super) settings: &'a Settings,
    pub(super) nonce: String,
}

impl Requests<'_> {
    /// Asks every address for the host until all of them serve the nonce.
    pub(super) async fn until_served(
        &self,
        step: &Step,
        addresses: &BTreeSet<IpAddr>,
        names: &Names,
    ) -> Result<(), Failure> {
        let expected = format!("{} with this run's nonce from {}", self.url(), listed(addresses));
        let last = RefCell::new(BTreeMap::new());
        let round = async || {
            let all = futures::future::join_all(addresses.iter().map(async |&ip| (ip, self.ask(ip).await))).await;
            last.replace(all.into_iter().collect());
            judge(&self.settings.host, &last.borrow())
        };
        let outcome = step.poll_up_to(PAUSE, &expected, Some(names.ingress()), round).await;
        let replies = last.into_inner();
        match outcome {
            Ok(()) => {
                for (address, reply) in &replies {
                    step.evidence(&address.to_string(), reply.to_string());
                }
                let certificate = replies.values().find_map(|reply| match reply {
                    Reply::Ours { certificate, .. } => certificate.clone(),
                    _ => None,
                });
                if let Some(certificate) = certificate {
                    step.evidence("certificate", certificate);
                }
                Ok(())
            }
            Err(failure) => Err(explained(failure, &replies, &self.command(addresses))),
        }
    }

    fn url(&self) -> String {
        let settings = self.settings;
        let (scheme, usual) = if settings.https { ("https", 443) } else { ("http", 80) };
        let port = if settings.port == usual { String::new() } else { format!(":{}", settings.port) };
        format!("{scheme}://{}{port}/", settings.host)
    }

    /// The same request by hand.
    fn command(&self, addresses: &BTreeSet<IpAddr>) -> String {
        let Some(address) = addresses.first() else { return format!("curl -v {}", self.url()) };
        format!("curl -v --resolve {}:{}:{address} {}", self.settings.host, self.settings.port, self.url())
    }

    /// One request to one address.
    async fn ask(&self, address: IpAddr) -> Reply {
        match tokio::time::timeout(self.settings.http_timeout, self.exchange(address)).await {
            Ok(Ok(reply)) => reply,
            Ok(Err(error)) => of_error(&error, address),
            Err(_elapsed) => Reply::TimedOut,
        }
    }

    async fn exchange(&self, address: IpAddr) -> reqwest::Result<Reply> {
        let settings = self.settings;
        let socket = SocketAddr::new(address, settings.port);
        // Each request is a connection of its own, to this address, through no proxy of the environment.
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(0)
            // Given without https as well: otherwise each client would load the machine's certificate authorities.
            .tls_backend_preconfigured(settings.tls.clone())
            .tls_info(true)
            .resolve_to_addrs(&settings.host, &[socket])
            .build()?;
        let mut response = client.get(self.url()).send().await?;
        let header = |name| response.headers().get(name).map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned());
        let head = (response.status().as_u16(), header(LOCATION), header(SERVER));
        let info = response.extensions().get::<reqwest::tls::TlsInfo>();
        let certificate = info.and_then(reqwest::tls::TlsInfo::peer_certificate).and_then(in_words);
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            body.extend_from_slice(&chunk);
            if body.len() > MOST_OF_BODY {
                break;
            }
        }
        Ok(Reply::of_answer(head, &body, &self.nonce, certificate))
    }
}

fn listed(addresses: &BTreeSet<IpAddr>) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Says what broke, from the last replies; a machine without a way to the address can tell nothing.
fn explained(mut failure: Failure, replies: &BTreeMap<IpAddr, Reply>, command: &str) -> Failure {
    let bad = replies.values().find(|reply| !matches!(reply, Reply::Ours { .. } | Reply::NoRoute(_)));
    match bad {
        Some(reply) => {
            failure = failure.because(Certainty::Likely, Origin::Cluster, reply.meaning());
        }
        None if replies.values().any(|reply| matches!(reply, Reply::NoRoute(_))) => {
            failure.verdict = Verdict::Inconclusive;
            let text = "this machine has no way to the load balancer's addresses, such as IPv6";
            failure = failure.because(Certainty::Likely, Origin::Harness, text);
        }
        None if replies.values().any(|reply| matches!(reply, Reply::Ours { .. })) => {
            let text = "something between the client and the back end changes the Host header";
            failure = failure.because(Certainty::Certain, Origin::Cluster, text);
        }
        None => {}
    }
    failure.next(command)
}

fn of_error(error: &reqwest::Error, address: IpAddr) -> Reply {
    let mut link: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(cause) = link {
        if let Some(io) = cause.downcast_ref::<std::io::Error>() {
            if let Some(tls) = tls_in(io) {
                return Reply::Untrusted(tls.to_string());
            }
            if error.is_connect() {
                return of_io(io, address);
            }
        }
        link = cause.source();
    }
    Reply::Broken(innermost(error))
}

/// The TLS error in an I/O error. `source` passes over it, and a connector may have wrapped it twice.
fn tls_in(error: &std::io::Error) -> Option<&rustls::Error> {
    let inner = error.get_ref()?;
    inner.downcast_ref::<rustls::Error>().or_else(|| inner.downcast_ref::<std::io::Error>().and_then(tls_in))
}

fn of_io(error: &std::io::Error, address: IpAddr) -> Reply {
    use std::io::ErrorKind::{AddrNotAvailable, NetworkUnreachable};
    match error.kind() {
        std::io::ErrorKind::TimedOut => Reply::TimedOut,
        NetworkUnreachable | AddrNotAvailable if address.is_ipv6() => Reply::NoRoute(error.to_string()),
        _ => Reply::NoConnection(error.to_string()),
    }
}

/// A certificate's issuer and end, for the report.
fn in_words(der: &[u8]) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    Some(format!("issued by {}, valid until {}", certificate.issuer(), certificate.validity().not_after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_ipv6_address_may_be_out_of_reach() {
        let unreachable = || std::io::Error::from(std::io::ErrorKind::NetworkUnreachable);
        assert!(matches!(of_io(&unreachable(), "2001:db8::1".parse().unwrap()), Reply::NoRoute(_)));
        assert!(matches!(of_io(&unreachable(), "192.0.2.1".parse().unwrap()), Reply::NoConnection(_)));
    }

    #[test]
    fn a_tls_error_is_found_however_often_it_is_wrapped() {
        let tls = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let once = std::io::Error::new(std::io::ErrorKind::InvalidData, tls.clone());
        assert_eq!(tls_in(&once), Some(&tls));
        let twice = std::io::Error::other(once);
        assert_eq!(tls_in(&twice), Some(&tls));
        assert_eq!(tls_in(&std::io::Error::other("reset")), None);
    }

    #[test]
    fn what_broke_follows_from_the_last_replies() {
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        let explain = |reply: Reply| explained(Failure::failed("x"), &BTreeMap::from([(address, reply)]), "curl");
        let refused = explain(Reply::NoConnection("refused".into()));
        assert!(refused.cause.unwrap().text.contains("nothing listens"));
        let blind = explain(Reply::NoRoute("no IPv6".into()));
        assert_eq!((blind.verdict, blind.cause.unwrap().origin), (Verdict::Inconclusive, Origin::Harness));
    }
}
