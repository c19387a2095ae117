//! Whether a stored certificate is what was asked for, and of this run. Pure: no cluster, no clock.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use serde::Serialize;
use x509_parser::extensions::GeneralName;
use x509_parser::oid_registry as oid;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::chain;
use super::defect::Defect;
use super::settings::KeyAlgorithm;
use super::stored::{Stored, fingerprint};

/// How far clocks of one cluster may be apart, and how much a CA may round.
const TOLERANCE: Duration = Duration::from_secs(60);

/// Which CA is believed.
pub(super) enum Trust {
    /// The one that this run made, and no other.
    Own(CertificateDer<'static>),
    /// An existing issuer's: those of `caFile`, if given, and the Secret's `ca.crt`, if the issuer gives one.
    Existing(Vec<CertificateDer<'static>>),
}

/// What a certificate has to be.
pub(super) struct Demand<'a> {
    /// Its subject alternative names.
    pub(super) dns_names: &'a BTreeSet<String>,
    /// How long it is valid; `None`: as the issuer likes.
    pub(super) duration: Option<Duration>,
    /// Its key.
    pub(super) key: KeyAlgorithm,
    /// Who must have issued it.
    pub(super) trust: &'a Trust,
    /// The certificate that this run's request was given.
    pub(super) issued: &'a CertificateDer<'static>,
    /// The time in the cluster.
    pub(super) now: Timestamp,
}

/// What was proved of a certificate, fit for a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Proof {
    /// The serial number in hexadecimal.
    pub(super) serial: String,
    /// The SHA-256 fingerprint in hexadecimal.
    pub(super) sha256: String,
    /// The issuer's distinguished name.
    pub(super) issuer: String,
    /// The subject alternative names.
    pub(super) dns_names: BTreeSet<String>,
    /// The start of its validity.
    pub(super) not_before: Timestamp,
    /// The end of its validity.
    pub(super) not_after: Timestamp,
    /// The key's algorithm.
    pub(super) key_algorithm: &'static str,
    /// The key's usages, in cert-manager's words.
    pub(super) usages: BTreeSet<String>,
    /// The SHA-256 fingerprint of the public key, to see that a renewal changed it.
    pub(super) public_key_sha256: String,
    /// The CAs that the chain was verified against.
    pub(super) verified_against: Vec<&'static str>,
}

/// Verifies what a Secret holds.
pub(super) fn verify(stored: &Stored, demand: &Demand<'_>) -> Result<Proof, Defect> {
    let leaf = parsed("tls.crt", stored.leaf())?;
    if stored.leaf() != demand.issued {
        let (stored, issued) = (fingerprint(stored.leaf()), fingerprint(demand.issued));
        return Err(Defect::NotOfThisRun { stored, issued });
    }
    private_key(stored, &leaf)?;
    key_algorithm(&leaf, demand.key)?;
    let dns_names = names(&leaf, demand.dns_names)?;
    let (not_before, not_after) = validity("the certificate", &leaf, demand.now)?;
    duration(not_before, not_after, demand.duration)?;
    let usages = usages(&leaf, demand.key.usages(), matches!(demand.trust, Trust::Own(_)))?;
    if leaf.is_ca() {
        return Err(Defect::IsCa);
    }
    let verified_against = chain::verify(stored, demand.trust, demand.now)?;
    Ok(Proof {
        serial: leaf.raw_serial_as_string(),
        sha256: fingerprint(stored.leaf()),
        issuer: leaf.issuer().to_string(),
        dns_names,
        not_before,
        not_after,
        key_algorithm: demand.key.name(),
        usages,
        public_key_sha256: fingerprint(&CertificateDer::from(leaf.public_key().raw)),
        verified_against,
    })
}

/// Reads one certificate.
pub(super) fn parsed<'a>(what: &'static str, der: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, Defect> {
    let unreadable = |reason: String| Defect::Unreadable { what, reason };
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        Ok(_) => Err(unreadable("there is more after the certificate".to_owned())),
        Err(error) => Err(unreadable(error.to_string())),
    }
}

fn private_key(stored: &Stored, leaf: &X509Certificate<'_>) -> Result<(), Defect> {
    let key = rustls::crypto::ring::sign::any_supported_type(&stored.key)
        .map_err(|error| Defect::Unreadable { what: "tls.key", reason: error.to_string() })?;
    match key.public_key() {
        Some(public) if public.as_ref() == leaf.public_key().raw => Ok(()),
        _ => Err(Defect::ForeignKey),
    }
}

