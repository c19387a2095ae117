//! How all Rollouts of a selection stand: one watch for all of them, so that a hundred waits cost as many requests as one.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use futures::StreamExt;
use futures::stream::{LocalBoxStream, SelectAll};
use k8s_openapi::api::core::v1::{Container, PodSpec};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::cluster::call::{Action, Answer};
use crate::cluster::wait::{Trouble, WatchBackoff, trouble_of};
use crate::rollout::Rollout;

/// How many Rollouts a list brings at once. All of a page are in memory before the first is looked at, and what the API server keeps of
/// each, such as its managed fields, takes about ten times what is needed here.
const PAGE: u32 = 100;

/// Which Rollout.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Key {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Key {
    /// A Rollout of this namespace and name.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    fn of(rollout: &Rollout) -> Self {
        Self::new(rollout.namespace().unwrap_or_default(), rollout.name_any())
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&format!("{}/{}", self.namespace, self.name))
    }
}

/// Some Rollouts that one watch shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// The namespace; `None`: all of them.
    pub namespace: Option<String>,
    /// A label selector.
    pub labels: Option<String>,
    /// The only one, by its name.
    pub name: Option<String>,
}

/// Why the Rollouts cannot be seen.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}{} cannot be listed: {}", .action.resource, .action.object.namespace.as_ref().map(|n| format!(" of namespace {n}")).unwrap_or_default(), .answer.text())]
pub struct BoardError {
    /// What was asked.
    pub action: Action,
    /// The answer.
    pub answer: Answer,
}

type Seen = watch::Sender<Option<Rc<Rollout>>>;
type Changes = LocalBoxStream<'static, (usize, watcher::Result<watcher::Event<Rollout>>)>;

/// How the Rollouts stand now.
#[derive(Default)]
pub struct Board {
    seen: RefCell<BTreeMap<Key, Seen>>,
    trouble: RefCell<Option<String>>,
}

/// What keeps a [`Board`] up to date, for as long as it is driven.
pub struct Feed {
    changes: SelectAll<Changes>,
    relisted: Vec<BTreeSet<Key>>,
    listed: Vec<BTreeSet<Key>>,
}

impl Board {
    /// Watches, and waits until every first list is complete.
    pub async fn open(client: &Client, scopes: &[Scope], deadline: Instant) -> Result<(Rc<Self>, Feed), BoardError> {
        let board = Rc::new(Self::default());
        let changes = scopes.iter().enumerate().map(|(index, scope)| changes(client, scope, index)).collect();
        let sets = vec![BTreeSet::new(); scopes.len()];
        let mut feed = Feed { changes, relisted: sets.clone(), listed: sets };
        let mut waiting: BTreeSet<usize> = (0..scopes.len()).collect();
        let mut last = Answer::Transient("no answer in time".to_owned());
        while !waiting.is_empty() {
            let Ok(Some((index, item))) = tokio::time::timeout_at(deadline, feed.changes.next()).await else {
                let at = waiting.first().copied().unwrap_or_default();
                return Err(BoardError { action: listing(&scopes[at]), answer: last });
            };
            match item {
                Ok(event) => {
                    if matches!(event, watcher::Event::InitDone) {
                        waiting.remove(&index);
                    }
                    feed.take(&board, index, event);
                }
                Err(error) => match trouble_of(&error) {
                    Trouble::Passing(text) => last = Answer::Transient(text),
                    Trouble::Final(answer) => return Err(BoardError { action: listing(&scopes[index]), answer }),
                },
            }
        }
        Ok((board, feed))
    }

    /// The Rollouts that are there, by namespace and name.
    pub fn keys(&self) -> Vec<Key> {
        let seen = self.seen.borrow();
        seen.iter().filter(|(_, seen)| seen.borrow().is_some()).map(|(key, _)| key.clone()).collect()
    }

    /// A Rollout as it is now.
    pub fn now(&self, key: &Key) -> Option<Rc<Rollout>> {
        self.seen.borrow().get(key).and_then(|seen| seen.borrow().clone())
    }

    /// A Rollout as it is now and as it changes.
    pub fn follow(&self, key: &Key) -> watch::Receiver<Option<Rc<Rollout>>> {
        self.seen.borrow_mut().entry(key.clone()).or_default().subscribe()
    }

