//! Watches a Rollout and its pods through a whole story, and says why when it does not go on.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::LocalBoxStream;
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::watcher::{self, Event};
use kube::{Api, ResourceExt};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::view::View;
use crate::cluster::Look;
use crate::cluster::call::Action;
use crate::cluster::deployments::is_lasting_refusal;
use crate::cluster::pods::{APP_LABEL, broken};
use crate::cluster::scratch::is_terminating;
use crate::cluster::wait::{Told, changes};
use crate::context::{Context, Step};
use crate::failure::{Certainty, Failure, ObjectRef, Origin};
use crate::rollout::status::Complaint;
use crate::rollout::{Rollout, State};

/// One change of what is watched.
enum Change {
    Rollout(Box<Event<Rollout>>),
    Pod(Box<Event<Pod>>),
}

/// What has been seen so far.
#[derive(Default)]
struct Seen {
    rollout: Option<Rollout>,
    /// Whether the Rollout was there and is there no more.
    gone: bool,
    pods: BTreeMap<String, Pod>,
    /// Whether the Rollout was seen since the newest list began.
    listed: bool,
    /// Pods of a list that is not complete yet.
    listing: BTreeMap<String, Pod>,
    /// Whether the pods have been listed completely.
    complete: bool,
}

/// A Rollout with its pods, watched by one pair of watches from its creation to its end.
pub(super) struct Scene<'a> {
    /// The Rollout.
    pub(super) object: ObjectRef,
    api: Api<Rollout>,
    patience: Duration,
    stream: Mutex<LocalBoxStream<'a, Told<Change>>>,
    seen: RefCell<Seen>,
    /// Since when the controller has owed a reaction.
    owed_since: Cell<Option<Instant>>,
}

impl<'a> Scene<'a> {
    /// A scene of the Rollout `name`, which need not be there yet. `patience`: how long the controller may take to notice a change.
    pub(super) fn new(cx: &'a Context, name: &str, patience: Duration) -> Self {
        let namespace = &cx.scratch.namespace;
        let of_rollout = watcher::Config::default().fields(&format!("metadata.name={name}"));
        let of_pods = watcher::Config::default().labels(&format!("{APP_LABEL}={name}"));
        let rollouts = changes::<Rollout>(cx.api(), of_rollout, Action::on::<Rollout>("watch", namespace, name));
        let pods = changes::<Pod>(cx.api(), of_pods, Action::on::<Pod>("watch", namespace, name));
        let stream = futures::stream::select(
            rollouts.map(|told| told.map(|event| Change::Rollout(Box::new(event)))),
            pods.map(|told| told.map(|event| Change::Pod(Box::new(event)))),
        );
        Self {
            object: ObjectRef::new("Rollout", namespace, name),
            api: cx.api(),
            patience,
            stream: Mutex::new(stream.boxed_local()),
            seen: RefCell::default(),
            owed_since: Cell::default(),
        }
    }

    /// Waits until a condition on the Rollout and its pods holds, from what has been seen so far on.
    ///
    /// `aborts`: an abort is what is waited for, and not the end.
    pub(super) async fn until<T>(
        &self,
        step: &Step,
        expected: &str,
        aborts: Aborts,
        mut condition: impl FnMut(&View) -> Option<T>,
    ) -> Result<T, Failure> {
        let mut look = |seen: &Seen| self.look(seen, aborts, &mut condition);
        let first = look(&self.seen.borrow());
        match first {
            Look::Found(value) => return Ok(value),
            Look::NotYet(seen) => step.sees(seen),
            Look::Never(mut failure) => {
                expected.clone_into(&mut failure.expected);
                failure.object.get_or_insert_with(|| self.object.clone());
                return Err(*failure);
            }
        }
        let mut stream = self.stream.lock().await;
        let following = step.follow(&mut *stream, expected, self.object.clone(), |change| {
            let mut seen = self.seen.borrow_mut();
            seen.take(change);
            look(&seen)
        });
        let outcome = tokio::select! {
            biased;
            outcome = following => outcome,
            state = self.silence() => Err(Failure::failed(expected).saw(self.silent(&state)).on(self.object.clone())),
        };
        outcome.map_err(|failure| self.explained(failure))
    }

    fn look<T>(&self, seen: &Seen, aborts: Aborts, condition: &mut impl FnMut(&View) -> Option<T>) -> Look<T> {
        if seen.gone {
            return Look::never("somebody has deleted the Rollout");
        }
        let Some(rollout) = seen.rollout.as_ref().filter(|_| seen.complete) else {
            return Look::NotYet("the Rollout and its pods have not been listed".to_owned());
        };
        let state = State::of(rollout);
        match (state.currency.is_current(), self.owed_since.get()) {
            (true, _) => self.owed_since.set(None),
            (false, None) => self.owed_since.set(Some(Instant::now())),
            (false, Some(_)) => {}
        }
        if let Some(never) = end_of(rollout, &state, aborts) {
            return Look::Never(Box::new(never));
        }
        let dead = seen.pods.values().filter(|pod| !is_terminating(*pod)).find_map(|pod| Some((pod, broken(pod)?)));
        if let Some((pod, why)) = dead {
            let object = ObjectRef::new("Pod", &pod.namespace().unwrap_or_default(), &pod.name_any());
            let failure = Failure::failed("").saw(format!("{why}; {state}")).on(object);
            return Look::Never(Box::new(failure));
        }
        let view = View { state, pods: &seen.pods };
        match condition(&view) {
            Some(value) => Look::Found(value),
            None => Look::NotYet(view.line()),
        }
    }

