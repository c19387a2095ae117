//! The CA that a run makes for itself, so that nothing issued before the run can pass for its proof.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::pki_types::CertificateDer;

use crate::cluster::scratch::named;

const DAY: Duration = Duration::from_secs(86_400);

/// A self-signed CA with its key. The key leaves the process only as the Secret that cert-manager signs with.
pub(super) struct RootCa {
    ca: CertifiedIssuer<'static, KeyPair>,
}

impl RootCa {
    /// Makes a CA that is valid for at least `valid_for` from `now` on, whatever the clocks of the cluster are a day off.
    pub(super) fn make(common_name: &str, now: Timestamp, valid_for: Duration) -> Result<Self, rcgen::Error> {
        let day = |moment: Timestamp| {
            let date = moment.to_zoned(TimeZone::UTC).date();
            date_time_ymd(i32::from(date.year()), date.month().unsigned_abs(), date.day().unsigned_abs())
        };
        let mut params = CertificateParams::default();
        params.not_before = day(now) - DAY;
        params.not_after = day(now) + valid_for + 3 * DAY;
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Ok(Self { ca: CertifiedIssuer::self_signed(params, KeyPair::generate()?)? })
    }

    /// The CA's certificate.
    pub(super) fn certificate(&self) -> CertificateDer<'static> {
        self.ca.der().clone()
    }

    /// The Secret from which an Issuer of kind CA signs.
    ///
    /// <https://cert-manager.io/docs/configuration/ca/>
    pub(super) fn secret(&self, name: String) -> Secret {
        let data = [("tls.crt", self.ca.pem()), ("tls.key", self.ca.key().serialize_pem())];
        Secret {
            metadata: named(name),
            type_: Some("kubernetes.io/tls".to_owned()),
            data: Some(data.map(|(key, pem)| (key.to_owned(), ByteString(pem.into_bytes()))).into()),
            ..Secret::default()
        }
    }
}