    /// Why nothing new is seen at the moment, if so.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.borrow().clone()
    }

    pub(super) fn put(&self, key: Key, rollout: Option<Rollout>) {
        let rollout = rollout.map(|rollout| Rc::new(lean(rollout)));
        self.seen.borrow_mut().entry(key).or_default().send_replace(rollout);
    }
}

impl Feed {
    /// Keeps the board up to date; never ends by itself.
    pub async fn run(mut self, board: &Board) {
        while let Some((index, item)) = self.changes.next().await {
            match item {
                Ok(event) => {
                    board.trouble.replace(None);
                    self.take(board, index, event);
                }
                Err(error) => {
                    let text = match trouble_of(&error) {
                        Trouble::Passing(text) => text,
                        Trouble::Final(answer) => answer.text().to_owned(),
                    };
                    board.trouble.replace(Some(text));
                }
            }
        }
        // A selection that found nothing has nothing to watch, which is no end.
        std::future::pending::<()>().await;
    }

    fn take(&mut self, board: &Board, index: usize, event: watcher::Event<Rollout>) {
        match event {
            watcher::Event::Init => self.relisted[index].clear(),
            watcher::Event::InitApply(rollout) => {
                let key = Key::of(&rollout);
                self.relisted[index].insert(key.clone());
                board.put(key, Some(rollout));
            }
            watcher::Event::InitDone => {
                let now = std::mem::take(&mut self.relisted[index]);
                for gone in self.listed[index].difference(&now) {
                    board.put(gone.clone(), None);
                }
                self.listed[index] = now;
            }
            watcher::Event::Apply(rollout) => {
                let key = Key::of(&rollout);
                self.listed[index].insert(key.clone());
                board.put(key, Some(rollout));
            }
            watcher::Event::Delete(rollout) => {
                let key = Key::of(&rollout);
                self.listed[index].remove(&key);
                board.put(key, None);
            }
        }
    }
}

/// Without what nobody reads here and weighs more than the rest. Objects are only ever patched, so that nothing is lost by it.
fn lean(mut rollout: Rollout) -> Rollout {
    rollout.metadata.managed_fields = None;
    rollout.annotations_mut().remove("kubectl.kubernetes.io/last-applied-configuration");
    if let Some(pod) = rollout.spec.template.as_mut().and_then(|template| template.spec.as_mut()) {
        let containers = std::mem::take(&mut pod.containers).into_iter();
        let named =
            |container: Container| Container { name: container.name, image: container.image, ..Default::default() };
        *pod = PodSpec { containers: containers.map(named).collect(), ..Default::default() };
    }
    rollout
}

fn changes(client: &Client, scope: &Scope, index: usize) -> Changes {
    let api: Api<Rollout> = match &scope.namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    };
    let mut config = watcher::Config::default().page_size(PAGE);
    if let Some(labels) = &scope.labels {
        config = config.labels(labels);
    }
    if let Some(name) = &scope.name {
        config = config.fields(&format!("metadata.name={name}"));
    }
    watcher(api, config).backoff(WatchBackoff::default()).map(move |item| (index, item)).boxed_local()
}

fn listing(scope: &Scope) -> Action {
    let mut action = Action::on::<Rollout>("list", "", scope.name.as_deref().unwrap_or_default());
    action.object.namespace.clone_from(&scope.namespace);
    action
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rollout::recorded::rollout_with;

    #[test]
    fn what_is_kept_is_what_is_read() {
        let template = json!({"metadata": {"labels": {"app": "web"}}, "spec": {
            "containers": [{"name": "web", "image": "web:2", "env": [{"name": "A", "value": "b"}]}],
            "volumes": [{"name": "cache", "emptyDir": {}}]}});
        let full = rollout_with("paused", |rollout| {
            rollout.spec.template = serde_json::from_value(template).unwrap();
            rollout.annotations_mut().insert("kubectl.kubernetes.io/last-applied-configuration".into(), "{}".into());
        });
        let lean = lean(full.clone());
        assert_eq!(
            serde_json::to_value(&lean.spec.template).unwrap(),
            json!({
            "metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "web:2"}]}})
        );
        assert!(!lean.annotations().contains_key("kubectl.kubernetes.io/last-applied-configuration"));
        assert_eq!((&lean.status, &lean.spec.strategy), (&full.status, &full.spec.strategy));
        assert_eq!((lean.name_any(), lean.resource_version()), (full.name_any(), full.resource_version()));
    }
}
