//! The cluster's certificates and keys.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType,
};

use crate::site::Site;
use crate::state::write_text;
use crate::{Error, Result};

/// Who signs: the cluster's authority, or the one of the API server as a proxy for aggregated APIs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Authority {
    Cluster,
    FrontProxy,
}

/// Files of one certificate.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Authority {
    const fn name(self) -> &'static str {
        match self {
            Self::Cluster => "ca",
            Self::FrontProxy => "front-proxy-ca",
        }
    }

    /// The authority's certificate and key; made if they are missing.
    pub(crate) fn ensure(self, site: &Site) -> Result<Pair> {
        let pair = pair(site, self.name());
        if !pair.certificate.exists() {
            let mut params = params(self.name(), &format!("{} {}", site.name(), self.name()), &[], &[])?;
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.key_usages =
                vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
            params.extended_key_usages.clear();
            let key = KeyPair::generate().map_err(failed(self.name()))?;
            let certificate = params.self_signed(&key).map_err(failed(self.name()))?;
            write_text(&pair.key, key.serialize_pem())?;
            write_text(&pair.certificate, certificate.pem())?;
        }
        Ok(pair)
    }

    /// A certificate that the authority signs, for a user (with groups) and the host names and addresses that it
    /// serves; made if it is missing.
    pub(crate) fn issue(self, site: &Site, name: &str, user: &str, groups: &[&str], hosts: &[String]) -> Result<Pair> {
        let pair = pair(site, name);
        if !pair.certificate.exists() {
            let authority = self.ensure(site)?;
            let signer = KeyPair::from_pem(&read(&authority.key)?).map_err(failed(self.name()))?;
            let issuer =
                Issuer::from_ca_cert_pem(&read(&authority.certificate)?, signer).map_err(failed(self.name()))?;
            let key = KeyPair::generate().map_err(failed(name))?;
            let certificate = params(name, user, groups, hosts)?.signed_by(&key, &issuer).map_err(failed(name))?;
            write_text(&pair.key, key.serialize_pem())?;
            write_text(&pair.certificate, certificate.pem())?;
        }
        Ok(pair)
    }
}

/// A key pair without certificate, for the tokens of every ServiceAccount: the public key's file and the private one's.
pub(crate) fn signing_key(site: &Site, name: &str) -> Result<(PathBuf, PathBuf)> {
    let (public, private) =
        (site.path("pki").join(format!("{name}.pub")), site.path("pki").join(format!("{name}.key")));
    if !public.exists() {
        let key = KeyPair::generate().map_err(failed(name))?;
        write_text(&private, key.serialize_pem())?;
        write_text(&public, key.public_key_pem())?;
    }
    Ok((public, private))
}

fn pair(site: &Site, name: &str) -> Pair {
    let folder = site.path("pki");
    Pair { certificate: folder.join(format!("{name}.crt")), key: folder.join(format!("{name}.key")) }
}

fn params(name: &str, user: &str, groups: &[&str], hosts: &[String]) -> Result<CertificateParams> {
    let mut params = CertificateParams::default();
    // A cluster may be kept for long, and nobody renews its certificates.
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2050, 1, 1);
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, user);
    for group in groups {
        params.distinguished_name.push(DnType::OrganizationName, *group);
    }
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
    params.subject_alt_names = hosts
        .iter()
        .map(|host| match host.parse::<IpAddr>() {
            Ok(address) => Ok(SanType::IpAddress(address)),
            Err(_) => host.as_str().try_into().map(SanType::DnsName),
        })
        .collect::<Result<_, _>>()
        .map_err(failed(name))?;
    Ok(params)
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(Error::file("read", path))
}

fn failed(name: &str) -> impl FnOnce(rcgen::Error) -> Error {
    let name = name.to_owned();
    move |source| Error::Certificate { name, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Addresses;

    #[test]
    fn certificates_are_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let site = Site::new(folder.path(), "blue", Addresses::of(1).unwrap());
        let hosts = ["localhost".to_owned(), "10.0.0.1".to_owned()];
        let issue = || Authority::Cluster.issue(&site, "web", "web", &["group"], &hosts).unwrap();
        let first = read(&issue().certificate).unwrap();
        assert!(first.starts_with("-----BEGIN CERTIFICATE-----"));
        assert_eq!(first, read(&issue().certificate).unwrap());
        assert!(read(&signing_key(&site, "tokens").unwrap().0).unwrap().starts_with("-----BEGIN PUBLIC KEY-----"));
    }

    #[test]
    fn a_name_that_is_no_host_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let site = Site::new(folder.path(), "blue", Addresses::of(1).unwrap());
        assert!(Authority::Cluster.issue(&site, "web", "web", &[], &["schön".to_owned()]).is_err());
    }
}
