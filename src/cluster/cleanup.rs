//! Removes what a check created, in dependency order, and waits until it is gone.

use futures::StreamExt;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DeleteParams, DynamicObject, Preconditions, PropagationPolicy};
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt};
use tokio::time::Instant;

use super::call::{Answer, backoff, retry};
use super::scratch::{Entry, Removal, Scratch};
use crate::clock;
use crate::failure::ObjectRef;
use crate::result::{CleanupResult, Survivor};
use crate::verdict::Verdict;

/// What stopped a removal.
enum Stuck {
    /// It is there and stays there.
    Held(Survivor),
    /// Nobody knows.
    Unknown(Survivor),
}

impl From<Stuck> for Survivor {
    fn from((Stuck::Held(survivor) | Stuck::Unknown(survivor)): Stuck) -> Self {
        survivor
    }
}

/// Until when what goes first may be waited for: what is held must not keep the rest from being asked to go.
pub(super) fn share_of_first(deadline: Instant) -> Instant {
    let now = Instant::now();
    now + deadline.saturating_duration_since(now) / 2
}

impl Scratch {
    /// Removes everything before the deadline: what has to go first, then the rest, then the namespace if it is the check's own, or if
    /// the run has made it and this check is the last in it.
    pub async fn clean_up(&self, client: &Client, deadline: Instant) -> CleanupResult {
        let started = Instant::now();
        let (first, rest): (Vec<Entry>, Vec<Entry>) =
            self.entries().into_iter().rev().partition(|entry| entry.removal == Removal::First);
        let mut stuck = remove_all(self, client, first, share_of_first(deadline)).await;
        if !self.owns_namespace() {
            stuck.extend(remove_all(self, client, rest, deadline).await);
        }
        if self.owns_namespace() || self.leave() {
            match self.remove_namespace(client, deadline).await {
                // What was in it is gone with it.
                Ok(()) => stuck.clear(),
                Err(held) => stuck.push(held),
            }
        }
        let verdict = match stuck.iter().any(|s| matches!(s, Stuck::Held(_))) {
            true => Verdict::Failed,
            false if stuck.is_empty() => Verdict::Passed,
            false => Verdict::Inconclusive,
        };
        let survivors = stuck.into_iter().map(Survivor::from).collect();
        CleanupResult { verdict, duration_ms: clock::millis_between(started, Instant::now()), survivors }
    }

    async fn remove_namespace(&self, client: &Client, deadline: Instant) -> Result<(), Stuck> {
        let api: Api<Namespace> = Api::all(client.clone());
        remove_namespace(&api, &self.namespace, deadline, |namespace| self.is_ours(&namespace.metadata)).await
    }
}

/// Removes a namespace if `ours` says that it may be, and waits until it is gone.
pub(super) async fn delete_namespace(
    client: &Client,
    name: &str,
    deadline: Instant,
    ours: impl Fn(&Namespace) -> bool,
) -> Result<(), Survivor> {
    let api: Api<Namespace> = Api::all(client.clone());
    remove_namespace(&api, name, deadline, ours).await.map_err(Survivor::from)
}

async fn remove_namespace(
    api: &Api<Namespace>,
    name: &str,
    deadline: Instant,
    ours: impl Fn(&Namespace) -> bool,
) -> Result<(), Stuck> {
    let object = ObjectRef::cluster_scoped("Namespace", name);
    let existing = match retry(deadline, async || api.get(name).await).await {
        Ok(existing) => existing,
        Err(Answer::NotFound(_)) => return Ok(()),
        Err(answer) => return Err(unknown(object, answer)),
    };
    if !ours(&existing) {
        return Ok(());
    }
    let params = DeleteParams { preconditions: Some(only(existing.uid())), ..DeleteParams::default() };
    match retry(deadline, async || api.delete(name, &params).await).await {
        Ok(_) | Err(Answer::NotFound(_)) => {}
        Err(answer) => return Err(unknown(object, answer)),
    }
    let gone = wait_gone(api, name, existing.uid(), deadline, |namespace: &Namespace| {
        // The namespace controller says here which objects and which finalizers it waits for.
        let conditions = namespace.status.as_ref().and_then(|s| s.conditions.clone()).unwrap_or_default();
        let told = conditions.iter().filter(|c| c.status == "True").filter_map(|c| c.message.clone());
        told.collect::<Vec<_>>()
    });
    gone.await.map_err(|held_by| stuck(object, held_by))
}

