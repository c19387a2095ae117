//! Waits: a watch with a deadline that survives dropped and expired watches, overload and a restart of the API server.
//!
//! A condition is a function of what is there. It also says when waiting is in vain, so that nobody waits for a deadline whose
//! outcome is known.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::rc::Rc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use kube::runtime::utils::Backoff;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use super::call::{Action, Answer, answer_of, backoff};
use crate::context::Step;
use crate::failure::{Failure, ObjectRef};

/// What a condition makes of what is there now.
#[derive(Debug)]
pub enum Look<T> {
    /// It holds.
    Found(T),
    /// Not yet; this is what is there instead.
    NotYet(String),
    /// It never will; this is why. An empty expectation or object is filled in by the wait.
    Never(Box<Failure>),
}

impl<T> Look<T> {
    /// Never, because of what was seen.
    pub fn never(seen: impl Into<String>) -> Self {
        Self::Never(Box::new(Failure::failed("").saw(seen)))
    }
}

/// Backoff of a watch: quick at first, as most faults are short.
#[derive(Default)]
pub(crate) struct WatchBackoff {
    tries: usize,
}

impl Iterator for WatchBackoff {
    type Item = Duration;
    fn next(&mut self) -> Option<Duration> {
        self.tries += 1;
        backoff().nth((self.tries - 1).min(10))
    }
}

impl Backoff for WatchBackoff {
    fn reset(&mut self) {
        self.tries = 0;
    }
}

/// How the watch itself stands, to tell an absent object from an API server that cannot be asked.
pub(crate) enum Trouble {
    /// The watch is tried again.
    Passing(String),
    /// It will not work any better.
    Final(Answer),
}

/// Whether an error of a watch passes.
pub(crate) fn trouble_of(error: &watcher::Error) -> Trouble {
    let answer = match error {
        watcher::Error::InitialListFailed(e) | watcher::Error::WatchStartFailed(e) | watcher::Error::WatchFailed(e) => {
            answer_of(e)
        }
        watcher::Error::WatchError(status) => answer_of(&kube::Error::Api(status.clone())),
        watcher::Error::NoResourceVersion => Answer::Refused("the API server gives no resourceVersion".to_owned()),
    };
    match answer {
        Answer::Transient(text) => Trouble::Passing(text),
        // The namespace's role binding may be younger than the watch; but a list that is forbidden stays so.
        answer => Trouble::Final(answer),
    }
}

/// What one watch says, and what it watches.
///
/// A check that follows several selections through several steps makes one stream of their [`changes`] and gives it to
/// [`Step::follow`] step by step: nothing is listed twice, and nothing that happens between two steps is lost.
pub struct Told<S> {
    watching: Rc<Action>,
    what: watcher::Result<S>,
}

impl<S> Told<S> {
    /// The same with what was seen turned into something else.
    pub fn map<T>(self, turn: impl FnOnce(S) -> T) -> Told<T> {
        Told { watching: self.watching, what: self.what.map(turn) }
    }
}

/// The changes of a selection, from its first complete list on; the watch survives what waits survive.
///
/// `watching` names the selection in errors; its verb should be `watch`.
pub fn changes<K>(
    api: Api<K>,
    selection: watcher::Config,
    watching: Action,
) -> impl Stream<Item = Told<watcher::Event<K>>>
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    told(watching, watcher(api, selection).backoff(WatchBackoff::default()))
}

fn told<S>(watching: Action, stream: impl Stream<Item = watcher::Result<S>>) -> impl Stream<Item = Told<S>> {
    let watching = Rc::new(watching);
    stream.map(move |what| Told { watching: Rc::clone(&watching), what })
}

