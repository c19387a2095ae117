//! What an operation would patch: a pure function of the Rollout, or a refusal in words.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::Rollout;
use super::api::RolloutStatus;
use super::status::{Currency, State};

/// Something that can be done with a Rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// Ends the pause that it waits at, or skips the step that it is in.
    PromoteStep,
    /// Makes the new template stable at once: no analysis, no pause, no step.
    PromoteFull,
    /// Goes back to the stable template.
    Abort,
    /// Tries an aborted update again, from its first step.
    Retry,
    /// Stops it where it is, by `spec.paused`, until somebody promotes it.
    Pause,
    /// Replaces the pods that are older than a time, as its update strategy would.
    Restart {
        /// The time.
        at: Timestamp,
    },
}

impl Operation {
    /// What completes "to …", such as "promote one step".
    pub fn infinitive(self) -> &'static str {
        match self {
            Self::PromoteStep => "promote one step",
            Self::PromoteFull => "promote in full",
            Self::Abort => "abort",
            Self::Retry => "retry",
            Self::Pause => "pause",
            Self::Restart { .. } => "restart",
        }
    }

    /// What must have happened before this operation can be judged; `None`: it can be judged now.
    ///
    /// A status that is behind the spec does not know of the update that is to be promoted or aborted. A pause that was ended but is
    /// still recorded would make a promotion skip the step after it.
    pub fn waits_for(self, currency: &Currency) -> Option<&Currency> {
        match (self, currency) {
            // They change the spec alone, whatever the controller has seen of it.
            (Self::Pause | Self::Restart { .. }, _) => None,
            // A promotion beside a retry that was not seen yet would be of the update that is still aborted.
            (Self::PromoteFull, pending @ Currency::RetryPending) => Some(pending),
            (_, pending) if !pending.is_observed() => Some(pending),
            (Self::PromoteStep, pending @ (Currency::UnpausePending | Currency::RetryPending)) => Some(pending),
            _ => None,
        }
    }
}

impl std::fmt::Display for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.infinitive())
    }
}

/// Merge patches that carry out an operation. At least one is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Patches {
    /// For `rollouts/status`, after the one for the Rollout itself.
    pub status: Option<Value>,
    /// For the Rollout itself.
    pub spec: Option<Value>,
}

/// Why an operation is not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
pub enum Refusal {
    /// Its outcome is there already; nothing needs to be done.
    #[error("{0}")]
    Already(String),
    /// It would do nothing, or something else than asked for.
    #[error("{reason}{}", .instead.as_ref().map(|i| format!("; {i}")).unwrap_or_default())]
    Impossible {
        /// Why.
        reason: String,
        /// What to do instead, if there is something.
        instead: Option<String>,
    },
}

fn impossible<T>(reason: &str, instead: Option<&str>) -> Result<T, Refusal> {
    Err(Refusal::Impossible { reason: reason.to_owned(), instead: instead.map(str::to_owned) })
}

fn already<T>(outcome: &str) -> Result<T, Refusal> {
    Err(Refusal::Already(outcome.to_owned()))
}

/// Plans an operation. The Rollout's status has to be one that [`Operation::waits_for`] nothing of.
pub fn plan(operation: Operation, rollout: &Rollout) -> Result<Patches, Refusal> {
    let state = State::of(rollout);
    if let Some(pending) = operation.waits_for(&state.currency) {
        return impossible(&pending.to_string(), None);
    }
    if rollout.metadata.deletion_timestamp.is_some() {
        return impossible("it is being deleted", None);
    }
    match operation {
        Operation::PromoteStep => promote_step(rollout, &state),
        Operation::PromoteFull => promote_full(rollout, &state),
        Operation::Abort => abort(&state),
        Operation::Retry => retry(&state),
        Operation::Pause => pause(rollout),
        Operation::Restart { at } => restart(rollout, at),
    }
}

