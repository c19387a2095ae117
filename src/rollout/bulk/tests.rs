//! What the shared watch has not shown yet, played with a scripted API server.

use super::*;
use crate::cluster::faults::{Say, requests, scripted};
use crate::rollout::recorded::rollout_with;

/// The watch still shows the aborted state when the retry is answered already; the promotion waits for what comes after it.
#[tokio::test(start_paused = true)]
async fn a_promotion_after_a_retry_is_not_judged_by_the_state_before_it() {
    let at =
        |state: &str, version: &str| rollout_with(state, |r| r.metadata.resource_version = Some(version.to_owned()));
    let answer = |rollout: &Rollout| Say::Json(200, serde_json::to_value(rollout).unwrap());
    let (aborted, retried) = (at("aborted", "100"), at("retry-pending", "101"));
    let (again, promoted) = (at("progressing", "102"), at("promoting-in-full", "103"));
    let (client, served) = scripted(vec![answer(&retried), answer(&promoted)]);
    let key = Key::new("apps", "web");
    let board = Rc::new(Board::default());
    board.put(key.clone(), Some(aborted));
    let bulk = Bulk {
        client: client.clone(),
        board: Rc::clone(&board),
        task: Task::Operate(Operation::PromoteFull),
        options: Options {
            concurrency: 1,
            wait: false,
            timeout: Duration::from_secs(10),
            include: Include { aborted: true, degraded: false },
        },
        started: Instant::now(),
        cancelled: CancellationToken::new(),
    };
    let planned = bulk.plan(std::slice::from_ref(&key)).await.unwrap();
    let news = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        board.put(key.clone(), Some(retried.clone()));
        tokio::time::sleep(Duration::from_secs(1)).await;
        board.put(key.clone(), Some(again));
    };
    let (outcomes, ()) = tokio::join!(bulk.carry_out(&planned, true, &|_| ()), news);
    assert_eq!((outcomes[0].verdict, outcomes[0].deed), (Verdict::Passed, Deed::Patched), "{}", outcomes[0].reason);
    drop(bulk);
    let patches: Vec<_> = requests(client, served).await;
    assert_eq!(patches.len(), 2);
    assert!(patches[0].ends_with(r#"{"metadata":{"resourceVersion":"100"},"status":{"abort":false}}"#), "{patches:?}");
    assert!(patches[1].contains(r#""resourceVersion":"102""#) && patches[1].contains("promoteFull"), "{patches:?}");
}

#[tokio::test(start_paused = true)]
async fn a_selection_of_nothing_is_watched_without_end() {
    let (client, _served) = scripted(Vec::new());
    let (board, feed) = Board::open(&client, &[], Instant::now() + Duration::from_secs(1)).await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(3600), feed.run(&board)).await;
    assert!(ended.is_err() && board.keys().is_empty());
}
