//! The ring, by itself and against a scripted API server.

use serde_json::{Value, json};

use super::*;
use crate::cluster::faults::{Say, scripted};
use crate::report::{Format, render, sample};

fn filled(keys: &[(&str, usize)]) -> BTreeMap<String, ByteString> {
    keys.iter().map(|&(key, size)| (format!("{key}{SUFFIX}"), ByteString(vec![0; size]))).collect()
}

fn names(entries: &BTreeMap<String, ByteString>) -> Vec<&str> {
    entries.keys().map(|key| key.strip_suffix(SUFFIX).unwrap_or(key)).collect()
}

fn inserted(
    entries: &mut BTreeMap<String, ByteString>,
    key: &str,
    size: usize,
    most: usize,
    room: usize,
) -> Result<(), Full> {
    insert(entries, &format!("{key}{SUFFIX}"), vec![0; size], most, room)
}

#[test]
fn the_oldest_of_the_same_cluster_go_when_there_are_too_many() {
    let mut entries = filled(&[("blue.1", 1), ("blue.2", 1), ("blue.3", 1), ("green.0", 1)]);
    entries.insert("notes".to_owned(), ByteString(b"somebody's own".to_vec()));
    inserted(&mut entries, "blue.4", 1, 2, 1000).unwrap();
    assert_eq!(names(&entries), ["blue.3", "blue.4", "green.0", "notes"]);
}

#[test]
fn the_oldest_of_all_go_when_there_is_no_room_but_the_last_of_a_cluster_goes_last() {
    let mut entries = filled(&[("blue.1", 40), ("blue.3", 40), ("green.0", 10)]);
    inserted(&mut entries, "blue.4", 40, 20, 100).unwrap();
    assert_eq!(names(&entries), ["blue.3", "blue.4", "green.0"]);
    inserted(&mut entries, "blue.5", 95, 20, 100).unwrap();
    assert_eq!(names(&entries), ["blue.5"]);
    assert_eq!(inserted(&mut entries, "blue.6", 101, 20, 100), Err(Full));
    assert_eq!(names(&entries), ["blue.5"], "what does not fit costs nothing");
}

#[test]
fn clusters_whose_names_begin_alike_are_told_apart() {
    let key = format!("blue.eu-1.20261121T000000000Z-run1{SUFFIX}");
    assert_eq!(entry(&key), Some(("blue.eu-1", "20261121T000000000Z-run1")));
    assert_eq!(entry("config.yaml"), None);
}

fn map(version: &str, entries: &BTreeMap<String, ByteString>) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kept", "namespace": "ops", "resourceVersion": version},
           "binaryData": entries})
}

fn status(code: u16, reason: &str, message: &str) -> Say {
    let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message,
                      "metadata": {}});
    Say::Json(code, body)
}

fn ring(script: Vec<Say>) -> (Ring, tokio::task::JoinHandle<Vec<String>>) {
    let (client, served) = scripted(script);
    (Ring::new(&client, "ops", "kept"), served)
}

#[tokio::test]
async fn another_writer_in_between_loses_nothing() {
    let theirs = filled(&[("green.1", 1)]);
    let (ring, served) = ring(vec![
        status(404, "NotFound", "configmaps \"kept\" not found"),
        status(409, "AlreadyExists", "configmaps \"kept\" already exists"),
        Say::Json(200, map("7", &theirs)),
        status(409, "Conflict", "the object has been modified"),
        Say::Json(200, map("8", &theirs)),
        Say::Json(200, map("9", &theirs)),
    ]);
    let place = ring.keep("blue", "20261121T000000000Z-run1", b"{}", 20).await.unwrap();
    assert_eq!(place, "configmap://ops/kept, blue.20261121T000000000Z-run1.json.gz");
    drop(ring);
    let path = "/api/v1/namespaces/ops/configmaps";
    let expected = [
        format!("GET {path}/kept"),
        format!("POST {path}"),
        format!("GET {path}/kept"),
        format!("PUT {path}/kept"),
        format!("GET {path}/kept"),
        format!("PUT {path}/kept"),
    ];
    assert_eq!(served.await.unwrap(), expected);
}

#[tokio::test]
async fn a_missing_permission_is_told_and_does_not_pass() {
    let text = "configmaps \"kept\" is forbidden: User \"x\" cannot get resource \"configmaps\" in API group \"\"";
    let (ring, _) = ring(vec![status(403, "Forbidden", text)]);
    let error = ring.prove().await.unwrap_err();
    assert_eq!(error.to_string(), format!("configmap://ops/kept: {text}"));
    assert!(matches!(error, BaselineError::Place { passing: false, .. }));
}

#[tokio::test]
async fn what_was_kept_is_read_back() {
    let text = render(&[sample::every_verdict()], Format::Json).unwrap();
    let mut entries = filled(&[("green.9", 3)]);
    let packed = packed(text.as_bytes()).await.unwrap();
    assert!(packed.len() * 3 < text.len(), "{} of {}", packed.len(), text.len());
    insert(&mut entries, &format!("blue.2{SUFFIX}"), packed, 20, ROOM).unwrap();
    let (ring, _) = ring(vec![
        Say::Json(200, map("1", &entries)),
        Say::Json(200, map("1", &entries)),
        Say::Json(200, map("1", &entries)),
    ]);
    assert_eq!(ring.last("blue").await.unwrap(), Some(text.into_bytes()));
    assert_eq!(ring.last("red").await.unwrap(), None);
    let broken = ring.last("green").await.unwrap_err().to_string();
    assert!(broken.starts_with("configmap://ops/kept, green.9.json.gz: "), "{broken}");
}
