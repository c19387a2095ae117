//! The door of an EKS cluster: a reverse proxy before a real API server, which lets those in whose bearer token keeps the rules of
//! aws-iam-authenticator, and who have an access entry.
//!
//! <https://github.com/kubernetes-sigs/aws-iam-authenticator/blob/master/pkg/token/token.go>

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use base64::Engine;
use http::header::AUTHORIZATION;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::request::pairs;
use crate::server::{end, on_thread, taken};

/// The API server behind the door, and as whom it is asked.
#[derive(Clone)]
pub struct Behind {
    /// Where it listens.
    pub address: SocketAddr,
    /// Who is trusted, and the certificate that is shown.
    pub tls: Arc<ClientConfig>,
}

/// Who is let in.
#[derive(Debug)]
pub struct Authenticator {
    /// What tokens are bound to.
    pub cluster: String,
    /// The one server of STS whose URLs are called: `http://ADDRESS`. AWS's own would have `https`.
    pub sts: SocketAddr,
    /// The roles and users that have an access entry.
    pub entries: Vec<String>,
    /// How old a token may be; 15 minutes at AWS.
    pub valid: Duration,
}

/// The running door; it closes when dropped.
pub struct Front {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    behind: Behind,
    authenticator: Authenticator,
    /// The tokens that were let in.
    tokens: Mutex<BTreeSet<String>>,
    refusals: Mutex<Vec<String>>,
}

type Body = BoxBody<Bytes, hyper::Error>;

