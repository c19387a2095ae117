//! When a component is ready. What can be watched is watched; the rest is asked again and again, quickly at first.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use http::Request;
use k8s_openapi::api::core::v1::Node;
use kube::api::Api;
use kube::config::Config;
use kube::runtime::wait::await_condition;
use kube::{Client, Resource};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket, UnixStream};

use crate::context::Context;

const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LAST_PAUSE: Duration = Duration::from_millis(200);
/// One question alone, so that an answer that never comes is not waited for.
const ONE_TRY: Duration = Duration::from_secs(2);

/// What is waited for, and what was seen of it: for the message when it never comes.
#[derive(Debug, Default)]
pub struct Seen(Mutex<(String, String)>);

impl Seen {
    pub(crate) fn expected(&self) -> String {
        self.0.lock().map(|seen| seen.0.clone()).unwrap_or_default()
    }

    pub(crate) fn last(&self) -> String {
        self.0.lock().map(|seen| seen.1.clone()).unwrap_or_default()
    }

    fn expect(&self, expected: String) {
        if let Ok(mut seen) = self.0.lock() {
            *seen = (expected, "nothing".to_owned());
        }
    }

    fn note(&self, last: String) {
        if let Ok(mut seen) = self.0.lock() {
            seen.1 = last;
        }
    }

    /// Asks until the answer is `Ok`; the caller holds the deadline.
    pub(crate) async fn until<F, T>(&self, expected: String, mut ask: impl FnMut() -> F) -> T
    where
        F: Future<Output = Result<T, String>>,
    {
        self.expect(expected);
        let mut pause = FIRST_PAUSE;
        loop {
            match tokio::time::timeout(ONE_TRY, ask()).await {
                Ok(Ok(answer)) => return answer,
                Ok(Err(problem)) => self.note(problem),
                Err(_) => self.note(format!("no answer in {} s", ONE_TRY.as_secs())),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 3 / 2).min(LAST_PAUSE);
        }
    }
}

/// Something listens on this port of the node.
pub(crate) async fn tcp(cx: &Context, seen: &Seen, port: u16) {
    let address = SocketAddr::from((cx.site().addresses().node(), port));
    let expected = format!("a listener at {address}");
    seen.until(expected, || async move { TcpStream::connect(address).await.map_err(|error| error.to_string()) }).await;
}

/// Something listens on this socket.
pub(crate) async fn unix(seen: &Seen, path: &Path) {
    let expected = format!("a listener at {}", path.display());
    seen.until(expected, || async move { UnixStream::connect(path).await.map_err(|error| error.to_string()) }).await;
}

/// This path on this port of the node answers 200 over plain HTTP.
pub(crate) async fn http(cx: &Context, seen: &Seen, port: u16, path: &str) {
    let node = cx.site().addresses().node();
    seen.until(format!("200 from http://{node}:{port}{path}"), || http_ok(node, port, path)).await;
}

async fn http_ok(node: Ipv4Addr, port: u16, path: &str) -> Result<(), String> {
    let exchange = async {
        let mut stream = TcpStream::connect((node, port)).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {node}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut start = Vec::new();
        stream.take(512).read_to_end(&mut start).await?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&start).into_owned())
    };
    let answer = exchange.await.map_err(|error| error.to_string())?;
    let status = answer.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) == Some("200") { Ok(()) } else { Err(format!("`{status}`")) }
}

/// This path on this port of the node answers 200 over HTTPS, whoever signed its certificate.
pub(crate) async fn https(cx: &Context, seen: &Seen, port: u16, path: &str) {
    let url = format!("https://{}:{port}", cx.site().addresses().node());
    let client = url.parse().map_err(|_| url.clone()).and_then(|parsed| {
        let mut config = Config::new(parsed);
        config.accept_invalid_certs = true;
        config.default_retry = false;
        Client::try_from(config).map_err(|error| error.to_string())
    });
    seen.until(format!("200 from {url}{path}"), || async {
        get(client.clone()?, path).await.map_err(|error| error.to_string())
    })
    .await;
}

