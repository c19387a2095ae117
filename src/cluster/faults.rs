//! Faults of the API server, scripted: each scenario says what the server answers, and what must come of it.

use std::collections::VecDeque;
use std::time::Duration;

use http::{Request, Response};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::client::Body;
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tower_test::mock;

use super::call::{Action, call};
use super::scratch::named;
use super::{Look, MANAGED_BY, MANAGER, RUN_LABEL};
use crate::context::{lone_context, lone_step};
use crate::verdict::Verdict;

/// One answer of the scripted server.
pub(crate) enum Say {
    /// A status code and a body.
    Json(u16, Value),
    /// Lines of a watch, after which the connection ends.
    Watch(Vec<Value>),
    /// The connection breaks.
    Broken,
}

/// A client whose server answers by the script and then not at all. Returns the requests that were made; patches with their bodies.
pub(crate) fn scripted(script: Vec<Say>) -> (Client, JoinHandle<Vec<String>>) {
    let (service, mut handle) = mock::pair::<Request<Body>, Response<Body>>();
    let mut script = VecDeque::from(script);
    let served = tokio::spawn(async move {
        let mut seen = Vec::new();
        while let Some((request, respond)) = handle.next_request().await {
            let query = request.uri().query().unwrap_or_default();
            let verb = if query.contains("watch=true") { "WATCH".to_owned() } else { request.method().to_string() };
            let path = request.uri().path().to_owned();
            let patch = match verb.as_str() {
                "PATCH" => format!(" {}", String::from_utf8_lossy(&request.into_body().collect_bytes().await.unwrap())),
                _ => String::new(),
            };
            seen.push(format!("{verb} {path}{patch}"));
            match script.pop_front() {
                None => std::future::pending::<()>().await,
                Some(Say::Broken) => respond.send_error("connection reset by peer"),
                Some(Say::Json(code, body)) => {
                    let body = Body::from(serde_json::to_vec(&body).unwrap());
                    respond.send_response(Response::builder().status(code).body(body).unwrap());
                }
                Some(Say::Watch(lines)) => {
                    let body: String = lines.iter().map(|line| format!("{line}\n")).collect();
                    respond.send_response(Response::new(Body::from(body.into_bytes())));
                }
            }
        }
        seen
    });
    (Client::new(service, "default"), served)
}

pub(crate) async fn requests(client: Client, served: JoinHandle<Vec<String>>) -> Vec<String> {
    drop(client);
    tokio::time::timeout(Duration::from_secs(1), served).await.map_or_else(|_| Vec::new(), |seen| seen.unwrap())
}

pub(crate) fn status(code: u16, message: &str) -> Say {
    let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message, "reason": ""});
    Say::Json(code, body)
}

fn map(version: &str, value: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"k": value},
           "metadata": {"name": "m", "namespace": "ns", "uid": "u", "resourceVersion": version}})
}

fn list(version: &str, items: &[Value]) -> Say {
    Say::Json(
        200,
        json!({"apiVersion": "v1", "kind": "ConfigMapList", "metadata": {"resourceVersion": version}, "items": items}),
    )
}

fn is_ready(object: Option<&ConfigMap>) -> Look<String> {
    match object.and_then(|o| o.data.as_ref()).and_then(|d| d.get("k")).map(String::as_str) {
        Some("ready") => Look::Found("ready".to_owned()),
        Some("broken") => Look::never("k is broken"),
        Some(other) => Look::NotYet(format!("k is {other}")),
        None => Look::NotYet("no such object".to_owned()),
    }
}

fn action() -> Action {
    Action::on::<ConfigMap>("get", "ns", "m")
}

