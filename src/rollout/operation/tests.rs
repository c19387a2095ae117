//! Operations against a scripted API server: lost answers, conflicts, refusals.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::cluster::faults::{Say, requests, scripted, status};
use crate::rollout::recorded::{rollout, rollout_with};

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
    let script = vec![list(&rollout("paused")), Say::Broken, status(409, "the object has been modified"), list(&next)];
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
        "cannot promote in full: the Rollout was changed meanwhile, from template 84cbc6975c to template other; \
                       look at it and repeat the command"
    );
}

#[tokio::test(start_paused = true)]
async fn a_controller_without_the_status_subresource_gets_it_with_the_whole() {
    let script = vec![list(&rollout("paused")), status(404, "404 page not found"), answer(&rollout("paused"))];
    let (effect, patches) = outcome(Operation::PromoteFull, script).await;
    assert!(matches!(effect, Ok(Effect::Patched(_))), "{effect:?}");
    let whole = r#"PATCH /web {"metadata":{"resourceVersion":"2641"},"status":{"promoteFull":true}}"#;
    assert_eq!(patches[1..], [whole]);
}

/// The other way round, a controller that looks in between begins the pause again.
#[tokio::test(start_paused = true)]
async fn a_pause_by_hand_is_ended_before_the_status_is_patched() {
    let by_hand = rollout_with("paused", |r| r.spec.paused = true);
    let freed = rollout_with("paused", |r| r.metadata.resource_version = Some("2642".into()));
    let script = vec![list(&by_hand), answer(&freed), answer(&freed)];
    let (effect, patches) = outcome(Operation::PromoteStep, script).await;
    assert!(matches!(effect, Ok(Effect::Patched(_))), "{effect:?}");
    let expected = [
        r#"PATCH /web {"metadata":{"resourceVersion":"2641"},"spec":{"paused":false}}"#,
        r#"PATCH /web/status {"metadata":{"resourceVersion":"2642"},"status":{"pauseConditions":null}}"#,
    ];
    assert_eq!(patches, expected);
}

#[tokio::test(start_paused = true)]
async fn a_controller_that_looks_in_between_costs_another_look() {
    let by_hand = rollout_with("paused", |r| r.spec.paused = true);
    let freed = rollout_with("paused", |r| r.metadata.resource_version = Some("2642".into()));
    let touched = rollout_with("paused", |r| r.metadata.resource_version = Some("2643".into()));
    let script = vec![list(&by_hand), answer(&freed), status(409, "modified"), list(&touched), answer(&touched)];
    let (effect, patches) = outcome(Operation::PromoteStep, script).await;
    assert!(matches!(effect, Ok(Effect::Patched(_))), "{effect:?}");
    assert_eq!(patches.len(), 3);
    assert!(patches[2].starts_with("PATCH /web/status") && patches[2].contains("2643"), "{patches:?}");
}

/// It went on by itself once it was not paused by hand any more: the first patch has had its effect.
#[tokio::test(start_paused = true)]
async fn a_step_that_was_left_after_the_first_patch_is_not_skipped_twice() {
    let by_hand = rollout_with("paused", |r| r.spec.paused = true);
    let freed = rollout_with("paused", |r| r.metadata.resource_version = Some("2642".into()));
    let next = rollout_with("paused", |r| {
        r.metadata.resource_version = Some("2650".into());
        r.status.get_or_insert_default().current_step_index = Some(3);
    });
    let script = vec![list(&by_hand), answer(&freed), status(409, "modified"), list(&next)];
    let (effect, patches) = outcome(Operation::PromoteStep, script).await;
    assert!(matches!(effect, Ok(Effect::Patched(_))), "{effect:?}");
    assert_eq!(patches.len(), 2);
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