fn key_algorithm(leaf: &X509Certificate<'_>, wanted: KeyAlgorithm) -> Result<(), Defect> {
    let algorithm = leaf.public_key().algorithm.algorithm.clone();
    let is_wanted = match wanted {
        KeyAlgorithm::Ecdsa => algorithm == oid::OID_KEY_TYPE_EC_PUBLIC_KEY,
        KeyAlgorithm::Rsa => algorithm == oid::OID_PKCS1_RSAENCRYPTION,
    };
    if is_wanted {
        return Ok(());
    }
    let found = oid::OidRegistry::default().with_crypto().get(&algorithm).map(|entry| entry.sn().to_owned());
    Err(Defect::KeyAlgorithm {
        found: found.unwrap_or_else(|| algorithm.to_id_string()),
        wanted: wanted.name().to_owned(),
    })
}

fn names(leaf: &X509Certificate<'_>, wanted: &BTreeSet<String>) -> Result<BTreeSet<String>, Defect> {
    let extension = leaf
        .subject_alternative_name()
        .map_err(|error| Defect::Unreadable { what: "the subject alternative names", reason: error.to_string() })?;
    let found: BTreeSet<String> = extension
        .iter()
        .flat_map(|extension| &extension.value.general_names)
        .map(|name| match name {
            GeneralName::DNSName(name) => (*name).to_owned(),
            other => other.to_string(),
        })
        .collect();
    if found == *wanted {
        return Ok(found);
    }
    Err(Defect::Names { missing: wanted - &found, extra: &found - wanted })
}

/// The start and the end of a certificate's validity, if it is valid `now`.
pub(super) fn validity(
    whose: &str,
    certificate: &X509Certificate<'_>,
    now: Timestamp,
) -> Result<(Timestamp, Timestamp), Defect> {
    let moment = |time: x509_parser::time::ASN1Time| {
        Timestamp::from_second(time.timestamp())
            .map_err(|error| Defect::Unreadable { what: "the validity", reason: error.to_string() })
    };
    let not_before = moment(certificate.validity().not_before)?;
    let not_after = moment(certificate.validity().not_after)?;
    if not_before > now && not_before.duration_since(now).unsigned_abs() > TOLERANCE {
        return Err(Defect::NotYetValid { whose: whose.to_owned(), not_before, now });
    }
    if not_after <= now {
        return Err(Defect::Expired { whose: whose.to_owned(), not_after, now });
    }
    Ok((not_before, not_after))
}

fn duration(not_before: Timestamp, not_after: Timestamp, wanted: Option<Duration>) -> Result<(), Defect> {
    let Some(wanted) = wanted else { return Ok(()) };
    let found_seconds = not_after.as_second() - not_before.as_second();
    let wanted_seconds = i64::try_from(wanted.as_secs()).unwrap_or(i64::MAX);
    if found_seconds.abs_diff(wanted_seconds) <= TOLERANCE.as_secs() {
        return Ok(());
    }
    Err(Defect::Duration { found_seconds, wanted_seconds })
}

/// The usages in cert-manager's words. A CA of the run's own gives exactly what was asked for; others may add to it, but never
/// the right to sign certificates.
fn usages(leaf: &X509Certificate<'_>, wanted: &[&str], exactly: bool) -> Result<BTreeSet<String>, Defect> {
    let unreadable =
        |error: x509_parser::error::X509Error| Defect::Unreadable { what: "the key usages", reason: error.to_string() };
    let mut found: BTreeSet<String> = BTreeSet::new();
    let mut has = |is_set: bool, word: &str| {
        if is_set {
            found.insert(word.to_owned());
        }
    };
    if let Some(usage) = leaf.key_usage().map_err(unreadable)? {
        has(usage.value.digital_signature(), "digital signature");
        has(usage.value.non_repudiation(), "content commitment");
        has(usage.value.key_encipherment(), "key encipherment");
        has(usage.value.data_encipherment(), "data encipherment");
        has(usage.value.key_agreement(), "key agreement");
        has(usage.value.key_cert_sign(), "cert sign");
        has(usage.value.crl_sign(), "crl sign");
    }
    if let Some(usage) = leaf.extended_key_usage().map_err(unreadable)? {
        has(usage.value.server_auth || usage.value.any, "server auth");
        has(usage.value.client_auth, "client auth");
        has(usage.value.code_signing, "code signing");
        has(usage.value.email_protection, "email protection");
        has(usage.value.time_stamping, "timestamping");
        has(usage.value.ocsp_signing, "ocsp signing");
    }
    let wanted: BTreeSet<String> = wanted.iter().map(|&word| word.to_owned()).collect();
    let missing = &wanted - &found;
    let mut extra = &found - &wanted;
    if !exactly {
        extra.retain(|word| word == "cert sign" || word == "crl sign");
    }
    if missing.is_empty() && extra.is_empty() {
        return Ok(found);
    }
    Err(Defect::Usages { missing, extra })
}