/// This DNS server answers for the zone.
pub(crate) async fn dns_zone(seen: &Seen, server: SocketAddr, zone: &str) {
    let query = start_of_authority(zone);
    let ask = || async {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await.map_err(|error| error.to_string())?;
        let mut answer = [0; 512];
        let exchange = async {
            socket.connect(server).await?;
            socket.send(&query).await?;
            socket.recv(&mut answer).await
        };
        match exchange.await {
            Ok(length) if is_authoritative(&answer[..length]) => Ok(()),
            Ok(_) => Err("an answer without authority".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    };
    seen.until(format!("{server} to answer for {zone}"), ask).await;
}

/// A query for the zone's SOA record (RFC 1035, section 4).
fn start_of_authority(zone: &str) -> Vec<u8> {
    // Id 1, a standard query, one question.
    let mut query = vec![0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in zone.split('.') {
        query.push(u8::try_from(label.len()).unwrap_or_default());
        query.extend(label.as_bytes());
    }
    // The end of the name, type SOA, class IN.
    query.extend([0, 0, 6, 0, 1]);
    query
}

/// Whether the answer has the bits QR and AA, no error, and a record.
fn is_authoritative(answer: &[u8]) -> bool {
    let [_, _, flags, code, _, _, high, low, ..] = answer else { return false };
    flags & 0x84 == 0x84 && code % 16 == 0 && (*high, *low) != (0, 0)
}

/// The API server answers 200 on this path.
pub(crate) async fn api(cx: &Context, seen: &Seen, path: &str) {
    let server = cx.site().addresses().api_server();
    seen.until(format!("200 from https://{server}{path}"), || async {
        get(cx.client(), path).await.map_err(|error| error.to_string())
    })
    .await;
}

async fn get(client: Client, path: &str) -> kube::Result<()> {
    let request = Request::get(path).body(Vec::new()).map_err(kube::Error::HttpError)?;
    client.request_text(request).await.map(drop)
}

/// An object fulfils a condition: watched.
pub(crate) async fn object<K>(seen: &Seen, api: Api<K>, name: &str, expected: &str, holds: fn(Option<&K>) -> bool)
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + serde::de::DeserializeOwned + Send + 'static,
{
    seen.expect(format!("{} {name} {expected}", K::kind(&())));
    // A watch that fails for good is begun anew: the caller holds the deadline.
    while let Err(error) = await_condition(api.clone(), name, holds).await {
        seen.note(error.to_string());
        tokio::time::sleep(LAST_PAUSE).await;
    }
}

/// The node has the condition Ready.
pub(crate) fn node_is_ready(node: Option<&Node>) -> bool {
    node.and_then(|node| node.status.as_ref()?.conditions.as_ref())
        .is_some_and(|conditions| conditions.iter().any(|it| it.type_ == "Ready" && it.status == "True"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    async fn answering(answer: &'static str) -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        port
    }

    #[tokio::test]
    async fn only_200_is_ready() {
        let port = answering("HTTP/1.1 200 OK\r\n\r\nok").await;
        assert_eq!(http_ok(Ipv4Addr::LOCALHOST, port, "/").await, Ok(()));
        let port = answering("HTTP/1.1 503 Not Yet\r\n\r\n").await;
        assert_eq!(http_ok(Ipv4Addr::LOCALHOST, port, "/").await, Err("`HTTP/1.1 503 Not Yet`".to_owned()));
    }

    #[tokio::test]
    async fn what_was_seen_last_is_kept() {
        let seen = Seen::default();
        let wait = seen.until("the impossible".to_owned(), || async { Err::<(), _>("nothing of it".to_owned()) });
        assert!(tokio::time::timeout(Duration::from_millis(50), wait).await.is_err());
        assert_eq!((seen.expected().as_str(), seen.last().as_str()), ("the impossible", "nothing of it"));
    }

    #[test]
    fn a_query_names_the_zone() {
        let query = start_of_authority("blue.test");
        assert_eq!(&query[12..], b"\x04blue\x04test\0\0\x06\0\x01");
        assert!(!is_authoritative(&query));
        assert!(is_authoritative(&[0, 1, 0x84, 0, 0, 1, 0, 1, 0, 0]));
        assert!(!is_authoritative(&[0, 1, 0x84, 3, 0, 1, 0, 0, 0, 0]), "NXDOMAIN");
    }

    #[test]
    fn a_node_without_conditions_is_not_ready() {
        assert!(!node_is_ready(None));
        assert!(!node_is_ready(Some(&Node::default())));
    }
}
