//! Whom we trust in TLS: the machine's certificate authorities and Mozilla's, because an image FROM scratch has none of its own; or those
//! of one file and nobody else.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// Why there is nobody to trust.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The file cannot be read as PEM.
    #[error("{path}: should hold certificates in PEM, but {reason}")]
    File {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The TLS library lacks what it needs.
    #[error("TLS cannot be set up")]
    Setup(#[source] rustls::Error),
}

/// A client's configuration that verifies the server's chain and name. `ca_file`: trust only the certificates in it.
pub fn client_config(ca_file: Option<&Path>) -> Result<ClientConfig, TrustError> {
    let roots = match ca_file {
        Some(path) => of_file(path)?,
        None => public(),
    };
    config_of(roots)
}

/// A client's configuration that no server's certificate passes, for clients that are not to use TLS.
pub fn trusting_nobody() -> Result<ClientConfig, TrustError> {
    config_of(RootCertStore::empty())
}

fn config_of(roots: RootCertStore) -> Result<ClientConfig, TrustError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Ok(versions.map_err(TrustError::Setup)?.with_root_certificates(roots).with_no_client_auth())
}

fn of_file(path: &Path) -> Result<RootCertStore, TrustError> {
    let wrong = |reason: String| TrustError::File { path: path.display().to_string(), reason };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|e| wrong(e.to_string()))? {
        let certificate = certificate.map_err(|e| wrong(e.to_string()))?;
        roots.add(certificate).map_err(|e| wrong(e.to_string()))?;
    }
    if roots.is_empty() { Err(wrong("there is none in it".to_owned())) } else { Ok(roots) }
}

/// What the machine trusts, which may be a company's own authority, and what browsers trust.
fn public() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// What TLS itself has to say in an error's chain; it hides inside I/O errors, one or several deep, whose `source` passes over it.
pub fn error_in<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e rustls::Error> {
    let mut link = Some(error);
    while let Some(cause) = link {
        let mut inside = Some(cause);
        while let Some(inner) = inside {
            if let Some(tls) = inner.downcast_ref::<rustls::Error>() {
                return Some(tls);
            }
            let io = inner.downcast_ref::<std::io::Error>();
            inside = io.and_then(|io| io.get_ref()).map(|inner| inner as &(dyn std::error::Error + 'static));
        }
        link = cause.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_certificates_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "no certificate").unwrap();
        let error = client_config(Some(file.path())).unwrap_err().to_string();
        assert!(error.contains("there is none in it"), "{error}");
        assert!(client_config(Some(Path::new("/nowhere/ca.pem"))).is_err());
    }

    #[test]
    fn an_error_of_tls_is_found_inside_io_errors() {
        let tls = || rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let once = std::io::Error::other(tls());
        let twice = std::io::Error::other(std::io::Error::other(tls()));
        assert_eq!(error_in(&once), Some(&tls()));
        assert_eq!(error_in(&twice), Some(&tls()));
        assert_eq!(error_in(&std::io::Error::other("reset")), None);
    }

    #[test]
    fn a_file_is_trusted_alone_and_browsers_roots_are_built_in() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(vec!["ca".to_owned()]).unwrap().self_signed(&key).unwrap();
        std::fs::write(file.path(), certificate.pem()).unwrap();
        assert_eq!(of_file(file.path()).unwrap().len(), 1);
        assert!(public().len() > 100);
    }
}