impl Step {
    /// Waits until a condition on one object holds, from the state that is there now on.
    ///
    /// `expected` completes "expected …". The condition sees `None` while there is no such object.
    pub async fn wait_for<K, T>(
        &self,
        api: &Api<K>,
        name: &str,
        expected: &str,
        mut condition: impl FnMut(Option<&K>) -> Look<T>,
    ) -> Result<T, Failure>
    where
        K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
    {
        let object = ObjectRef {
            kind: K::kind(&()).into_owned(),
            namespace: api.namespace().map(str::to_owned),
            name: name.to_owned(),
        };
        let action = watch_action::<K>(api, name);
        let stream = watcher::watch_object(api.clone(), name).backoff(WatchBackoff::default());
        self.follow(told(action, stream), expected, object, |seen: Option<K>| condition(seen.as_ref())).await
    }

    /// Waits until a condition on all objects of a selection holds.
    ///
    /// The condition sees the whole selection, by `NAMESPACE/NAME`, and only once it is complete; an empty one is never a pass by itself.
    pub async fn wait_for_all<K, T>(
        &self,
        api: &Api<K>,
        selection: watcher::Config,
        expected: &str,
        mut condition: impl FnMut(&BTreeMap<String, K>) -> Look<T>,
    ) -> Result<T, Failure>
    where
        K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
    {
        let what = selection.label_selector.clone().or_else(|| selection.field_selector.clone()).unwrap_or_default();
        let object = ObjectRef {
            kind: K::kind(&()).into_owned(),
            namespace: api.namespace().map(str::to_owned),
            name: what.clone(),
        };
        let action = watch_action::<K>(api, &what);
        let stream = snapshots(watcher(api.clone(), selection)).backoff(WatchBackoff::default());
        self.follow(told(action, stream), expected, object, |all: BTreeMap<String, K>| condition(&all)).await
    }

    /// Waits until an object is gone.
    pub async fn wait_gone<K>(&self, api: &Api<K>, name: &str) -> Result<(), Failure>
    where
        K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
    {
        self.wait_for(api, name, "the object to be gone", |object| match object {
            None => Look::Found(()),
            Some(object) => Look::NotYet(match object.meta().finalizers.as_deref().unwrap_or_default() {
                [] => "it is still there".to_owned(),
                finalizers => format!("it is still there, held by {}", finalizers.join(", ")),
            }),
        })
        .await
    }

    /// Asks what cannot be watched (DNS, HTTP, S3) until the condition holds: quickly at first, then every 2 s at the most.
    pub async fn poll<T>(
        &self,
        expected: &str,
        object: Option<ObjectRef>,
        ask: impl AsyncFnMut() -> Look<T>,
    ) -> Result<T, Failure> {
        self.poll_up_to(Duration::from_secs(2), expected, object, ask).await
    }

    /// The same, with at most `pause` between two questions, where asking costs next to nothing.
    pub async fn poll_up_to<T>(
        &self,
        pause: Duration,
        expected: &str,
        object: Option<ObjectRef>,
        mut ask: impl AsyncFnMut() -> Look<T>,
    ) -> Result<T, Failure> {
        self.poll_paced(pause, expected, object, async || (ask().await, Duration::ZERO)).await
    }

    /// The same for a service that says itself when to ask again: at least the time that comes with an answer passes before the next
    /// question, and at most the rest of the step.
    pub async fn poll_paced<T>(
        &self,
        pause: Duration,
        expected: &str,
        object: Option<ObjectRef>,
        mut ask: impl AsyncFnMut() -> (Look<T>, Duration),
    ) -> Result<T, Failure> {
        self.expects(expected);
        let mut delays = backoff().map(|delay| delay.min(pause));
        loop {
            let on = |failure: Failure| failure.completed(expected, object.as_ref());
            let not_before = match tokio::time::timeout_at(self.deadline, ask()).await {
                Ok((Look::Found(value), _)) => return Ok(value),
                Ok((Look::Never(failure), _)) => return Err(on(*failure)),
                Ok((Look::NotYet(seen), not_before)) => {
                    self.sees(seen);
                    not_before
                }
                Err(_elapsed) => return Err(on(self.overdue())),
            };
            let delay = delays.next().unwrap_or(pause).max(not_before);
            tokio::time::sleep_until((tokio::time::Instant::now() + delay).min(self.deadline)).await;
            if self.remaining().is_zero() {
                return Err(on(self.overdue()));
            }
        }
    }

