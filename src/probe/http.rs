//! `probe http`: the back end behind a check's Service. Every answer carries the nonce, so that a 200 of somebody else is told apart.

use std::convert::Infallible;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::rc::Rc;
use std::time::Duration;

use http::header::{CACHE_CONTROL, CONTENT_TYPE, HOST};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use super::{NONCE_ENV, ProbeError, Termination, VERSION_ENV, pod_name};

/// The path that the readiness probe asks for.
pub const HEALTH_PATH: &str = "/healthz";
/// The value of [`Reply::probe`].
pub const PROBE: &str = "kibertas-rs";

/// The port that `cluster::pods` declares.
const DEFAULT_PORT: u16 = 8080;
/// How long to wait after a connection could not be accepted, for want of file descriptors for example.
const AFTER_FAULT: Duration = Duration::from_millis(50);

/// What `probe http` serves.
#[derive(Debug, Clone, clap::Args)]
pub struct HttpArgs {
    /// The TCP port to listen on, on all addresses.
    #[arg(long, default_value_t = DEFAULT_PORT)]
    pub port: u16,
    /// The text by which the check knows its own pods again.
    #[arg(long, env = NONCE_ENV, default_value = "", hide_env_values = true)]
    pub nonce: String,
    /// A word that tells one release of the back end from another.
    #[arg(long, env = VERSION_ENV, default_value = "", hide_env_values = true)]
    pub version: String,
}

/// The answer to every request but the readiness probe's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reply {
    /// Always [`PROBE`]: says that a probe answered, whosever it is.
    pub probe: String,
    /// The nonce that the pod was given.
    pub nonce: String,
    /// The version that the pod was given.
    pub version: String,
    /// The pod's name.
    pub pod: String,
    /// The request's Host header, as it reached the pod.
    pub host: String,
    /// The request's path.
    pub path: String,
}

/// Serves until a signal comes.
pub async fn serve(args: HttpArgs) -> Result<(), ProbeError> {
    let mut termination = Termination::install()?;
    let listener = listen(args.port).await?;
    serve_on(listener, &args, termination.signalled()).await;
    Ok(())
}

/// IPv6 takes IPv4 connections too; where a node has no IPv6, IPv4 alone has to do.
async fn listen(port: u16) -> Result<TcpListener, ProbeError> {
    match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).await {
        Ok(listener) => Ok(listener),
        Err(_no_ipv6) => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await.map_err(|source| ProbeError::Listen { port, source })
        }
    }
}

async fn serve_on(listener: TcpListener, args: &HttpArgs, until: impl Future<Output = ()>) {
    let this = Rc::new(Reply {
        probe: PROBE.to_owned(),
        nonce: args.nonce.clone(),
        version: args.version.clone(),
        pod: pod_name(),
        host: String::new(),
        path: String::new(),
    });
    let accepting = async {
        // A connection that its client leaves open costs a few kilobytes until the header timeout ends it.
        let connections = tokio::task::LocalSet::new();
        connections
            .run_until(async {
                loop {
                    let Ok((stream, _peer)) = listener.accept().await else {
                        tokio::time::sleep(AFTER_FAULT).await;
                        continue;
                    };
                    let this = Rc::clone(&this);
                    tokio::task::spawn_local(async move {
                        let service =
                            service_fn(|request| std::future::ready(Ok::<_, Infallible>(answer(&this, &request))));
                        let mut server = http1::Builder::new();
                        server.timer(TokioTimer::new());
                        if let Err(error) = server.serve_connection(TokioIo::new(stream), service).await {
                            tracing::debug!(%error, "a connection ended early");
                        }
                    });
                }
            })
            .await;
    };
    tokio::select! {
        biased;
        () = until => {}
        () = accepting => {}
    }
}

fn answer(this: &Reply, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let host = request.headers().get(HOST).map(|host| String::from_utf8_lossy(host.as_bytes()).into_owned());
    let (kind, body) = body_for(this, request.uri().path(), host.unwrap_or_default());
    let mut response = Response::new(Full::new(Bytes::from(body)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, http::HeaderValue::from_static(kind));
    // A cache between the check and the pod must not answer in its place.
    headers.insert(CACHE_CONTROL, http::HeaderValue::from_static("no-store"));
    response
}

/// The content type and the body of an answer.
fn body_for(this: &Reply, path: &str, host: String) -> (&'static str, Vec<u8>) {
    if path == HEALTH_PATH {
        return ("text/plain", b"ok\n".to_vec());
    }
    let reply = Reply { host, path: path.to_owned(), ..this.clone() };
    ("application/json", serde_json::to_vec(&reply).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn ask(port: u16, request: &str) -> String {
        let mut stream = tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[test]
    fn the_port_is_the_one_that_pods_declare() {
        assert_eq!(i32::from(DEFAULT_PORT), crate::cluster::pods::HTTP_PORT);
    }

    #[tokio::test]
    async fn answers_name_the_pod_and_the_request() {
        let listener = listen(0).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let args = HttpArgs { port, nonce: "n-1".into(), version: "v2".into() };
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let client = async {
            let answer = ask(port, "GET /a/b?c HTTP/1.1\r\nHost: web.example.test\r\nConnection: close\r\n\r\n").await;
            let health = ask(port, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
            stop.send(()).unwrap();
            (answer, health)
        };
        let server = serve_on(listener, &args, async {
            let _ = stopped.await;
        });
        let ((answer, health), ()) = tokio::join!(client, server);
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("cache-control: no-store"), "{answer}");
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        let reply: Reply = serde_json::from_str(body).unwrap();
        let expected = Reply {
            probe: PROBE.into(),
            nonce: "n-1".into(),
            version: "v2".into(),
            pod: pod_name(),
            host: "web.example.test".into(),
            path: "/a/b".into(),
        };
        assert_eq!(reply, expected);
        assert!(health.starts_with("HTTP/1.1 200 OK\r\n") && !health.contains("n-1"), "{health}");
    }
}
