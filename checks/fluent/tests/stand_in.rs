//! A stand-in for S3: ListObjectsV2 and GetObject, over any number of keys that are made up as they are asked for.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

/// Old keys, made up by their number; they have to sort by it.
pub(super) struct Crowd {
    pub(super) count: u64,
    pub(super) key: fn(u64) -> String,
    pub(super) modified: fn(u64) -> Timestamp,
}

/// An answer that is given to every request instead.
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) body: &'static str,
    pub(super) region: Option<&'static str>,
}

/// The server; it ends with this.
pub(super) struct StandIn {
    address: SocketAddr,
    state: Arc<State>,
    task: AbortHandle,
}

#[derive(Default)]
struct State {
    crowd: Option<Crowd>,
    objects: Mutex<BTreeMap<String, (Timestamp, Vec<u8>)>>,
    refusal: Option<Refusal>,
    requests: AtomicU64,
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl StandIn {
    pub(super) async fn empty() -> Self {
        Self::serve(State::default()).await
    }

    pub(super) async fn crowded(crowd: Crowd) -> Self {
        Self::serve(State { crowd: Some(crowd), ..State::default() }).await
    }

    pub(super) async fn refusing(refusal: Refusal) -> Self {
        Self::serve(State { refusal: Some(refusal), ..State::default() }).await
    }

    async fn serve(state: State) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(state);
        let task = tokio::spawn(accept(listener, Arc::clone(&state))).abort_handle();
        Self { address, state, task }
    }

    pub(super) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn put(&self, key: &str, modified: Timestamp, content: Vec<u8>) {
        self.state.objects.lock().expect("no panic").insert(key.to_owned(), (modified, content));
    }

    /// The number of requests since the last call.
    pub(super) fn take_requests(&self) -> u64 {
        self.state.requests.swap(0, Ordering::Relaxed)
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        let service = service_fn(move |request| {
            let reply = state.answer(&request);
            async move { Ok::<_, Infallible>(reply) }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

impl State {
    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        if let Some(refusal) = &self.refusal {
            let mut reply = Response::builder().status(refusal.status);
            if let Some(region) = refusal.region {
                reply = reply.header("x-amz-bucket-region", region);
            }
            return reply.body(Full::from(refusal.body)).expect("a reply");
        }
        let url = reqwest::Url::parse(&format!("http://s3{}", request.uri())).expect("a URL");
        let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        if query.contains_key("list-type") {
            return Response::new(Full::from(self.list(&query)));
        }
        // The client escapes more than a path needs: `=`, for one.
        let path = url.path().strip_prefix("/logs/").unwrap_or_default();
        let unescaped = reqwest::Url::parse(&format!("http://s3/?key={path}")).expect("a URL");
        let key = unescaped.query_pairs().next().map(|(_, key)| key.into_owned()).unwrap_or_default();
        let objects = self.objects.lock().expect("no panic");
        match objects.get(&key) {
            Some((_, content)) => Response::new(Full::from(content.clone())),
            None => Response::builder().status(StatusCode::NOT_FOUND).body(Full::default()).expect("a reply"),
        }
    }

    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html#API_ListObjectsV2_ResponseSyntax>
    fn list(&self, query: &BTreeMap<String, String>) -> String {
        let text = |name: &str| query.get(name).cloned().unwrap_or_default();
        let (prefix, after) = (text("prefix"), text("start-after"));
        let most: usize = text("max-keys").parse().unwrap_or(1000).min(1000);
        let comes = |key: &str| key >= prefix.as_str() && key > after.as_str();
        let mut page = BTreeMap::new();
        if let Some(crowd) = &self.crowd {
            let (mut from, mut to) = (0, crowd.count);
            while from < to {
                let middle = u64::midpoint(from, to);
                if comes(&(crowd.key)(middle)) { to = middle } else { from = middle + 1 }
            }
            let numbers = (from..crowd.count).take(most + 1);
            page.extend(numbers.map(|number| ((crowd.key)(number), ((crowd.modified)(number), 1))));
        }
        for (key, (modified, content)) in self.objects.lock().expect("no panic").iter() {
            if comes(key) {
                page.insert(key.clone(), (*modified, content.len()));
            }
        }
        page.retain(|key, _| key.starts_with(&prefix));
        let more = page.len() > most;
        let contents: String = page
            .into_iter()
            .take(most)
            .map(|(key, (at, size))| {
                format!(
                    "<Contents><Key>{key}</Key><LastModified>{at}</LastModified><ETag>{size}</ETag><Size>{size}</Size></Contents>"
                )
            })
            .collect();
        format!("<ListBucketResult><IsTruncated>{more}</IsTruncated>{contents}</ListBucketResult>")
    }
}