impl Front {
    /// Opens the door.
    pub fn open(identity: Arc<ServerConfig>, behind: Behind, authenticator: Authenticator) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { behind, authenticator, tokens: Mutex::default(), refusals: Mutex::default() });
        let (stop, stopped) = oneshot::channel();
        let served = Arc::clone(&shared);
        let tls = TlsAcceptor::from(identity);
        let thread = on_thread(stopped, async move {
            let Ok(listener) = TcpListener::from_std(listener) else { return };
            while let Ok((stream, _peer)) = listener.accept().await {
                let (tls, shared) = (tls.clone(), Arc::clone(&served));
                tokio::spawn(async move {
                    let Ok(stream) = tls.accept(stream).await else { return };
                    let service = service_fn(|request| {
                        let shared = Arc::clone(&shared);
                        async move { Ok::<_, Infallible>(shared.answer(request).await) }
                    });
                    let _gone = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        })?;
        Ok(Self { address, shared, stop: Some(stop), thread: Some(thread) })
    }

    /// `https://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The number of different tokens that were let in.
    pub fn tokens(&self) -> usize {
        taken(&self.shared.tokens).len()
    }

    /// Why others were not.
    pub fn refusals(&self) -> Vec<String> {
        taken(&self.shared.refusals).clone()
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        end(&mut self.stop, &mut self.thread);
    }
}

impl Shared {
    async fn answer(&self, mut request: Request<Incoming>) -> Response<Body> {
        let token = request.headers_mut().remove(AUTHORIZATION);
        let token = token.and_then(|header| header.to_str().ok()?.strip_prefix("Bearer ").map(str::to_owned));
        let token = token.unwrap_or_default();
        let known = self.identified(&token).await.and_then(|arn| {
            let entry = self.authenticator.entries.contains(&arn);
            if entry { Ok(()) } else { Err(format!("{arn} has no access entry")) }
        });
        match known {
            Ok(()) => {
                taken(&self.tokens).insert(token);
                self.forwarded(request).await.unwrap_or_else(|error| refused(StatusCode::BAD_GATEWAY, &error))
            }
            Err(why) => {
                taken(&self.refusals).push(why);
                refused(StatusCode::UNAUTHORIZED, "Unauthorized")
            }
        }
    }

    /// The role or user of a token.
    async fn identified(&self, token: &str) -> Result<String, String> {
        let rules = &self.authenticator;
        if token.len() > 4096 {
            return Err("token is too large".to_owned());
        }
        let encoded = token.strip_prefix("k8s-aws-v1.").ok_or("token is missing expected \"k8s-aws-v1.\" prefix")?;
        let url =
            base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(encoded).map_err(|error| error.to_string())?;
        let url = String::from_utf8(url).map_err(|error| error.to_string())?;
        let rest = url.strip_prefix(&format!("http://{}", rules.sts)).ok_or("unexpected hostname in pre-signed URL")?;
        let query = rest.strip_prefix("/?").ok_or("unexpected path in pre-signed URL")?;
        let parameters = pairs(query);
        let known = [
            "action",
            "version",
            "x-amz-algorithm",
            "x-amz-credential",
            "x-amz-date",
            "x-amz-expires",
            "x-amz-security-token",
            "x-amz-signature",
            "x-amz-signedheaders",
        ];
        if let Some(other) = parameters.keys().find(|name| !known.contains(&name.to_lowercase().as_str())) {
            return Err(format!("non-whitelisted query parameter {other:?}"));
        }
        let of = |name: &str| parameters.get(name).map(String::as_str).unwrap_or_default();
        if of("Action") != "GetCallerIdentity" {
            return Err("unexpected action parameter in pre-signed URL".to_owned());
        }
        if !of("X-Amz-SignedHeaders").split(';').any(|name| name == "x-k8s-aws-id") {
            return Err("client did not sign the x-k8s-aws-id header in the pre-signed URL".to_owned());
        }
        if of("X-Amz-Expires").parse::<u32>().map_or(true, |seconds| seconds > 900) {
            return Err("invalid X-Amz-Expires parameter in pre-signed URL".to_owned());
        }
        let made = DateTime::strptime("%Y%m%dT%H%M%SZ", of("X-Amz-Date")).and_then(|time| time.to_zoned(TimeZone::UTC));
        let made = made.map_err(|error| error.to_string())?.timestamp();
        let age = super::now().duration_since(made);
        if age > jiff::SignedDuration::try_from(rules.valid).map_err(|error| error.to_string())? {
            return Err(format!("X-Amz-Date parameter is expired ({} s old)", age.as_secs()));
        }
        self.called(rest).await.map(|arn| canonical(&arn))
    }

    /// Calls the presigned URL; the ARN that STS answers with.
    async fn called(&self, path: &str) -> Result<String, String> {
        let rules = &self.authenticator;
        let text = |error: &dyn std::error::Error| format!("error during GET: {error}");
        let stream = TcpStream::connect(rules.sts).await.map_err(|error| text(&error))?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| text(&error))?;
        tokio::spawn(connection);
        let request = Request::get(path)
            .header("host", rules.sts.to_string())
            .header("x-k8s-aws-id", &rules.cluster)
            .header("accept", "application/json")
            .body(Empty::<Bytes>::new())
            .map_err(|error| error.to_string())?;
        let reply = sender.send_request(request).await.map_err(|error| text(&error))?;
        let status = reply.status();
        let body = reply.into_body().collect().await.map_err(|error| text(&error))?.to_bytes();
        if status != StatusCode::OK {
            let body = String::from_utf8_lossy(&body);
            return Err(format!("error from AWS (expected 200, got {status}). Body: {body}"));
        }
        let body: serde_json::Value = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
        let arn = body["GetCallerIdentityResponse"]["GetCallerIdentityResult"]["Arn"].as_str();
        arn.map(str::to_owned).ok_or_else(|| "STS tells no ARN".to_owned())
    }

    async fn forwarded(&self, request: Request<Incoming>) -> Result<Response<Body>, String> {
        let stream = TcpStream::connect(self.behind.address).await.map_err(|error| error.to_string())?;
        let name = ServerName::from(self.behind.address.ip());
        let connector = TlsConnector::from(Arc::clone(&self.behind.tls));
        let stream = connector.connect(name, stream).await.map_err(|error| error.to_string())?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
        tokio::spawn(connection);
        let reply = sender.send_request(request).await.map_err(|error| error.to_string())?;
        Ok(reply.map(BodyExt::boxed))
    }
}

/// The role of an assumed role, as access entries name it.
///
/// <https://github.com/kubernetes-sigs/aws-iam-authenticator/blob/master/pkg/arn/arn.go>
fn canonical(arn: &str) -> String {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    match parts[..] {
        [arn, partition, "sts", _, account, resource] if resource.starts_with("assumed-role/") => {
            let role = resource.split('/').nth(1).unwrap_or_default();
            format!("{arn}:{partition}:iam::{account}:role/{role}")
        }
        _ => arn.to_owned(),
    }
}

fn refused(status: StatusCode, text: &str) -> Response<Body> {
    let body = serde_json::json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": text, "reason": text,
        "code": status.as_u16(),
    });
    let mut response = Response::new(Full::from(body.to_string()).map_err(|never| match never {}).boxed());
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::canonical;

    #[test]
    fn an_assumed_role_is_its_role() {
        assert_eq!(
            canonical("arn:aws:sts::123456789012:assumed-role/proofs/kibertas-rs"),
            "arn:aws:iam::123456789012:role/proofs"
        );
        assert_eq!(canonical("arn:aws:iam::123456789012:user/x"), "arn:aws:iam::123456789012:user/x");
    }
}