fn promote_step(rollout: &Rollout, state: &State) -> Result<Patches, Refusal> {
    if state.aborted {
        return impossible("its update is aborted", Some("retry it first"));
    }
    if state.promoting_fully {
        return already("it is being promoted in full");
    }
    let spec = unpause(rollout);
    let nothing = RolloutStatus::default();
    let status = rollout.status.as_ref().unwrap_or(&nothing);
    let is_paused = !status.pause_conditions.is_empty();
    let is_inconclusive = state.analysis.as_ref().is_some_and(|run| run.status == "Inconclusive");
    let next = state.step.as_ref().map(|step| (step.index + 1).min(step.total));
    let status = match next {
        // The controller would take up the same analysis again: pause and step have to change together.
        Some(next) if is_paused && is_inconclusive && status.controller_pause => {
            Some(json!({"pauseConditions": null, "controllerPause": false, "currentStepIndex": next}))
        }
        _ if is_paused => Some(json!({"pauseConditions": null})),
        _ if !state.in_flight && spec.is_none() => return Err(nothing_in_flight(state)),
        Some(next) if state.in_flight => match state.step.as_ref().filter(|step| step.is_done()) {
            None => Some(json!({"pauseConditions": null, "currentStepIndex": next})),
            Some(_) if spec.is_none() => return already("all its steps are done; it waits for its pods"),
            Some(_) => None,
        },
        None if spec.is_none() => return impossible("it has no steps and is not paused; it goes on by itself", None),
        _ => None,
    };
    Ok(Patches { status: status.map(|fields| json!({"status": fields})), spec })
}

fn promote_full(rollout: &Rollout, state: &State) -> Result<Patches, Refusal> {
    if state.promoting_fully && !rollout.spec.paused {
        return already("it is being promoted in full");
    }
    if state.aborted {
        return impossible("its update is aborted", Some("retry it first"));
    }
    if !state.in_flight {
        return Err(nothing_in_flight(state));
    }
    Ok(Patches { status: Some(json!({"status": {"promoteFull": true}})), spec: unpause(rollout) })
}

fn abort(state: &State) -> Result<Patches, Refusal> {
    // Asked first: the controller needs a moment to drop the mark of an abort that came after the end.
    if !state.in_flight {
        // What is fully promoted has nothing to abort; the controller would drop the mark.
        let instead = (!state.stable_hash.is_empty()).then_some("bring the earlier template back to undo it");
        return impossible(&nothing_in_flight(state).to_string(), instead);
    }
    if state.aborted {
        return already("its update is aborted");
    }
    if state.promoting_fully {
        return impossible(
            "it is being promoted in full, during which the controller drops an abort",
            Some("bring the earlier template back to undo it"),
        );
    }
    Ok(Patches { status: Some(json!({"status": {"abort": true}})), spec: None })
}

fn retry(state: &State) -> Result<Patches, Refusal> {
    if state.currency == Currency::RetryPending {
        return already("another try is under way");
    }
    if !state.aborted {
        return impossible("its update is not aborted", None);
    }
    Ok(Patches { status: Some(json!({"status": {"abort": false}})), spec: None })
}

fn pause(rollout: &Rollout) -> Result<Patches, Refusal> {
    if rollout.spec.paused {
        return already("it is paused by hand");
    }
    Ok(Patches { status: None, spec: Some(json!({"spec": {"paused": true}})) })
}

fn restart(rollout: &Rollout, at: Timestamp) -> Result<Patches, Refusal> {
    let told = rollout.spec.restart_at.as_deref().and_then(|text| text.parse::<Timestamp>().ok());
    if told.is_some_and(|told| told >= at) {
        return already("its pods are told to restart already");
    }
    Ok(Patches { status: None, spec: Some(json!({"spec": {"restartAt": at.to_string()}})) })
}

/// `spec.paused: false`, only where it is paused by hand: an unneeded write would be a change that Argo CD shows.
fn unpause(rollout: &Rollout) -> Option<Value> {
    rollout.spec.paused.then(|| json!({"spec": {"paused": false}}))
}

fn nothing_in_flight(state: &State) -> Refusal {
    if state.stable_hash.is_empty() {
        let reason = "its first deployment is not done; that runs no steps, and there is nothing to go back to";
        return Refusal::Impossible { reason: reason.to_owned(), instead: None };
    }
    Refusal::Already(format!("no update is in flight: {} is stable", state.stable_hash))
}

#[cfg(test)]
mod tests;
