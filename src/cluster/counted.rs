//! A client that counts its requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kube::Client;

/// A client over another one's connections, and the number of requests that it has made; a watch is one.
pub fn counted(shared: &Client) -> (Client, Arc<AtomicU64>) {
    let requests = Arc::new(AtomicU64::new(0));
    let (counter, namespace) = (Arc::clone(&requests), shared.default_namespace().to_owned());
    let shared = shared.clone();
    let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
        counter.fetch_add(1, Ordering::Relaxed);
        let shared = shared.clone();
        async move { shared.send(request).await }
    });
    (Client::new(service, namespace), requests)
}
