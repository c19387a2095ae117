//! Whether a chain leads, signature by signature, to a CA that is trusted.
//!
//! <https://www.rfc-editor.org/rfc/rfc5280#section-6>

use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use x509_parser::error::X509Error;
use x509_parser::prelude::X509Certificate;

use super::defect::Defect;
use super::stored::Stored;
use super::verify::{Trust, parsed, validity};

/// What the chain is verified against, for error texts and the report.
const OWN_CA: &str = "the CA that this run made";
const CA_FILE: &str = "a CA of caFile";
const CA_CRT: &str = "the CA in ca.crt";

/// Verifies the chain against everything that is known of the issuer. Returns what it was verified against; nothing where an
/// existing issuer gives no `ca.crt` and no `caFile` is set.
pub(super) fn verify(stored: &Stored, trust: &Trust, now: Timestamp) -> Result<Vec<&'static str>, Defect> {
    let chain = all("tls.crt", &stored.chain)?;
    let given = all("ca.crt", &stored.ca)?;
    match trust {
        Trust::Own(ca) => {
            leads_to(&chain, &[parsed("the CA of this run", ca)?], OWN_CA, now)?;
            match stored.ca.as_slice() {
                [] => Err(Defect::Missing("ca.crt")),
                [only] if only == ca => Ok(vec![OWN_CA]),
                _ => Err(Defect::OtherCaCrt { found: subjects(&given) }),
            }
        }
        Trust::Existing(roots) => {
            let mut verified_against = Vec::new();
            for (anchors, name) in [(all("caFile", roots)?, CA_FILE), (given, CA_CRT)] {
                if !anchors.is_empty() {
                    leads_to(&chain, &anchors, name, now)?;
                    verified_against.push(name);
                }
            }
            Ok(verified_against)
        }
    }
}

/// The CAs by which a TLS client is to verify the chain. Where nothing is known of the issuer, the chain's own top: the handshake
/// then proves the key and the names, not the trust.
pub(super) fn anchors(stored: &Stored, trust: &Trust) -> Vec<CertificateDer<'static>> {
    match trust {
        Trust::Own(ca) => vec![ca.clone()],
        Trust::Existing(roots) if !roots.is_empty() => roots.clone(),
        Trust::Existing(_) if !stored.ca.is_empty() => stored.ca.clone(),
        Trust::Existing(_) => stored.chain.last().cloned().into_iter().collect(),
    }
}

fn all<'a>(what: &'static str, certificates: &'a [CertificateDer<'_>]) -> Result<Vec<X509Certificate<'a>>, Defect> {
    certificates.iter().map(|certificate| parsed(what, certificate)).collect()
}

/// Walks from the first certificate up until one of `anchors` has signed.
fn leads_to(
    chain: &[X509Certificate<'_>],
    anchors: &[X509Certificate<'_>],
    anchor: &'static str,
    now: Timestamp,
) -> Result<(), Defect> {
    for (index, certificate) in chain.iter().enumerate() {
        let is_anchor = anchors.iter().any(|anchor| anchor.as_raw() == certificate.as_raw());
        if index > 0 && is_anchor {
            return Ok(());
        }
        for anchor in anchors.iter().filter(|anchor| anchor.subject() == certificate.issuer()) {
            if is_signed_by(certificate, anchor)? {
                validity(&format!("the CA \"{}\"", anchor.subject()), anchor, now)?;
                return Ok(());
            }
        }
        let ends_at = || Defect::Untrusted { anchor, ends_at: certificate.issuer().to_string() };
        let parent = chain.get(index + 1).ok_or_else(ends_at)?;
        let broken = |why| Defect::BrokenChain { child: label(certificate), parent: parent.subject().to_string(), why };
        if parent.subject() != certificate.issuer() {
            return Err(broken("the next certificate is of another issuer"));
        }
        if !parent.is_ca() {
            return Err(broken("that certificate is no CA"));
        }
        if !is_signed_by(certificate, parent)? {
            return Err(broken("the signature is not of its key"));
        }
        validity(&format!("the intermediate \"{}\"", parent.subject()), parent, now)?;
    }
    Err(Defect::Missing("tls.crt"))
}

fn is_signed_by(child: &X509Certificate<'_>, parent: &X509Certificate<'_>) -> Result<bool, Defect> {
    match child.verify_signature(Some(parent.public_key())) {
        Ok(()) => Ok(true),
        Err(X509Error::SignatureUnsupportedAlgorithm) => Err(Defect::Unsupported(label(child))),
        Err(_) => Ok(false),
    }
}

/// How to call a certificate: by its subject, or, as servers' certificates need none, by its serial number.
fn label(certificate: &X509Certificate<'_>) -> String {
    match certificate.subject().to_string() {
        subject if subject.is_empty() => format!("the certificate {}", certificate.raw_serial_as_string()),
        subject => format!("\"{subject}\""),
    }
}

fn subjects(certificates: &[X509Certificate<'_>]) -> String {
    certificates.iter().map(|certificate| certificate.subject().to_string()).collect::<Vec<_>>().join(", ")
}
