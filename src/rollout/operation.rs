//! Carries out an operation, once, whatever happens to the requests on their way.

use kube::api::{Patch, PatchParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Rollout;
use super::basis::{Basis, Overtaken};
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
    #[error("cannot {infinitive}: {overtaken}; look at it and repeat the command")]
    Overtaken {
        /// What completes "cannot …".
        infinitive: &'static str,
        /// From which template to which.
        overtaken: Overtaken,
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
    perform_seen(api, operation, None, deadline, look).await
}

/// The same where somebody watches the Rollout already, and decided by the Rollout as it was then (`basis`; absent: by its state at the
/// first look). `look` answers with the Rollout as soon as the operation can be judged; it is given the resourceVersion that is known to
/// be out of date, if one is.
pub async fn perform_seen(
    api: &Api<Rollout>,
    operation: Operation,
    mut basis: Option<Basis>,
    deadline: Instant,
    mut look: impl AsyncFnMut(Option<&str>) -> Result<Rollout, OperationError>,
) -> Result<Effect, OperationError> {
    let mut stale: Option<String> = None;
    let mut half = None;
    loop {
        let rollout = look(stale.as_deref()).await?;
        let first_try = stale.is_none();
        let now = Basis::of(&rollout);
        let basis = basis.get_or_insert_with(|| now.clone());
        if let Err(overtaken) = basis.still_holds(&now) {
            return Err(OperationError::Overtaken { infinitive: operation.infinitive(), overtaken });
        }
        if operation == Operation::PromoteStep
            && let Some(step) = basis.left_step(&now)
        {
            return Ok(done(half, format!("it has gone on from step {}", step + 1)));
        }
        basis.learn(now);
        let patches = match plan(operation, &rollout) {
            Ok(patches) => patches,
            Err(Refusal::Already(outcome)) => return Ok(done(half, outcome)),
            // Not the first try: what was asked for has happened, and has had its effect.
            Err(_) if !first_try => return Ok(done(half, "it was carried out by an earlier try".to_owned())),
            Err(refusal) => return Err(OperationError::Refused { operation, refusal }),
        };
        match apply(api, &rollout, &patches, deadline, &mut half).await {
            Ok(after) => return Ok(Effect::Patched(after)),
            // The controller, or an earlier try whose answer was lost, has changed it: look again.
            Err(OperationError::Call { answer: Answer::Conflict(_), .. }) if Instant::now() < deadline => {
                stale = rollout.resource_version();
            }
            Err(error) => return Err(error),
        }
    }
}

/// What an operation came to that needs nothing more: something, if one of its patches was carried out before the other's turn came.
fn done(half: Option<Box<Rollout>>, already: String) -> Effect {
    half.map_or(Effect::Already(already), Effect::Patched)
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

/// Patches the spec, then the status. Between the two, the answer to the first is left in `half`.
///
/// The plugin does it the other way round. A controller that looks in between sees no pause of the step any more and is still paused by
/// hand, forgets that the pause was its own, and begins it again once the spec is patched: the promotion is lost
/// (<https://github.com/argoproj/argo-rollouts/blob/v1.10.1/rollout/pause.go>, `CalculatePauseConditions`).
async fn apply(
    api: &Api<Rollout>,
    rollout: &Rollout,
    patches: &Patches,
    deadline: Instant,
    half: &mut Option<Box<Rollout>>,
) -> Result<Box<Rollout>, OperationError> {
    let name = rollout.name_any();
    let mut seen = Box::new(rollout.clone());
    if let Some(spec) = &patches.spec {
        // What stands alone says nothing of a state.
        let spec = if patches.status.is_some() { in_state(rollout, spec) } else { spec.clone() };
        seen = Box::new(patch(api, &name, false, &spec, deadline).await?);
        *half = Some(seen.clone());
    }
    if let Some(status) = &patches.status {
        let status = in_state(&seen, status);
        let answer = match patch(api, &name, true, &status, deadline).await {
            // Before 0.10 the resource has no status of its own.
            Err(OperationError::Call { answer: Answer::NotFound(_), .. }) => {
                patch(api, &name, false, &status, deadline).await
            }
            answer => answer,
        };
        seen = Box::new(answer?);
    }
    Ok(seen)
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
