//! Whether targets are clusters of their own.

use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client};

use super::TargetError;
use crate::result;

/// The namespace that every cluster has from its first start on, and never again.
const IDENTITY: &str = "kube-system";

/// How long the API server may take to tell.
const TO_TELL: Duration = Duration::from_secs(10);

/// Demands that no two are one cluster under two names: the one would get the other's verdict without anybody having looked at it, and a
/// promotion would be made twice.
///
/// The UID of the namespace `kube-system` tells clusters apart
/// (<https://opentelemetry.io/docs/specs/semconv/resource/k8s/#cluster>). Where it may not be read, the API server's URL has to.
pub async fn apart<'a>(
    clusters: impl IntoIterator<Item = (&'a Client, &'a result::Target)>,
) -> Result<(), TargetError> {
    let clusters: Vec<_> = clusters.into_iter().collect();
    if clusters.len() < 2 {
        return Ok(());
    }
    let uids = futures::future::join_all(clusters.iter().map(|(client, _)| uid(client))).await;
    let known: Vec<_> = clusters.iter().map(|(_, target)| *target).zip(uids).collect();
    for (index, (target, uid)) in known.iter().enumerate() {
        for (other, its) in &known[..index] {
            let why = match (uid, its) {
                (Some(uid), Some(its)) if uid == its => format!("its namespace {IDENTITY} has the uid {uid}"),
                (None, _) | (_, None) if target.server == other.server => {
                    format!(
                        "both lead to {}, and the namespace {IDENTITY} may not be read to tell otherwise",
                        target.server
                    )
                }
                _ => continue,
            };
            return Err(TargetError::OneCluster { first: other.name.clone(), second: target.name.clone(), why });
        }
    }
    Ok(())
}

/// The cluster's identity; `None` where it is not to be had.
async fn uid(client: &Client) -> Option<String> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let found = tokio::time::timeout(TO_TELL, namespaces.get_metadata(IDENTITY)).await.ok()?;
    found.ok()?.metadata.uid
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cluster::faults::{Say, scripted, status};

    fn kube_system(uid: &str) -> Say {
        let metadata = json!({"name": IDENTITY, "uid": uid});
        Say::Json(200, json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": metadata}))
    }

    /// What is said of clusters that are called blue, green, …, each by its URL and its answer.
    async fn said(clusters: Vec<(&str, Say)>) -> Result<(), String> {
        let names = ["blue", "green", "red"];
        let clusters: Vec<(Client, result::Target)> = clusters
            .into_iter()
            .zip(names)
            .map(|((server, answer), name)| {
                let target =
                    result::Target { name: name.to_owned(), server: server.to_owned(), ..result::Target::default() };
                (scripted(vec![answer]).0, target)
            })
            .collect();
        apart(clusters.iter().map(|(client, target)| (client, target))).await.map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn one_cluster_behind_two_names_is_told() {
        let clusters =
            vec![("https://b", kube_system("1")), ("https://g", kube_system("2")), ("https://r", kube_system("1"))];
        let expected = "the targets blue and red are one cluster (its namespace kube-system has the uid 1): name every cluster once";
        assert_eq!(said(clusters).await.unwrap_err(), expected);
    }

    /// Behind bastions different clusters have the same address.
    #[tokio::test]
    async fn clusters_with_identities_of_their_own_are_apart() {
        assert_eq!(said(vec![("https://x", kube_system("1")), ("https://x", kube_system("2"))]).await, Ok(()));
        assert_eq!(said(vec![("https://x", kube_system("1"))]).await, Ok(()));
    }

    #[tokio::test]
    async fn where_nothing_tells_it_the_address_counts() {
        let forbidden = || status(403, "namespaces \"kube-system\" is forbidden");
        assert_eq!(said(vec![("https://b", forbidden()), ("https://g", kube_system("1"))]).await, Ok(()));
        let same = said(vec![("https://x", forbidden()), ("https://x", kube_system("1"))]).await.unwrap_err();
        let expected = "the targets blue and green are one cluster (both lead to https://x, and the namespace kube-system may not be read to tell otherwise): name every cluster once";
        assert_eq!(same, expected);
    }
}
