//! Results in a ConfigMap of the cluster itself: each an entry `CLUSTER.TIME-RUN.json.gz` of its `binaryData`, the oldest of them
//! dropped until the rest fits.
//!
//! <https://kubernetes.io/docs/concepts/configuration/configmap/>

use std::collections::BTreeMap;
use std::time::Duration;

use async_compression::tokio::bufread::GzipDecoder;
use async_compression::tokio::write::GzipEncoder;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{ObjectMeta, PostParams};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::Instant;

use super::BaselineError;
use crate::check::{Grant, Scope};
use crate::cluster::call::{Answer, FIELD_MANAGER, retry};
use crate::config::Kind;

/// How much a ConfigMap may hold, in bytes: the API server's limit is 1 MiB, and others may have entries of their own in it.
const ROOM: usize = 900 << 10;
/// How much one result may unpack to, in bytes.
const LARGEST: u64 = 64 << 20;
/// How long one reading or writing may take, tries included.
const PATIENCE: Duration = Duration::from_secs(30);
/// The most tries against others who write at the same time.
const TRIES: u32 = 20;
/// What the keys of results end with.
const SUFFIX: &str = ".json.gz";

/// What keeping results in a ConfigMap takes. RBAC knows no name when it comes to a create, so that is for every ConfigMap of the
/// namespace; whoever makes the ConfigMap beforehand can leave it out.
pub const GRANTS: &[Grant] = &[
    // The names are those of the setting; its text stands for them.
    Grant {
        group: "",
        resource: "configmaps",
        verbs: &["get", "update"],
        scope: Scope::Object { namespace: "NAMESPACE", name: "NAME" },
        only_when: None,
        optional: false,
        unless: None,
        why: "the results that are kept, where baselines is configmap://NAMESPACE/NAME",
    },
    Grant {
        group: "",
        resource: "configmaps",
        verbs: &["create"],
        scope: Scope::Object { namespace: "NAMESPACE", name: "" },
        only_when: None,
        optional: false,
        unless: None,
        why: "to make that ConfigMap where it is not there yet",
    },
];

/// Reads `NAMESPACE/NAME`; the error completes "should be …".
pub(super) fn parse(rest: &str) -> Result<(String, String), String> {
    let wrong = || "configmap://NAMESPACE/NAME, both of lower-case letters, digits and '-'".to_owned();
    let (namespace, name) = rest.split_once('/').ok_or_else(wrong)?;
    if !Kind::ObjectName.accepts(namespace) || !Kind::ObjectName.accepts(name) {
        return Err(wrong());
    }
    Ok((namespace.to_owned(), name.to_owned()))
}

/// The ConfigMap.
#[derive(Clone)]
pub(super) struct Ring {
    api: Api<ConfigMap>,
    namespace: String,
    name: String,
}

impl Ring {
    pub(super) fn new(client: &kube::Client, namespace: &str, name: &str) -> Self {
        let api = Api::namespaced(client.clone(), namespace);
        Self { api, namespace: namespace.to_owned(), name: name.to_owned() }
    }

    /// Proves by a write that is not carried out that results can be kept.
    pub(super) async fn prove(&self) -> Result<(), BaselineError> {
        let deadline = Instant::now() + PATIENCE;
        match self.write(self.read(deadline).await?, true, deadline).await {
            // Somebody else has written, or made it: that is as good.
            Ok(()) | Err(Answer::Conflict(_)) => Ok(()),
            Err(answer) => Err(self.refused(&answer)),
        }
    }

    /// The last result of a cluster, unpacked.
    pub(super) async fn last(&self, cluster: &str) -> Result<Option<Vec<u8>>, BaselineError> {
        let map = self.read(Instant::now() + PATIENCE).await?;
        let entries = map.and_then(|map| map.binary_data).unwrap_or_default();
        let cluster = crate::place::folder_of(cluster);
        let Some(key) = entries.keys().rfind(|key| entry(key).is_some_and(|(of, _)| of == cluster)) else {
            return Ok(None);
        };
        let unpacked = unpacked(&entries[key].0).await;
        unpacked.map(Some).map_err(|error| BaselineError::place(format!("{self}, {key}"), error.to_string()))
    }

