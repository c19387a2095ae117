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
    #[error("cannot {} {}: {answer:?}", .action.verb, .action.object)]
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
    let mut start: Option<Start> = None;
    loop {
        let rollout = judgeable(api, name, operation, deadline).await?;
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
            Err(OperationError::Call { answer: Answer::Conflict(_), .. }) if Instant::now() < deadline => {}
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
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::super::recorded::{rollout, rollout_with};
    use super::*;
    use crate::cluster::faults::{Say, requests, scripted, status};

    const ROLLOUTS: &str = "/apis/argoproj.io/v1alpha1/namespaces/apps/rollouts";

    fn list(rollout: &Rollout) -> Say {
        Say::Json(
            200,
            json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "RolloutList", "metadata": {"resourceVersion": "1"},
                   "items": [rollout]}),
        )
    }

    fn answer(rollout: &Rollout) -> Say {
        Say::Json(200, serde_json::to_value(rollout).unwrap())
    }

    fn watch(rollout: &Rollout) -> Say {
        Say::Watch(vec![json!({"type": "MODIFIED", "object": rollout})])
    }

    /// The outcome, and the requests that change something.
    async fn outcome(operation: Operation, script: Vec<Say>) -> (Result<Effect, OperationError>, Vec<String>) {
        let (client, served) = scripted(script);
        let api: Api<Rollout> = Api::namespaced(client.clone(), "apps");
        let outcome = perform(&api, "web", operation, Instant::now() + Duration::from_secs(10)).await;
        drop(api);
        let patches = requests(client, served).await.into_iter().filter(|request| request.starts_with("PATCH"));
        (outcome, patches.map(|patch| patch.replace(ROLLOUTS, "")).collect())
    }

    #[tokio::test(start_paused = true)]
    async fn a_promotion_is_one_patch_of_the_status_in_the_state_that_was_read() {
        let paused = rollout("paused");
        let (effect, patches) = outcome(Operation::PromoteStep, vec![list(&paused), answer(&paused)]).await;
        assert!(matches!(effect, Ok(Effect::Patched(_))));
        let patch = r#"PATCH /web/status {"metadata":{"resourceVersion":"2641"},"status":{"pauseConditions":null}}"#;
        assert_eq!(patches, [patch]);
    }

    /// The plugin would skip a step here: it patches what it read before, whatever has become of it.
    #[tokio::test(start_paused = true)]
    async fn a_promotion_waits_until_the_one_before_has_had_its_effect() {
        let next = rollout_with("paused", |r| {
            r.status.get_or_insert_default().current_step_index = Some(3);
            r.metadata.resource_version = Some("2700".into());
        });
        let script = vec![list(&rollout("unpause-pending")), watch(&next), answer(&next)];
        let (effect, patches) = outcome(Operation::PromoteStep, script).await;
        assert!(matches!(effect, Ok(Effect::Patched(_))), "{effect:?}");
        let patch = r#"PATCH /web/status {"metadata":{"resourceVersion":"2700"},"status":{"pauseConditions":null}}"#;
        assert_eq!(patches, [patch]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_promotion_whose_answer_was_lost_is_not_carried_out_twice() {
        let next = rollout_with("paused", |r| {
            r.status.get_or_insert_default().current_step_index = Some(3);
            r.metadata.resource_version = Some("2700".into());
        });
        // The first patch was carried out, its answer lost; the second fails its condition; the Rollout is at its next pause.
        let script =
            vec![list(&rollout("paused")), Say::Broken, status(409, "the object has been modified"), list(&next)];
        let (effect, patches) = outcome(Operation::PromoteStep, script).await;
        assert_eq!(effect, Ok(Effect::Already("it has gone on from step 2".into())));
        assert_eq!(patches.len(), 2);
        assert_eq!(patches[0], patches[1], "the same condition both times");
    }

    #[tokio::test(start_paused = true)]
    async fn a_conflict_with_the_controller_is_tried_again_from_what_is_there_then() {
        let paused = rollout("paused");
        let touched = rollout_with("paused", |r| r.metadata.resource_version = Some("2650".into()));
        let script = vec![list(&paused), status(409, "modified"), list(&touched), answer(&touched)];
        let (effect, patches) = outcome(Operation::PromoteStep, script).await;
        assert!(matches!(effect, Ok(Effect::Patched(_))), "{effect:?}");
        assert!(patches[1].contains("2650"), "{patches:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn another_template_is_not_promoted_for_the_first_ones_sake() {
        let other = rollout_with("paused", |r| r.status.get_or_insert_default().current_pod_hash = "other".into());
        let script = vec![list(&rollout("paused")), status(409, "modified"), list(&other)];
        let (effect, _) = outcome(Operation::PromoteFull, script).await;
        let error = effect.unwrap_err().to_string();
        assert_eq!(
            error,
            "cannot promote in full: the Rollout was changed meanwhile, from template 84cbc6975c to other"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_controller_without_the_status_subresource_gets_one_patch_of_the_whole() {
        let by_hand = rollout_with("paused", |r| r.spec.paused = true);
        let script = vec![list(&by_hand), status(404, "404 page not found"), answer(&by_hand)];
        let (effect, patches) = outcome(Operation::PromoteFull, script).await;
        assert!(matches!(effect, Ok(Effect::Patched(_))), "{effect:?}");
        let whole = r#"PATCH /web {"metadata":{"resourceVersion":"2641"},"spec":{"paused":false},"status":{"promoteFull":true}}"#;
        assert_eq!(patches[1..], [whole]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_by_hand_is_ended_after_the_status_was_patched() {
        let by_hand = rollout_with("paused", |r| r.spec.paused = true);
        let script = vec![list(&by_hand), answer(&by_hand), answer(&by_hand)];
        let (_, patches) = outcome(Operation::PromoteStep, script).await;
        assert_eq!(patches[1], r#"PATCH /web {"spec":{"paused":false}}"#);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_refused_is_not_patched() {
        for (name, operation) in [
            ("aborted", Operation::PromoteStep),
            ("aborted", Operation::PromoteFull),
            ("healthy", Operation::Abort),
            ("promoting-in-full", Operation::Abort),
            ("paused", Operation::Retry),
        ] {
            let (effect, patches) = outcome(operation, vec![list(&rollout(name))]).await;
            assert!(matches!(effect, Err(OperationError::Refused { .. })), "{operation} of {name}: {effect:?}");
            assert_eq!(patches, [] as [&str; 0]);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_controller_that_does_not_look_is_named_when_time_is_up() {
        let (effect, patches) = outcome(Operation::PromoteFull, vec![list(&rollout("spec-pending"))]).await;
        let error = effect.unwrap_err().to_string();
        assert_eq!(error, "cannot promote in full yet: the controller has seen generation 2 of the spec, not yet 3");
        assert_eq!(patches, [] as [&str; 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_missing_permission_is_final() {
        let message = r#"rollouts.argoproj.io "web" is forbidden: User "x" cannot patch resource "rollouts/status""#;
        let (effect, patches) = outcome(Operation::Abort, vec![list(&rollout("paused")), status(403, message)]).await;
        let Err(OperationError::Call { action, answer: Answer::Forbidden(_) }) = effect else { panic!("{effect:?}") };
        assert_eq!((action.verb, action.resource.as_str()), ("patch", "rollouts.argoproj.io/status"));
        assert_eq!(patches.len(), 1);
    }
}
