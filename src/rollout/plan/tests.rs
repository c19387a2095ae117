//! What is planned from each recorded state.

use super::Operation::{Abort, Pause, PromoteFull, PromoteStep, Restart, Retry};
use super::*;
use crate::rollout::recorded::{rollout, rollout_with};

/// What is planned, in one line: the patches, or the refusal.
fn line(operation: Operation, rollout: &Rollout) -> String {
    match plan(operation, rollout) {
        Ok(Patches { status, spec }) => {
            let text = |patch: Option<Value>| patch.map_or("-".to_owned(), |patch| patch.to_string());
            format!("{} {}", text(status), text(spec))
        }
        Err(refusal @ Refusal::Already(_)) => format!("already: {refusal}"),
        Err(refusal @ Refusal::Impossible { .. }) => format!("refused: {refusal}"),
    }
}

#[test]
fn promoting_one_step() {
    let plans = [
        ("never-observed", "refused: no controller has looked at it (no status.observedGeneration)"),
        (
            "first-deployment",
            "refused: its first deployment is not done; that runs no steps, and there is nothing to go back to",
        ),
        ("healthy", "already: no update is in flight: 8cb4c578b is stable"),
        ("spec-pending", "refused: the controller has seen generation 2 of the spec, not yet 3"),
        ("progressing", r#"{"status":{"currentStepIndex":1,"pauseConditions":null}} -"#),
        ("paused", r#"{"status":{"pauseConditions":null}} -"#),
        ("unpause-pending", "refused: its pause was ended, and the controller has not gone on yet"),
        ("promotion-pending", "already: it is being promoted in full"),
        ("promoting-in-full", "already: it is being promoted in full"),
        ("abort-pending", "refused: its update is aborted; retry it first"),
        ("aborted", "refused: its update is aborted; retry it first"),
        ("retry-pending", "refused: another try was asked for, and the controller has not acted yet"),
        ("analysis-running", r#"{"status":{"currentStepIndex":2,"pauseConditions":null}} -"#),
        ("inconclusive", r#"{"status":{"controllerPause":false,"currentStepIndex":2,"pauseConditions":null}} -"#),
        ("blue-green-healthy", "already: no update is in flight: 8cb4c578b is stable"),
        ("blue-green-paused", r#"{"status":{"pauseConditions":null}} -"#),
    ];
    for (name, planned) in plans {
        assert_eq!(line(PromoteStep, &rollout(name)), planned, "{name}");
    }
}

#[test]
fn promoting_in_full() {
    let plans = [
        (
            "first-deployment",
            "refused: its first deployment is not done; that runs no steps, and there is nothing to go back to",
        ),
        ("healthy", "already: no update is in flight: 8cb4c578b is stable"),
        ("spec-pending", "refused: the controller has seen generation 2 of the spec, not yet 3"),
        ("progressing", r#"{"status":{"promoteFull":true}} -"#),
        ("paused", r#"{"status":{"promoteFull":true}} -"#),
        ("unpause-pending", r#"{"status":{"promoteFull":true}} -"#),
        ("promoting-in-full", "already: it is being promoted in full"),
        ("aborted", "refused: its update is aborted; retry it first"),
        ("inconclusive", r#"{"status":{"promoteFull":true}} -"#),
        ("blue-green-paused", r#"{"status":{"promoteFull":true}} -"#),
    ];
    for (name, planned) in plans {
        assert_eq!(line(PromoteFull, &rollout(name)), planned, "{name}");
    }
}

#[test]
fn aborting() {
    let plans = [
        (
            "first-deployment",
            "refused: its first deployment is not done; that runs no steps, and there is nothing to go back to",
        ),
        ("healthy", "refused: no update is in flight: 8cb4c578b is stable; bring the earlier template back to undo it"),
        ("progressing", r#"{"status":{"abort":true}} -"#),
        ("paused", r#"{"status":{"abort":true}} -"#),
        ("unpause-pending", r#"{"status":{"abort":true}} -"#),
        (
            "promoting-in-full",
            "refused: it is being promoted in full, during which the controller drops an abort; \
             bring the earlier template back to undo it",
        ),
        ("aborted", "already: its update is aborted"),
        ("blue-green-paused", r#"{"status":{"abort":true}} -"#),
    ];
    for (name, planned) in plans {
        assert_eq!(line(Abort, &rollout(name)), planned, "{name}");
    }
}

/// The plugin aborts what has no update; the mark stays for a moment.
#[test]
fn an_abort_that_came_after_the_end_is_none() {
    let marked = rollout_with("healthy", |r| r.status.get_or_insert_default().abort = true);
    assert!(line(Abort, &marked).starts_with("refused: no update is in flight"), "{}", line(Abort, &marked));
}

#[test]
fn retrying() {
    assert_eq!(line(Retry, &rollout("aborted")), r#"{"status":{"abort":false}} -"#);
    assert_eq!(line(Retry, &rollout("retry-pending")), "already: another try is under way");
    for name in ["healthy", "paused", "promoting-in-full"] {
        assert_eq!(line(Retry, &rollout(name)), "refused: its update is not aborted", "{name}");
    }
}

/// A write of `spec.paused` where it is not set would be a change that Argo CD shows.
#[test]
fn a_pause_by_hand_is_ended_only_where_there_is_one() {
    let by_hand = |name| rollout_with(name, |r| r.spec.paused = true);
    let unpause = r#"{"spec":{"paused":false}}"#;
    let step = r#"{"status":{"currentStepIndex":1,"pauseConditions":null}}"#;
    assert_eq!(line(PromoteStep, &by_hand("progressing")), format!("{step} {unpause}"));
    assert_eq!(line(PromoteStep, &by_hand("healthy")), format!("- {unpause}"));
    let full = r#"{"status":{"promoteFull":true}}"#;
    assert_eq!(line(PromoteFull, &by_hand("paused")), format!("{full} {unpause}"));
    assert_eq!(line(PromoteFull, &by_hand("promoting-in-full")), format!("{full} {unpause}"));
    assert_eq!(line(Abort, &by_hand("paused")), r#"{"status":{"abort":true}} -"#);
}

#[test]
fn what_waits_for_its_pods_has_no_step_to_skip() {
    let waiting = rollout_with("progressing", |r| r.status.get_or_insert_default().current_step_index = Some(4));
    assert_eq!(line(PromoteStep, &waiting), "already: all its steps are done; it waits for its pods");
    let stepless = rollout_with("progressing", |r| r.spec.strategy.canary.as_mut().unwrap().steps.clear());
    assert_eq!(line(PromoteStep, &stepless), "refused: it has no steps and is not paused; it goes on by itself");
}

#[test]
fn an_object_on_its_way_out_is_left_alone() {
    let going = rollout_with("paused", |r| {
        let time = "2026-01-01T00:00:00Z".parse().unwrap();
        r.metadata.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(time));
    });
    for operation in [PromoteStep, PromoteFull, Abort, Retry] {
        assert_eq!(line(operation, &going), "refused: it is being deleted");
    }
}

/// What somebody pauses or restarts need not be in any state; a repeated wish changes nothing.
#[test]
fn pausing_and_restarting_change_the_spec_alone_and_once() {
    for name in ["healthy", "paused", "spec-pending", "aborted"] {
        assert_eq!(line(Pause, &rollout(name)), r#"- {"spec":{"paused":true}}"#, "{name}");
    }
    assert_eq!(line(Pause, &rollout_with("healthy", |r| r.spec.paused = true)), "already: it is paused by hand");
    let restart = Restart { at: "2026-11-21T12:00:00Z".parse().unwrap() };
    assert_eq!(line(restart, &rollout("healthy")), r#"- {"spec":{"restartAt":"2026-11-21T12:00:00Z"}}"#);
    let told = |at: &str| rollout_with("healthy", |r| r.spec.restart_at = Some(at.to_owned()));
    assert_eq!(line(restart, &told("2026-11-21T12:00:00Z")), "already: its pods are told to restart already");
    assert!(line(restart, &told("2026-11-20T12:00:00Z")).contains("restartAt"));
}

#[test]
fn a_full_promotion_waits_until_a_retry_was_seen() {
    let refused = "refused: another try was asked for, and the controller has not acted yet";
    assert_eq!(line(PromoteFull, &rollout("retry-pending")), refused);
}
