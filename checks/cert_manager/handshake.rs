//! A TLS handshake in this process, served with the issued key pair and verified against the CA: the proof that the pieces work
//! together in the hands of a TLS library that had no part in issuing them.

use std::sync::Arc;

use jiff::Timestamp;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use serde::Serialize;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::stored::Stored;

/// Why no TLS connection comes about. The text completes "saw …".
#[derive(Debug, thiserror::Error)]
pub(super) enum HandshakeError {
    /// The key pair does not make a server.
    #[error("no TLS server can be made of tls.crt and tls.key: {0}")]
    Server(rustls::Error),
    /// The CA does not make a client.
    #[error("the CA cannot be a TLS client's root: {0}")]
    Root(rustls::Error),
    /// The name is none that a client can ask for.
    #[error("\"{0}\" is no name that a TLS client can ask for")]
    Name(String),
    /// The client and the server do not agree.
    #[error("the handshake for {name} failed: {reason}")]
    Refused {
        /// The server's name that was asked for.
        name: String,
        /// Why, in the client's words.
        reason: String,
    },
}

/// What was agreed upon.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Agreed {
    /// The server's name that the client asked for.
    pub(super) server_name: String,
    /// Such as `TLSv1_3`.
    pub(super) protocol: String,
    /// Such as `TLS13_AES_256_GCM_SHA384`.
    pub(super) cipher_suite: String,
}

/// The time in the cluster: this machine's clock is no part of what is proved.
#[derive(Debug)]
struct ClusterTime(UnixTime);

impl TimeProvider for ClusterTime {
    fn current_time(&self) -> Option<UnixTime> {
        Some(self.0)
    }
}

/// Connects as a client that trusts `roots` to a server with the stored key pair, for each of `names` at the time `now`.
pub(super) async fn shake_hands(
    stored: &Stored,
    roots: Vec<CertificateDer<'static>>,
    names: impl IntoIterator<Item = &String>,
    now: Timestamp,
) -> Result<Vec<Agreed>, HandshakeError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder.with_no_client_auth().with_single_cert(stored.chain.clone(), stored.key.clone_key())
        })
        .map_err(HandshakeError::Server)?;
    let mut store = RootCertStore::empty();
    for root in roots {
        store.add(root).map_err(HandshakeError::Root)?;
    }
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(now.as_second().unsigned_abs()));
    let client = ClientConfig::builder_with_details(provider, Arc::new(ClusterTime(now)))
        .with_safe_default_protocol_versions()
        .map_err(HandshakeError::Root)?
        .with_root_certificates(store)
        .with_no_client_auth();
    let (acceptor, connector) = (TlsAcceptor::from(Arc::new(server)), TlsConnector::from(Arc::new(client)));
    let mut agreed = Vec::new();
    for name in names {
        agreed.push(connect(&acceptor, &connector, name).await?);
    }
    Ok(agreed)
}

async fn connect(acceptor: &TlsAcceptor, connector: &TlsConnector, name: &str) -> Result<Agreed, HandshakeError> {
    // A wildcard is no name to ask for; any one label stands for it.
    let asked = name.strip_prefix("*.").map_or_else(|| name.to_owned(), |domain| format!("kibertas.{domain}"));
    let server_name = ServerName::try_from(asked.clone()).map_err(|_| HandshakeError::Name(asked.clone()))?;
    let (near, far) = tokio::io::duplex(16 * 1024);
    let (connected, accepted) = tokio::join!(connector.connect(server_name, near), acceptor.accept(far));
    let refused = |error: std::io::Error| HandshakeError::Refused { name: asked.clone(), reason: error.to_string() };
    // The client's word first: the server only hears that the client gave up.
    let connected = connected.map_err(refused)?;
    accepted.map_err(refused)?;
    let (_, session) = connected.get_ref();
    let debug = |value: Option<String>| value.unwrap_or_default();
    Ok(Agreed {
        server_name: asked.clone(),
        protocol: debug(session.protocol_version().map(|version| format!("{version:?}"))),
        cipher_suite: debug(session.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite()))),
    })
}
