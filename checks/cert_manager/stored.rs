//! What cert-manager stored in a Secret: the chain, the key, and the issuer's CA.

use k8s_openapi::api::core::v1::Secret;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};

use super::defect::Defect;

/// The content of a certificate's Secret. It has no `Debug`, as it holds the key.
pub(super) struct Stored {
    /// `tls.crt`: the certificate, then its intermediates; never empty.
    pub(super) chain: Vec<CertificateDer<'static>>,
    /// `tls.key`.
    pub(super) key: PrivateKeyDer<'static>,
    /// `ca.crt`; empty where the issuer gives none, as ACME issuers do.
    pub(super) ca: Vec<CertificateDer<'static>>,
}

impl Stored {
    /// Reads a Secret of type `kubernetes.io/tls`.
    pub(super) fn read(secret: &Secret) -> Result<Self, Defect> {
        let entry = |key: &'static str| {
            let value = secret.data.as_ref().and_then(|data| data.get(key));
            value.map(|value| value.0.as_slice()).filter(|value| !value.is_empty())
        };
        let chain = certificates("tls.crt", entry("tls.crt").ok_or(Defect::Missing("tls.crt"))?)?;
        let key = PrivateKeyDer::from_pem_slice(entry("tls.key").ok_or(Defect::Missing("tls.key"))?)
            .map_err(|error| Defect::Unreadable { what: "tls.key", reason: kind_of(&error).to_owned() })?;
        let ca = entry("ca.crt").map(|value| certificates("ca.crt", value)).transpose()?.unwrap_or_default();
        Ok(Self { chain, key, ca })
    }

    /// The certificate itself.
    pub(super) fn leaf(&self) -> &CertificateDer<'static> {
        &self.chain[0]
    }
}

/// The certificates of a PEM text, at least one.
pub(super) fn certificates(what: &'static str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Defect> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match read {
        Ok(certificates) if certificates.is_empty() => {
            Err(Defect::Unreadable { what, reason: "there is no certificate in it".to_owned() })
        }
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(Defect::Unreadable { what, reason: kind_of(&error).to_owned() }),
    }
}

/// What is wrong with a PEM text, without any of its content.
fn kind_of(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::MissingSectionEnd { .. } => "a PEM section has no end",
        pem::Error::IllegalSectionStart { .. } => "a PEM section begins wrongly",
        pem::Error::Base64Decode(_) => "the base64 text is broken",
        pem::Error::NoItemsFound => "there is no private key in it",
        _ => "it is no PEM text",
    }
}

/// A certificate's SHA-256 fingerprint in hexadecimal.
pub(super) fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    Sha256::digest(certificate).iter().map(|byte| format!("{byte:02x}")).collect()
}