    /// Adds a result, and drops what is too much.
    pub(super) async fn keep(
        &self,
        cluster: &str,
        stamp: &str,
        content: &[u8],
        most: usize,
    ) -> Result<String, BaselineError> {
        let key = format!("{cluster}.{stamp}{SUFFIX}");
        let packed =
            packed(content).await.map_err(|error| BaselineError::place(self.to_string(), error.to_string()))?;
        let deadline = Instant::now() + PATIENCE;
        let mut last = Answer::Conflict(String::new());
        for _ in 0..TRIES {
            let mut map = self.read(deadline).await?.unwrap_or_else(|| self.empty());
            let others = map.data.iter().flatten().map(|(_, text)| text.len()).sum();
            let entries = map.binary_data.get_or_insert_default();
            let size = packed.len();
            insert(entries, &key, packed.clone(), most, ROOM.saturating_sub(others)).map_err(|Full| {
                let reason = format!("a result of {size} bytes, packed, has no room in it: it holds {ROOM} at most");
                BaselineError::place(self.to_string(), reason)
            })?;
            match self.write(Some(map), false, deadline).await {
                Ok(()) => return Ok(format!("{self}, {key}")),
                // Others write as well: look again at what they have left.
                Err(answer @ Answer::Conflict(_)) => last = answer,
                Err(answer) => return Err(self.refused(&answer)),
            }
        }
        Err(self.refused(&last))
    }

    async fn read(&self, deadline: Instant) -> Result<Option<ConfigMap>, BaselineError> {
        retry(deadline, async || self.api.get_opt(&self.name).await).await.map_err(|answer| self.refused(&answer))
    }

    /// Writes it over the version that was read, or makes it where there was none.
    async fn write(&self, map: Option<ConfigMap>, dry_run: bool, deadline: Instant) -> Result<(), Answer> {
        let params = PostParams { dry_run, field_manager: Some(FIELD_MANAGER.to_owned()) };
        let map = map.unwrap_or_else(|| self.empty());
        if map.metadata.resource_version.is_some() {
            retry(deadline, async || self.api.replace(&self.name, &params, &map).await).await.map(drop)
        } else {
            retry(deadline, async || self.api.create(&params, &map).await).await.map(drop)
        }
    }

    fn empty(&self) -> ConfigMap {
        let labels = BTreeMap::from([("app.kubernetes.io/name".to_owned(), "kibertas-rs".to_owned())]);
        let metadata = ObjectMeta {
            name: Some(self.name.clone()),
            namespace: Some(self.namespace.clone()),
            labels: Some(labels),
            ..ObjectMeta::default()
        };
        ConfigMap { metadata, ..ConfigMap::default() }
    }

    fn refused(&self, answer: &Answer) -> BaselineError {
        let passing = matches!(answer, Answer::Transient(_) | Answer::Conflict(_));
        let reason = match answer {
            Answer::Conflict(_) => format!("others wrote to it each of {TRIES} times: {}", answer.text()),
            _ => answer.text().to_owned(),
        };
        BaselineError::Place { place: self.to_string(), reason, passing }
    }
}

impl std::fmt::Display for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "configmap://{}/{}", self.namespace, self.name)
    }
}

/// A result is larger than what there is room for.
#[derive(Debug, PartialEq, Eq)]
struct Full;

/// The cluster's folder name and the time of a key that is a result's.
fn entry(key: &str) -> Option<(&str, &str)> {
    key.strip_suffix(SUFFIX)?.rsplit_once('.')
}

/// Adds an entry; drops the cluster's oldest beyond `most`, and the oldest of all until the rest has at most `room` bytes. What is the
/// last of its cluster goes only where nothing else is left to go.
fn insert(
    entries: &mut BTreeMap<String, ByteString>,
    key: &str,
    content: Vec<u8>,
    most: usize,
    room: usize,
) -> Result<(), Full> {
    if content.len() > room {
        return Err(Full);
    }
    entries.insert(key.to_owned(), ByteString(content));
    loop {
        let size: usize = entries.values().map(|content| content.0.len()).sum();
        let mut of_cluster: BTreeMap<&str, usize> = BTreeMap::new();
        for (cluster, _) in entries.keys().filter_map(|key| entry(key)) {
            *of_cluster.entry(cluster).or_default() += 1;
        }
        let mut droppable: Vec<(bool, &str, &String)> = entries
            .keys()
            .filter(|other| other.as_str() != key)
            .filter_map(|other| {
                let (cluster, time) = entry(other)?;
                let count = of_cluster.get(cluster).copied().unwrap_or_default();
                (size > room || count > most).then_some((size > room && count == 1, time, other))
            })
            .collect();
        droppable.sort();
        let Some((_, _, oldest)) = droppable.first() else {
            return if size > room { Err(Full) } else { Ok(()) };
        };
        let oldest = (*oldest).clone();
        entries.remove(&oldest);
    }
}

async fn packed(content: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzipEncoder::with_quality(Vec::new(), async_compression::Level::Best);
    encoder.write_all(content).await?;
    encoder.shutdown().await?;
    Ok(encoder.into_inner())
}

async fn unpacked(content: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut unpacked = Vec::new();
    GzipDecoder::new(content).take(LARGEST).read_to_end(&mut unpacked).await?;
    Ok(unpacked)
}

#[cfg(test)]
mod tests;