#[tokio::test(start_paused = true)]
async fn a_call_outlasts_restart_and_overload() {
    let script = vec![
        Say::Broken,
        status(429, "too many"),
        status(500, "etcdserver: leader changed"),
        Say::Json(200, map("1", "ready")),
    ];
    let (client, served) = scripted(script);
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), "ns");
    let step = lone_step(Duration::from_secs(10));
    let object = call(&step, &action(), async || api.get("m").await).await.unwrap();
    assert_eq!(object.data.unwrap()["k"], "ready");
    drop(api);
    assert_eq!(requests(client, served).await.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_missing_permission_is_final_and_inconclusive() {
    let message = r#"configmaps "m" is forbidden: User "x" cannot get resource "configmaps""#;
    let (client, served) = scripted(vec![status(403, message)]);
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), "ns");
    let step = lone_step(Duration::from_secs(10));
    let failure = call(&step, &action(), async || api.get("m").await).await.unwrap_err();
    assert_eq!(failure.verdict, Verdict::Inconclusive);
    assert!(failure.cause.unwrap().text.contains("may not get configmaps"));
    drop(api);
    assert_eq!(requests(client, served).await.len(), 1, "a refusal is not asked for twice");
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_stays_away_is_inconclusive_not_failed() {
    let (client, _served) = scripted((0..100).map(|_| Say::Broken).collect());
    let api: Api<ConfigMap> = Api::namespaced(client, "ns");
    let step = lone_step(Duration::from_secs(10));
    let failure = call(&step, &action(), async || api.get("m").await).await.unwrap_err();
    assert_eq!(failure.verdict, Verdict::Inconclusive);
    let failure = step.wait_for(&api, "m", "k to be ready", is_ready).await.unwrap_err();
    assert_eq!(failure.verdict, Verdict::Inconclusive);
    assert!(failure.seen.contains("could not be asked"), "{failure}");
}

#[tokio::test(start_paused = true)]
async fn a_webhook_that_stays_broken_is_the_clusters_fault() {
    let broken = || status(500, "Internal error occurred: failed calling webhook \"w\": x509: unknown authority");
    let (client, _served) = scripted((0..100).map(|_| broken()).collect());
    let api: Api<ConfigMap> = Api::namespaced(client, "ns");
    let step = lone_step(Duration::from_secs(3));
    let failure = call(&step, &action(), async || api.get("m").await).await.unwrap_err();
    assert_eq!(failure.verdict, Verdict::Failed);
    assert!(failure.seen.contains("x509"), "{failure}");
}

#[tokio::test(start_paused = true)]
async fn a_wait_survives_dropped_and_expired_watches() {
    let expired = json!({"type": "ERROR", "object": {"kind": "Status", "apiVersion": "v1", "status": "Failure",
        "code": 410, "reason": "Expired", "message": "too old resource version"}});
    let script = vec![
        list("1", &[]),
        Say::Watch(vec![json!({"type": "ADDED", "object": map("2", "new")})]),
        Say::Broken,
        Say::Watch(vec![expired]),
        status(503, "the server is starting"),
        list("9", &[map("8", "newer")]),
        Say::Watch(vec![json!({"type": "MODIFIED", "object": map("10", "ready")})]),
    ];
    let (client, served) = scripted(script);
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), "ns");
    let step = lone_step(Duration::from_secs(30));
    assert_eq!(step.wait_for(&api, "m", "k to be ready", is_ready).await.unwrap(), "ready");
    drop(api);
    let seen = requests(client, served).await;
    let verbs: Vec<&str> = seen.iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(verbs, ["GET", "WATCH", "WATCH", "WATCH", "GET", "GET", "WATCH"]);
}

#[tokio::test(start_paused = true)]
async fn a_wait_in_vain_ends_at_once() {
    let (client, _served) = scripted(vec![list("1", &[map("1", "broken")])]);
    let api: Api<ConfigMap> = Api::namespaced(client, "ns");
    let step = lone_step(Duration::from_secs(600));
    let failure = step.wait_for(&api, "m", "k to be ready", is_ready).await.unwrap_err();
    assert!(step.elapsed() < Duration::from_secs(1));
    assert_eq!(failure.summary(), "expected k to be ready, saw k is broken on ConfigMap ns/m");
}

#[tokio::test(start_paused = true)]
async fn the_deadline_tells_what_was_seen_last() {
    let script =
        vec![list("1", &[map("1", "old")]), Say::Watch(vec![json!({"type": "MODIFIED", "object": map("2", "newer")})])];
    let (client, _served) = scripted(script);
    let api: Api<ConfigMap> = Api::namespaced(client, "ns");
    let step = lone_step(Duration::from_secs(5));
    let failure = step.wait_for(&api, "m", "k to be ready", is_ready).await.unwrap_err();
    assert_eq!(failure.verdict, Verdict::Failed);
    assert_eq!(failure.seen, "k is newer (waited 5.0 s)");
}

#[tokio::test(start_paused = true)]
async fn an_empty_selection_is_never_complete_before_its_list_is() {
    let (client, _served) = scripted(vec![Say::Broken, list("1", &[map("1", "a")])]);
    let api: Api<ConfigMap> = Api::namespaced(client, "ns");
    let step = lone_step(Duration::from_secs(5));
    let mut sizes = Vec::new();
    let found = step.wait_for_all(&api, kube::runtime::watcher::Config::default(), "one", |all| {
        sizes.push(all.len());
        Look::Found(all.keys().cloned().collect::<Vec<_>>())
    });
    assert_eq!(found.await.unwrap(), ["ns/m"]);
    assert_eq!(sizes, [1]);
}

