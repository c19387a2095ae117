//! Counts which version answers, and says whether that fits a weight.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::net::TcpStream;

use crate::probe::http::Reply;

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many requests are under way at once.
const AT_ONCE: usize = 8;
/// The largest reply that is read, in bytes.
const LARGEST: usize = 64 * 1024;
/// How often a correct router may be taken for a wrong one: once in 10,000 counts.
const FALSE_ALARM: f64 = 1e-4;

/// Where requests go, and what makes a reply ours.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// `HOST:PORT` to connect to.
    pub(super) address: String,
    /// The Host header.
    pub(super) host: String,
    /// The nonce that a reply has to carry.
    pub(super) nonce: String,
}

/// What came back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Tally {
    /// Replies of our pods, by version.
    pub(super) versions: BTreeMap<String, u32>,
    /// Everything else, by what it was.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) failures: BTreeMap<String, u32>,
}

impl Tally {
    /// The number of replies of a version.
    pub(super) fn of(&self, version: &str) -> u32 {
        self.versions.get(version).copied().unwrap_or_default()
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts = self.versions.iter().chain(&self.failures).map(|(what, count)| format!("{count} × {what}"));
        f.write_str(&parts.collect::<Vec<_>>().join(", "))
    }
}

/// Sends `count` requests, each on a connection of its own, so that no kept connection pins them to one pod.
pub(super) async fn tally(entry: &Entry, count: u32) -> Tally {
    let replies = futures::stream::iter(0..count).map(|_| version_of(entry)).buffer_unordered(AT_ONCE);
    let mut tally = Tally::default();
    let mut replies = std::pin::pin!(replies);
    while let Some(reply) = replies.next().await {
        let (counts, key) = match reply {
            Ok(version) => (&mut tally.versions, version),
            Err(failure) => (&mut tally.failures, failure),
        };
        *counts.entry(key).or_default() += 1;
    }
    tally
}

/// The version that answers one request, or what went wrong.
async fn version_of(entry: &Entry) -> Result<String, String> {
    match tokio::time::timeout(PATIENCE, ask(entry)).await {
        Err(_elapsed) => Err(format!("no reply within {} s", PATIENCE.as_secs())),
        Ok(reply) => reply.and_then(|reply| {
            if reply.nonce == entry.nonce {
                Ok(reply.version)
            } else {
                Err("a reply without this run's nonce".to_owned())
            }
        }),
    }
}

async fn ask(entry: &Entry) -> Result<Reply, String> {
    let stream = TcpStream::connect(&entry.address).await.map_err(|e| format!("cannot connect: {}", e.kind()))?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|e| format!("no HTTP connection: {e}"))?;
    let request = Request::get("/")
        .header(http::header::HOST, &entry.host)
        .header(http::header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|e| e.to_string())?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(|e| format!("no reply: {e}"))?;
        if response.status() != StatusCode::OK {
            return Err(format!("HTTP {}", response.status().as_u16()));
        }
        let body = Limited::new(response.into_body(), LARGEST).collect().await;
        let body = body.map_err(|e| format!("the reply ended early: {e}"))?.to_bytes();
        serde_json::from_slice(&body).map_err(|_| "a reply that is none of a probe".to_owned())
    };
    let mut connection = std::pin::pin!(connection);
    let mut exchange = std::pin::pin!(exchange);
    tokio::select! {
        biased;
        reply = &mut exchange => reply,
        // The server closes after its reply; what it has sent by then is still to be read.
        _ = &mut connection => exchange.await,
    }
}

/// The least and the greatest number of `count` independent replies that come from a version whose share is `percent`, but for one
/// false alarm in 10,000: exact binomial bounds, half of the alarm on each side.
pub(super) fn bounds(count: u32, percent: u32) -> (u32, u32) {
    let share = f64::from(percent.min(100)) / 100.0;
    if percent == 0 || percent >= 100 {
        let all = if percent == 0 { 0 } else { count };
        return (all, all);
    }
    // In logarithms, because a share to the power of a thousand is no double any more.
    let (with, without) = (share.ln(), (1.0 - share).ln());
    let mut choose = 0.0_f64;
    let likelihood = (0..=count).map(|hits| {
        if hits > 0 {
            choose += f64::from(count - hits + 1).ln() - f64::from(hits).ln();
        }
        (choose + f64::from(hits) * with + f64::from(count - hits) * without).exp()
    });
    let (mut below, mut least, mut greatest) = (0.0, 0, count);
    for (hits, likely) in (0..=count).zip(likelihood) {
        if below + likely <= FALSE_ALARM / 2.0 {
            least = hits + 1;
        }
        below += likely;
        if 1.0 - below <= FALSE_ALARM / 2.0 {
            greatest = hits;
            break;
        }
    }
    (least, greatest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against values made with exact fractions.
    #[test]
    fn bounds_are_binomial() {
        assert_eq!(bounds(400, 25), (68, 135));
        assert_eq!(bounds(400, 50), (161, 239));
        assert_eq!(bounds(100, 25), (10, 43));
        assert_eq!(bounds(10_000, 50), (4805, 5195));
    }

    #[test]
    fn all_and_none_leave_no_room() {
        assert_eq!(bounds(400, 0), (0, 0));
        assert_eq!(bounds(400, 100), (400, 400));
    }

    /// A router that is one step behind must not pass.
    #[test]
    fn the_weights_of_the_story_are_told_apart() {
        assert!(bounds(400, 25).1 < bounds(400, 50).0);
        assert!(bounds(100, 25).0 > 0, "no reply at all is never a quarter");
    }
}
