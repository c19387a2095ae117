//! Carries out an operation, once, whatever happens to the requests on their way.

use kube::api::{Patch, PatchParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Rollout;
use super::plan::{Operation, Patches, Refusal, plan};
use super::status::{Currency, State};
use crate::cluster::call::{Action, Answer, FIELD_MANAGER, retry};
use crate::cluster::wait::{Trouble, WatchBackoff, trouble_of};

/// What an operation came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// The Rollout was patched; this is the API server's answer. What the controller makes of it is to be watched.
    Patched(Box<Rollout>),
    /// Nothing had to be done, because of this.
    Already(String),
}

/// Why an operation was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OperationError {
    /// It would do nothing, or something else than asked for.
    #[error("cannot {operation}: {refusal}")]
    Refused {
        /// The operation.
        operation: Operation,
        /// Why.
        refusal: Refusal,
    },
    /// The controller did not act in time upon what happened before.
    #[error("cannot {operation} yet: {pending}")]
    NotObserved {
        /// The operation.
        operation: Operation,
        /// What the controller has not acted upon.
        pending: Currency,
    },
    /// The Rollout was given another template while the operation was on its way.
    #[error("cannot {operation}: the Rollout was changed meanwhile, from template {from} to {to}")]
    Overtaken {
        /// The operation.
        operation: Operation,
        /// The hash of the template that the operation was meant for.
        from: String,
        /// The hash that is there now.
        to: String,
    },
    /// The API server did not carry out a request.
    #[error("cannot {} {}: {}", .action.verb, .action.object, .answer.text())]
    Call {
        /// What was asked.
        action: Action,
        /// The final answer.
        answer: Answer,
    },
}

/// What a promotion started from, so that a repeated try is told from a second promotion.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Start {
    hash: String,
    step: Option<i32>,
}

impl Start {
    fn of(state: &State) -> Self {
        Self { hash: state.current_hash.clone(), step: state.step.as_ref().map(|step| step.index) }
    }
}

/// Carries out an operation on one Rollout. Faults on the way are tried again until `deadline`.
///
/// It waits until the controller has acted upon what happened before; plans from that very state; and patches under the condition that the
/// Rollout is still in it. A promotion whose answer was lost is therefore never carried out twice.
pub async fn perform(
    api: &Api<Rollout>,
    name: &str,
    operation: Operation,
    deadline: Instant,
) -> Result<Effect, OperationError> {
    let look = async |_: Option<&str>| judgeable(api, name, operation, deadline).await;
    perform_seen(api, operation, deadline, look).await
}

/// The same where somebody watches the Rollout already. `look` answers with the Rollout as soon as the operation can be judged;
/// it is given the resourceVersion that is known to be out of date, if one is.
pub async fn perform_seen(
    api: &Api<Rollout>,
    operation: Operation,
    deadline: Instant,
    mut look: impl AsyncFnMut(Option<&str>) -> Result<Rollout, OperationError>,
) -> Result<Effect, OperationError> {
    let mut start: Option<Start> = None;
    let mut stale: Option<String> = None;
    loop {
        let rollout = look(stale.as_deref()).await?;
        let state = State::of(&rollout);
        let first_try = start.is_none();
        let from = start.get_or_insert_with(|| Start::of(&state));
        if from.hash != state.current_hash {
            return Err(OperationError::Overtaken { operation, from: from.hash.clone(), to: state.current_hash });
        }
        if operation == Operation::PromoteStep && *from != Start::of(&state) {
            return Ok(Effect::Already(format!("it has gone on from step {}", from.step.unwrap_or_default() + 1)));
        }
        let patches = match plan(operation, &rollout) {
            Ok(patches) => patches,
            Err(Refusal::Already(outcome)) => return Ok(Effect::Already(outcome)),
            // Not the first try: what was asked for has happened, and has had its effect.
            Err(_) if !first_try => return Ok(Effect::Already("it was carried out by an earlier try".to_owned())),
            Err(refusal) => return Err(OperationError::Refused { operation, refusal }),
        };
        match apply(api, &rollout, &patches, deadline).await {
            Ok(rollout) => return Ok(Effect::Patched(Box::new(rollout))),
            // The controller, or an earlier try whose answer was lost, has changed it: look again.
            Err(OperationError::Call { answer: Answer::Conflict(_), .. }) if Instant::now() < deadline => {
                stale = rollout.resource_version();
            }
            Err(error) => return Err(error),
        }
    }
}

