//! Waiting for one Rollout on the shared board.

use kube::ResourceExt;
use tokio::time::Instant;

use super::board::Key;
use super::{Bulk, Progress};
use crate::cluster::call::{Action, Answer};
use crate::rollout::Rollout;
use crate::rollout::goal::{Goal, Standing};
use crate::rollout::operation::OperationError;
use crate::rollout::plan::Operation;
use crate::rollout::status::State;
use crate::verdict::Verdict;

/// The resourceVersion as a number, by which a later state is told from an earlier one
/// (<https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions>).
pub(super) fn version(rollout: &Rollout) -> Option<u64> {
    rollout.resource_version().and_then(|version| version.parse().ok())
}

/// Whether it is a state from before the version `floor`.
fn is_older(rollout: &Rollout, floor: Option<u64>) -> bool {
    floor.zip(version(rollout)).is_some_and(|(floor, version)| version < floor)
}

/// The error of a Rollout that is not there.
pub(super) fn gone(key: &Key) -> OperationError {
    OperationError::Call {
        action: Action::on::<Rollout>("watch", &key.namespace, &key.name),
        answer: Answer::NotFound(format!("there is no Rollout {}", key.name)),
    }
}

impl Bulk {
    /// The Rollout as soon as the operation can be judged: not in the state that is known to be out of date, nor in one older than
    /// `floor`, the version that this command has itself written last.
    pub(super) async fn judgeable(
        &self,
        key: &Key,
        operation: Operation,
        stale: Option<&str>,
        floor: Option<u64>,
        deadline: Instant,
    ) -> Result<Rollout, OperationError> {
        let mut seen = self.board.follow(key);
        loop {
            let rollout = seen.borrow_and_update().clone().ok_or_else(|| gone(key))?;
            let mut last = None;
            if rollout.resource_version().as_deref() != stale && !is_older(&rollout, floor) {
                match operation.waits_for(&State::of(&rollout).currency) {
                    None => return Ok(Rollout::clone(&rollout)),
                    Some(pending) => last = Some(OperationError::NotObserved { operation, pending: pending.clone() }),
                }
            }
            if !matches!(tokio::time::timeout_at(deadline, seen.changed()).await, Ok(Ok(()))) {
                let unseen = |text: String| OperationError::Call {
                    action: Action::on::<Rollout>("watch", &key.namespace, &key.name),
                    answer: Answer::Transient(text),
                };
                let trouble = self.board.trouble().map(unseen);
                return Err(trouble.or(last).unwrap_or_else(|| unseen("nothing new in time".to_owned())));
            }
        }
    }

    /// Watches until the goal is reached. States older than `floor` are those from before the patch.
    pub(super) async fn verify(
        &self,
        key: &Key,
        goal: &Goal,
        floor: Option<u64>,
        deadline: Instant,
        tell: &dyn Fn(Progress<'_>),
    ) -> Result<String, (Verdict, String)> {
        let mut seen = self.board.follow(key);
        let mut last = "nothing of it was seen since".to_owned();
        loop {
            let now = seen.borrow_and_update().clone();
            let Some(rollout) = now else { return Err((Verdict::Failed, "it was deleted meanwhile".to_owned())) };
            if !is_older(&rollout, floor) {
                match goal.look(&rollout) {
                    Standing::Reached(text) => return Ok(text),
                    Standing::Lost(text) => return Err((Verdict::Failed, text)),
                    Standing::OnItsWay(text) => {
                        if text != last {
                            tell(Progress::Sees(key, &text));
                            last = text;
                        }
                    }
                }
            }
            if !matches!(tokio::time::timeout_at(deadline, seen.changed()).await, Ok(Ok(()))) {
                let waited = crate::clock::human(u64::try_from(self.options.timeout.as_millis()).unwrap_or(u64::MAX));
                return Err(match self.board.trouble() {
                    Some(text) => (
                        Verdict::Inconclusive,
                        format!("the API server could not be asked: {text}; before that: {last}"),
                    ),
                    None => (Verdict::Failed, format!("after {waited}: {last}")),
                });
            }
        }
    }
}