async fn remove_all(scratch: &Scratch, client: &Client, entries: Vec<Entry>, deadline: Instant) -> Vec<Stuck> {
    let removals = entries.iter().map(|entry| remove(scratch, client, entry, deadline));
    futures::future::join_all(removals).await.into_iter().filter_map(Result::err).collect()
}

async fn remove(scratch: &Scratch, client: &Client, entry: &Entry, deadline: Instant) -> Result<(), Stuck> {
    let name = entry.object.name.as_str();
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &scratch.namespace, &entry.resource);
    let uid = match &entry.uid {
        Some(uid) => uid.clone(),
        // The answer to its creation was never seen, or a controller made it: look whether it is there and whose it is.
        None => match retry(deadline, async || api.get(name).await).await {
            Ok(object) if entry.by_controller || scratch.is_ours(&object.metadata) => object.uid().unwrap_or_default(),
            Ok(_) | Err(Answer::NotFound(_)) => return Ok(()),
            Err(answer) => return Err(unknown(entry.object.clone(), answer)),
        },
    };
    remove_object(&api, &entry.object, Some(uid), deadline).await
}

/// Removes an object of this uid, and waits until it is gone.
pub(super) async fn delete_object(
    api: &Api<DynamicObject>,
    object: &ObjectRef,
    uid: Option<String>,
    deadline: Instant,
) -> Result<(), Survivor> {
    remove_object(api, object, uid, deadline).await.map_err(Survivor::from)
}

async fn remove_object(
    api: &Api<DynamicObject>,
    object: &ObjectRef,
    uid: Option<String>,
    deadline: Instant,
) -> Result<(), Stuck> {
    let params = DeleteParams {
        preconditions: Some(only(uid.clone())),
        propagation_policy: Some(PropagationPolicy::Foreground),
        ..DeleteParams::default()
    };
    match retry(deadline, async || api.delete(&object.name, &params).await).await {
        // A conflict: another object has its name by now, so ours is gone.
        Ok(_) | Err(Answer::NotFound(_) | Answer::Conflict(_)) => {}
        Err(answer) => return Err(unknown(object.clone(), answer)),
    }
    let gone = wait_gone(api, &object.name, uid, deadline, |_: &DynamicObject| Vec::new()).await;
    gone.map_err(|held_by| stuck(object.clone(), held_by))
}

fn only(uid: Option<String>) -> Preconditions {
    Preconditions { uid, resource_version: None }
}

fn unknown(object: ObjectRef, answer: Answer) -> Stuck {
    let (Answer::Transient(text)
    | Answer::Forbidden(text)
    | Answer::Unauthorized(text)
    | Answer::NotFound(text)
    | Answer::Conflict(text)
    | Answer::Refused(text)) = answer;
    Stuck::Unknown(Survivor { object, held_by: vec![text] })
}

fn stuck(object: ObjectRef, held_by: Result<Vec<String>, String>) -> Stuck {
    match held_by {
        Ok(held_by) => Stuck::Held(Survivor { object, held_by }),
        Err(text) => Stuck::Unknown(Survivor { object, held_by: vec![text] }),
    }
}

/// Waits until no object of this uid is there. The error is what holds it, or why nobody knows.
async fn wait_gone<K>(
    api: &Api<K>,
    name: &str,
    uid: Option<String>,
    deadline: Instant,
    holds: impl Fn(&K) -> Vec<String>,
) -> Result<(), Result<Vec<String>, String>>
where
    K: kube::Resource + Clone + std::fmt::Debug + serde::de::DeserializeOwned + Send + 'static,
{
    let stream = watcher::watch_object(api.clone(), name);
    let mut stream = std::pin::pin!(stream);
    let mut delays = backoff();
    let mut last = Err("nothing was seen of it".to_owned());
    loop {
        match tokio::time::timeout_at(deadline, stream.next()).await {
            Err(_elapsed) => return Err(last),
            Ok(None | Some(Ok(None))) => return Ok(()),
            Ok(Some(Ok(Some(object)))) if uid.is_some() && object.uid() != uid => return Ok(()),
            Ok(Some(Ok(Some(object)))) => {
                let finalizers = object.finalizers().iter().map(|f| format!("finalizer {f}"));
                last = Ok(finalizers.chain(holds(&object)).collect());
            }
            Ok(Some(Err(error))) => {
                last = Err(super::connect::innermost(&error));
                tokio::time::sleep(delays.next().unwrap_or_default()).await;
            }
        }
    }
}
