//! A client that counts its requests, and never lets go of a create that is on its way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{Method, Request};
use kube::Client;
use kube::client::Body;
use tokio_util::task::TaskTracker;

/// What a client has asked for so far.
#[derive(Debug, Clone, Default)]
pub struct Requests {
    count: Arc<AtomicU64>,
    creates: TaskTracker,
}

impl Requests {
    /// The number of requests; a watch is one.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Waits until every create has its answer, also those that nobody waits for any more.
    ///
    /// A check that is cancelled in the middle of a create drops it, but the API server may still carry it out: clean-up that
    /// looks before it has would leave the object behind.
    pub async fn settled(&self) {
        self.creates.close();
        self.creates.wait().await;
    }
}

/// A client over another one's connections, and what it has asked for.
pub fn counted(shared: &Client) -> (Client, Requests) {
    let requests = Requests::default();
    let (asked, namespace, shared) = (requests.clone(), shared.default_namespace().to_owned(), shared.clone());
    let service = tower::service_fn(move |request: Request<Body>| {
        asked.count.fetch_add(1, Ordering::Relaxed);
        let (shared, creates) = (shared.clone(), asked.creates.clone());
        async move {
            if request.method() != Method::POST {
                return shared.send(request).await;
            }
            let sent = creates.spawn(async move { shared.send(request).await });
            sent.await.unwrap_or_else(|ended| Err(kube::Error::Service(Box::new(ended))))
        }
    });
    (Client::new(service, namespace), requests)
}

#[cfg(test)]
mod tests {
    use futures::poll;
    use http::Response;
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::Api;
    use kube::api::PostParams;
    use serde_json::json;
    use tower_test::mock;

    use super::*;

    #[tokio::test]
    async fn a_create_that_nobody_waits_for_any_more_is_waited_for_by_clean_up() {
        let (service, mut server) = mock::pair::<Request<Body>, Response<Body>>();
        let (client, requests) = counted(&Client::new(service, "default"));
        let api: Api<ConfigMap> = Api::namespaced(client, "default");
        let map = ConfigMap::default();
        let params = PostParams::default();
        let mut create = Box::pin(api.create(&params, &map));
        assert!(poll!(&mut create).is_pending());
        let (_, respond) = tokio::select! {
            _ = &mut create => panic!("it has no answer yet"),
            request = server.next_request() => request.unwrap(),
        };
        drop(create);
        let mut settled = Box::pin(requests.settled());
        assert!(poll!(&mut settled).is_pending(), "the create is still on its way");
        let body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}).to_string();
        respond.send_response(Response::new(Body::from(body.into_bytes())));
        settled.await;
        assert_eq!(requests.count(), 1);
    }
}