    /// Ends when the controller has owed a reaction for longer than it may, and the API server confirms that it still does.
    async fn silence(&self) -> State {
        loop {
            let Some(since) = self.owed_since.get() else {
                tokio::time::sleep(self.patience).await;
                continue;
            };
            tokio::time::sleep_until(since + self.patience).await;
            if self.owed_since.get() != Some(since) {
                continue;
            }
            match self.api.get(&self.object.name).await {
                Ok(rollout) if !State::of(&rollout).currency.is_current() => return State::of(&rollout),
                // It has reacted, or nobody can tell: the watch will.
                _ => self.owed_since.set(Some(Instant::now())),
            }
        }
    }

    fn silent(&self, state: &State) -> String {
        format!("{} for {} s", state.currency, self.patience.as_secs())
    }

    /// Names the cause where the controller owes a reaction.
    fn explained(&self, failure: Failure) -> Failure {
        let seen = self.seen.borrow();
        let Some(state) = seen.rollout.as_ref().map(State::of).filter(|state| !state.currency.is_current()) else {
            return failure;
        };
        if failure.verdict != crate::verdict::Verdict::Failed || failure.cause.is_some() {
            return failure;
        }
        failure
            .because(
                Certainty::Likely,
                Origin::Cluster,
                format!(
                    "the Argo Rollouts controller does not act: {}; it is not running, has no leader, or does not look after this \
                     namespace (--namespaced, --instance-id)",
                    state.currency
                ),
            )
            .next("kubectl get pods -A -l app.kubernetes.io/name=argo-rollouts")
            .next("kubectl logs -n argo-rollouts deploy/argo-rollouts --tail=50")
    }
}

/// Whether an abort is the end of the story.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aborts {
    /// The update has to go on; nobody has asked for an abort.
    Unwanted,
    /// An abort is what is waited for.
    Wanted,
    /// It is aborted, and has to come out of that.
    Past,
}

/// Why waiting is in vain, if it is.
fn end_of(rollout: &Rollout, state: &State, aborts: Aborts) -> Option<Failure> {
    if is_terminating(rollout) {
        return Some(Failure::failed("").saw("somebody is deleting the Rollout"));
    }
    if !state.currency.is_current() {
        return None;
    }
    match &state.complaint {
        // What we made just before may not be in the controller's cache yet; it looks again.
        Some(Complaint::InvalidSpec(text)) if text.contains("not found") => {}
        Some(Complaint::InvalidSpec(_) | Complaint::Overdue(_)) => {
            return Some(Failure::failed("").saw(state.to_string()));
        }
        None => {}
    }
    let mut conditions = rollout.status.iter().flat_map(|status| &status.conditions);
    let refused =
        conditions.find(|c| c.type_ == "ReplicaFailure" && c.status == "True" && is_lasting_refusal(&c.message));
    if let Some(refused) = refused {
        return Some(Failure::failed("").saw(refused.message.clone()));
    }
    if state.aborted && aborts == Aborts::Unwanted {
        return Some(Failure::failed("").saw(format!("the update was aborted: {}", state.message)));
    }
    None
}

impl Seen {
    fn take(&mut self, change: Change) {
        match change {
            Change::Rollout(event) => match *event {
                Event::Apply(rollout) | Event::InitApply(rollout) => {
                    self.rollout = Some(rollout);
                    (self.listed, self.gone) = (true, false);
                }
                Event::Delete(_) => self.gone = true,
                // A new list, after a dropped watch: only its end says whether the Rollout is still there.
                Event::Init => self.listed = false,
                Event::InitDone => self.gone = self.rollout.is_some() && !self.listed,
            },
            Change::Pod(event) => match *event {
                Event::Init => self.listing.clear(),
                Event::InitApply(pod) => drop(self.listing.insert(pod.name_any(), pod)),
                Event::InitDone => {
                    self.pods = std::mem::take(&mut self.listing);
                    self.complete = true;
                }
                Event::Apply(pod) => drop(self.pods.insert(pod.name_any(), pod)),
                Event::Delete(pod) => drop(self.pods.remove(&pod.name_any())),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::api::RolloutSpec;

    fn take(seen: &mut Seen, event: Event<Rollout>) -> bool {
        seen.take(Change::Rollout(Box::new(event)));
        seen.gone
    }

    /// A watch that was dropped, or expired (410), begins anew with a list.
    #[test]
    fn a_new_list_says_only_by_its_end_that_the_rollout_is_gone() {
        let mut seen = Seen::default();
        let rollout = Rollout::new("web", RolloutSpec::default());
        assert!(!take(&mut seen, Event::Init) && !take(&mut seen, Event::InitDone), "not there yet is not gone");
        assert!(!take(&mut seen, Event::Apply(rollout.clone())));
        assert!(!take(&mut seen, Event::Init), "nothing is known before the list");
        assert!(!take(&mut seen, Event::InitApply(rollout)) && !take(&mut seen, Event::InitDone));
        assert!(!take(&mut seen, Event::Init));
        assert!(take(&mut seen, Event::InitDone), "the list was complete without it");
    }
}