/// The Rollout as soon as the operation can be judged.
async fn judgeable(
    api: &Api<Rollout>,
    name: &str,
    operation: Operation,
    deadline: Instant,
) -> Result<Rollout, OperationError> {
    let action = Action::on::<Rollout>("watch", api.namespace().unwrap_or_default(), name);
    let failed = |answer| OperationError::Call { action: action.clone(), answer };
    let stream = watcher::watch_object(api.clone(), name).backoff(WatchBackoff::default());
    let mut stream = std::pin::pin!(stream);
    let mut last: Option<OperationError> = None;
    loop {
        let Ok(item) = tokio::time::timeout_at(deadline, futures::StreamExt::next(&mut stream)).await else {
            return Err(last.unwrap_or_else(|| failed(Answer::Transient("no answer in time".to_owned()))));
        };
        match item {
            Some(Ok(Some(rollout))) => match operation.waits_for(&State::of(&rollout).currency) {
                None => return Ok(rollout),
                Some(pending) => last = Some(OperationError::NotObserved { operation, pending: pending.clone() }),
            },
            Some(Ok(None)) | None => return Err(failed(Answer::NotFound(format!("there is no Rollout {name}")))),
            Some(Err(error)) => match trouble_of(&error) {
                Trouble::Passing(text) => last = Some(failed(Answer::Transient(text))),
                Trouble::Final(answer) => return Err(failed(answer)),
            },
        }
    }
}

/// Patches the status, then the spec; before 0.10 both in one.
async fn apply(
    api: &Api<Rollout>,
    rollout: &Rollout,
    patches: &Patches,
    deadline: Instant,
) -> Result<Rollout, OperationError> {
    let name = rollout.name_any();
    let mut after = None;
    if let Some(status) = &patches.status {
        let status = in_state(rollout, status);
        match patch(api, &name, true, &status, deadline).await {
            Ok(patched) => after = Some(patched),
            Err(OperationError::Call { answer: Answer::NotFound(_), .. }) => {
                return patch(api, &name, false, &in_state(rollout, &patches.whole()), deadline).await;
            }
            Err(error) => return Err(error),
        }
    }
    match (&patches.spec, after) {
        // The controller may have gone on since the status was patched, so this one is bound to no state; it is harmless twice.
        (Some(spec), _) => patch(api, &name, false, spec, deadline).await,
        (None, Some(after)) => Ok(after),
        (None, None) => Ok(rollout.clone()),
    }
}

/// The patch under the condition that the object is still as it was read.
fn in_state(rollout: &Rollout, patch: &Value) -> Value {
    let mut patch = patch.clone();
    if let (Some(fields), Some(version)) = (patch.as_object_mut(), rollout.resource_version()) {
        fields.insert("metadata".to_owned(), json!({"resourceVersion": version}));
    }
    patch
}

async fn patch(
    api: &Api<Rollout>,
    name: &str,
    status: bool,
    patch: &Value,
    deadline: Instant,
) -> Result<Rollout, OperationError> {
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let patch = Patch::Merge(patch);
    let answer = retry(deadline, async || {
        if status { api.patch_status(name, &params, &patch).await } else { api.patch(name, &params, &patch).await }
    });
    answer.await.map_err(|answer| {
        let mut action = Action::on::<Rollout>("patch", api.namespace().unwrap_or_default(), name);
        if status {
            action.resource.push_str("/status");
        }
        OperationError::Call { action, answer }
    })
}

#[cfg(test)]
mod tests;