    /// Follows one or several watches until the condition on what they say holds. `object` is what the condition is about.
    ///
    /// Time is up: the cluster's fault if everything could be seen to the end, nobody's if one of the watches was blind.
    pub async fn follow<S, T>(
        &self,
        stream: impl Stream<Item = Told<S>>,
        expected: &str,
        object: ObjectRef,
        mut condition: impl FnMut(S) -> Look<T>,
    ) -> Result<T, Failure> {
        self.expects(expected);
        let mut stream = std::pin::pin!(stream);
        let mut blind: BTreeMap<String, String> = BTreeMap::new();
        loop {
            let told = match tokio::time::timeout_at(self.deadline, stream.next()).await {
                Ok(Some(told)) => told,
                // The stream never ends by itself; were it to, nothing more could be seen.
                Ok(None) | Err(_) => return Err(self.unanswered(blind.into_values().next(), object)),
            };
            match told.what {
                Ok(state) => {
                    blind.remove(&told.watching.resource);
                    match condition(state) {
                        Look::Found(value) => return Ok(value),
                        Look::NotYet(seen) => self.sees(seen),
                        Look::Never(failure) => {
                            return Err(failure.completed(expected, Some(&object)));
                        }
                    }
                }
                Err(error) => match trouble_of(&error) {
                    Trouble::Passing(text) => drop(blind.insert(told.watching.resource.clone(), text)),
                    Trouble::Final(answer) => return Err(told.watching.failure(answer)),
                },
            }
        }
    }

    /// Time is up: the cluster's fault if it could be seen, nobody's if it could not.
    fn unanswered(&self, blind: Option<String>, object: ObjectRef) -> Failure {
        let mut failure = self.overdue().on(object);
        if let Some(text) = blind {
            failure.verdict = crate::verdict::Verdict::Inconclusive;
            // The diagnosis tells from these words why; what was seen before it went blind may be out of date.
            failure.seen = format!("the API server could not be asked any more: {text}; before that: {}", failure.seen);
        }
        failure
    }
}

fn watch_action<K: Resource<DynamicType = ()>>(api: &Api<K>, name: &str) -> Action {
    let mut action = Action::on::<K>("watch", api.namespace().unwrap_or_default(), name);
    action.object.namespace = api.namespace().map(str::to_owned);
    action
}

/// Turns watch events into complete snapshots of the selection.
fn snapshots<K>(
    events: impl Stream<Item = watcher::Result<watcher::Event<K>>>,
) -> impl Stream<Item = watcher::Result<BTreeMap<String, K>>>
where
    K: ResourceExt + Clone,
{
    let key = |object: &K| match object.namespace() {
        Some(namespace) => format!("{namespace}/{}", object.name_any()),
        None => object.name_any(),
    };
    let mut complete = false;
    let mut all: BTreeMap<String, K> = BTreeMap::new();
    events.filter_map(move |event| {
        let item = match event {
            Err(error) => Some(Err(error)),
            Ok(watcher::Event::Init) => {
                complete = false;
                all.clear();
                None
            }
            Ok(watcher::Event::InitApply(object)) => {
                all.insert(key(&object), object);
                None
            }
            Ok(watcher::Event::InitDone) => {
                complete = true;
                Some(Ok(all.clone()))
            }
            Ok(watcher::Event::Apply(object)) => {
                all.insert(key(&object), object);
                complete.then(|| Ok(all.clone()))
            }
            Ok(watcher::Event::Delete(object)) => {
                all.remove(&key(&object));
                complete.then(|| Ok(all.clone()))
            }
        };
        futures::future::ready(item)
    })
}
