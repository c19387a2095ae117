//! What the shared watch has not shown yet, played with a scripted API server.

use super::*;
use crate::cluster::faults::{Say, requests, scripted};
use crate::rollout::recorded::rollout_with;

/// A recorded state of the same update, in this version.
fn at(state: &str, version: &str) -> Rollout {
    rollout_with(state, |r| {
        r.metadata.resource_version = Some(version.to_owned());
        let status = r.status.get_or_insert_default();
        status.current_pod_hash = "84cbc6975c".into();
        status.stable_rs = "8cb4c578b".into();
    })
}

fn answer(rollout: &Rollout) -> Say {
    Say::Json(200, serde_json::to_value(rollout).unwrap())
}

/// Plans when the board shows the first of `seen`, carries out as it shows the others, a second each; the outcome, and the requests.
async fn carried_out(
    operation: Operation,
    include: Include,
    seen: Vec<Rollout>,
    answers: Vec<Say>,
) -> (Outcome, Vec<String>) {
    let (client, served) = scripted(answers);
    let key = Key::new("apps", "web");
    let board = Rc::new(Board::default());
    let mut seen = seen.into_iter();
    board.put(key.clone(), seen.next());
    let bulk = Bulk {
        client: client.clone(),
        board: Rc::clone(&board),
        task: Task::Operate(operation),
        options: Options { concurrency: 1, wait: false, timeout: Duration::from_secs(10), include },
        started: Instant::now(),
        cancelled: CancellationToken::new(),
    };
    let planned = bulk.plan(std::slice::from_ref(&key)).await.unwrap();
    assert!(matches!(planned[0].decision, Decision::Act { .. }), "{:?}", planned[0].decision);
    let news = async {
        for rollout in seen {
            tokio::time::sleep(Duration::from_secs(1)).await;
            board.put(key.clone(), Some(rollout));
        }
    };
    let asked = async {
        // Somebody reads the plan and says yes; the Rollouts go on meanwhile.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        bulk.carry_out(&planned, true, &|_| ()).await
    };
    let (mut outcomes, ()) = tokio::join!(asked, news);
    drop(bulk);
    (outcomes.remove(0), requests(client, served).await)
}

/// The watch still shows the aborted state when the retry is answered already; the promotion waits for what comes after it.
#[tokio::test(start_paused = true)]
async fn a_promotion_after_a_retry_is_not_judged_by_the_state_before_it() {
    let (aborted, retried) = (at("aborted", "100"), at("retry-pending", "101"));
    let (again, promoted) = (at("progressing", "102"), at("promoting-in-full", "103"));
    let answers = vec![answer(&retried), answer(&promoted)];
    let include = Include { aborted: true, degraded: false };
    let seen = vec![aborted.clone(), aborted, retried, again];
    let (outcome, patches) = carried_out(Operation::PromoteFull, include, seen, answers).await;
    assert_eq!((outcome.verdict, outcome.deed), (Verdict::Passed, Deed::Patched), "{}", outcome.reason);
    assert_eq!(patches.len(), 2);
    assert!(patches[0].ends_with(r#"{"metadata":{"resourceVersion":"100"},"status":{"abort":false}}"#), "{patches:?}");
    assert!(patches[1].contains(r#""resourceVersion":"102""#) && patches[1].contains("promoteFull"), "{patches:?}");
}

/// Nobody has seen the template that came while the plan was read.
#[tokio::test(start_paused = true)]
async fn a_template_that_was_not_in_the_plan_is_not_promoted() {
    let mut other = at("paused", "2700");
    other.status.get_or_insert_default().current_pod_hash = "other".into();
    for operation in [Operation::PromoteStep, Operation::PromoteFull, Operation::Abort] {
        let seen = vec![at("paused", "2641"), other.clone()];
        let (outcome, patches) = carried_out(operation, Include::default(), seen, Vec::new()).await;
        assert_eq!((outcome.verdict, outcome.deed), (Verdict::Failed, Deed::NotDone), "{operation}");
        assert!(outcome.reason.contains("changed meanwhile, from template 84cbc6975c to template other"));
        assert_eq!(patches, [] as [&str; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_that_was_not_in_the_plan_is_not_promoted() {
    let mut next = at("paused", "2700");
    next.status.get_or_insert_default().current_step_index = Some(3);
    let seen = vec![at("paused", "2641"), next];
    let (outcome, patches) = carried_out(Operation::PromoteStep, Include::default(), seen, Vec::new()).await;
    assert_eq!((outcome.verdict, outcome.reason.as_str()), (Verdict::Passed, "it has gone on from step 2"));
    assert_eq!(patches, [] as [&str; 0]);
}

/// Whether it is Degraded was not known yet when the plan was made: the controller had not looked.
#[tokio::test(start_paused = true)]
async fn what_turns_out_degraded_is_not_promoted() {
    let looked = |state: &str| {
        let mut rollout = at(state, "2700");
        rollout.metadata.generation = Some(3);
        rollout.status.get_or_insert_default().observed_generation = "3".into();
        rollout
    };
    let promote = async |include: Include, answers: Vec<Say>| {
        let seen = vec![at("spec-pending", "2641"), looked("overdue")];
        carried_out(Operation::PromoteFull, include, seen, answers).await
    };
    let (outcome, patches) = promote(Include::default(), Vec::new()).await;
    assert_eq!((outcome.verdict, outcome.deed), (Verdict::Failed, Deed::NotDone));
    assert!(outcome.reason.contains("it is Degraded (ProgressDeadlineExceeded"), "{}", outcome.reason);
    assert_eq!(patches, [] as [&str; 0]);
    let degraded = Include { degraded: true, aborted: false };
    let (outcome, patches) = promote(degraded, vec![answer(&looked("promoting-in-full"))]).await;
    assert_eq!((outcome.deed, patches.len()), (Deed::Patched, 1), "{}", outcome.reason);
}

#[tokio::test(start_paused = true)]
async fn a_selection_of_nothing_is_watched_without_end() {
    let (client, _served) = scripted(Vec::new());
    let (board, feed) = Board::open(&client, &[], Instant::now() + Duration::from_secs(1)).await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(3600), feed.run(&board)).await;
    assert!(ended.is_err() && board.keys().is_empty());
}