#[tokio::test(start_paused = true)]
async fn a_create_whose_answer_was_lost_is_ours_and_anothers_is_not() {
    for ours in [true, false] {
        let (client, served) = {
            let (service, mut handle) = mock::pair::<Request<Body>, Response<Body>>();
            let served = tokio::spawn(async move {
                let (request, respond) = handle.next_request().await.unwrap();
                let sent: Value = serde_json::from_slice(&request.into_body().collect_bytes().await.unwrap()).unwrap();
                respond.send_error("connection reset by peer");
                let (_, respond) = handle.next_request().await.unwrap();
                let conflict = json!({"kind": "Status", "code": 409, "status": "Failure", "message": "exists", "reason": "AlreadyExists"});
                respond.send_response(response(409, &conflict));
                let (request, respond) = handle.next_request().await.unwrap();
                assert_eq!(request.method(), "GET");
                let mut stored = sent.clone();
                stored["metadata"]["uid"] = json!("u1");
                if !ours {
                    stored["metadata"]["labels"] = json!({MANAGED_BY: MANAGER, RUN_LABEL: "another"});
                }
                respond.send_response(response(200, &stored));
            });
            (Client::new(service, "default"), served)
        };
        let cx = lone_context(client);
        let step = lone_step(Duration::from_secs(5));
        let object = ConfigMap { metadata: named("m"), ..ConfigMap::default() };
        let outcome = cx.create(&step, object).await;
        assert_eq!(outcome.is_ok(), ours, "{outcome:?}");
        served.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn clean_up_never_deletes_what_the_run_did_not_create() {
    // The create was refused because somebody else has the name. The object stays.
    let theirs =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", "namespace": "ns", "uid": "u9"}});
    let conflict =
        json!({"kind": "Status", "code": 409, "status": "Failure", "message": "exists", "reason": "AlreadyExists"});
    let script =
        vec![Say::Json(409, conflict), Say::Json(200, theirs.clone()), Say::Json(200, theirs), status(404, "gone")];
    let (client, served) = scripted(script);
    let cx = lone_context(client.clone());
    let step = lone_step(Duration::from_secs(5));
    let object = ConfigMap { metadata: named("m"), ..ConfigMap::default() };
    cx.create(&step, object).await.unwrap_err();
    cx.scratch.remove_first(&in_scratch(&cx));
    let cleanup = cx.scratch.clean_up(&cx.client, tokio::time::Instant::now() + Duration::from_secs(5)).await;
    assert_eq!(cleanup.verdict, Verdict::Passed, "{cleanup:?}");
    drop(cx);
    let seen = requests(client, served).await;
    assert!(!seen.is_empty() && seen.iter().all(|line| !line.starts_with("DELETE")), "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn what_stays_is_named_with_its_finalizers() {
    let held = |version: &str| {
        let mut object = map(version, "x");
        object["metadata"]["finalizers"] = json!(["example.com/hold"]);
        object
    };
    let script =
        vec![Say::Json(201, held("1")), Say::Json(200, held("2")), list("3", &[held("2")]), Say::Watch(vec![])];
    let (client, _served) = scripted(script);
    let cx = lone_context(client);
    let step = lone_step(Duration::from_secs(5));
    cx.create(&step, ConfigMap { metadata: named("m"), ..ConfigMap::default() }).await.unwrap();
    cx.scratch.remove_first(&in_scratch(&cx));
    let cleanup = cx.scratch.clean_up(&cx.client, tokio::time::Instant::now() + Duration::from_secs(5)).await;
    assert_eq!(cleanup.verdict, Verdict::Failed, "{cleanup:?}");
    assert_eq!(cleanup.survivors[0].held_by, ["finalizer example.com/hold"]);
}

fn in_scratch(cx: &crate::context::Context) -> ConfigMap {
    let metadata = kube::api::ObjectMeta { namespace: Some(cx.scratch.namespace.clone()), ..named("m") };
    ConfigMap { metadata, ..ConfigMap::default() }
}

fn response(code: u16, body: &Value) -> Response<Body> {
    Response::builder().status(code).body(Body::from(serde_json::to_vec(body).unwrap())).unwrap()
}
