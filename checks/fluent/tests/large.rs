//! Parts of a bucket with very many objects.

use jiff::{SignedDuration, Timestamp};

use super::stand_in::{Crowd, StandIn};
use super::{bucket, listing, time};

/// When the run begins.
const SINCE: &str = "2026-11-21T15:00:00Z";

/// A million objects over a month: one each 2.6 s, the last just before the run.
fn written(number: u64) -> Timestamp {
    let before = (1_000_000 - number) * 2_592;
    time(SINCE) - SignedDuration::from_millis(i64::try_from(before).unwrap())
}

fn by_time(number: u64) -> String {
    format!("logs/app-{}-{number}.gz", written(number).strftime("%Y%m%d-%H%M%S"))
}

fn by_chance(number: u64) -> String {
    // Sorts by the number, but the time does not.
    format!("logs/{number:08x}.gz")
}

fn written_by_chance(number: u64) -> Timestamp {
    written(number.wrapping_mul(0x9E37_79B9_7F4A_7C15) % 1_000_000)
}

#[tokio::test]
async fn a_million_keys_are_not_read_one_by_one() {
    let server = StandIn::crowded(Crowd { count: 1_000_000, key: by_time, modified: written }).await;
    let bucket = bucket(&server).await;
    let mut listing = listing("logs/", time(SINCE));
    let now = time("2026-11-21T15:00:30Z");
    assert!(listing.look(&bucket, now).await.unwrap().is_empty());
    let first = server.take_requests();
    assert!(first <= 60, "{first} requests for the first look");
    assert!(listing.newest_old.as_ref().is_some_and(|old| old.modified > time("2026-11-21T14:59:50Z")));

    // Shippers name an object by the time of its first line, which may be before the run.
    for key in ["logs/app-20261121-150010-new.gz", "logs/app-20261121-143000-late.gz"] {
        server.put(key, time("2026-11-21T15:00:20Z"), Vec::new());
        let found = listing.look(&bucket, now).await.unwrap();
        assert!(found.iter().any(|found| found.key == key), "{key}: {found:?}");
        let next = server.take_requests();
        assert!(next <= 10, "{next} requests for the next look");
    }
}

#[tokio::test]
async fn names_that_do_not_sort_by_time_are_found_after_a_while() {
    let server = StandIn::crowded(Crowd { count: 20_000, key: by_chance, modified: written_by_chance }).await;
    let bucket = bucket(&server).await;
    let mut listing = listing("logs/", time(SINCE));
    server.put("logs/00001000-new.gz", time("2026-11-21T15:00:20Z"), Vec::new());
    server.put("logs/00004000-new.gz", time("2026-11-21T15:00:20Z"), Vec::new());
    let mut found = std::collections::BTreeSet::new();
    for _look in 0..6 {
        let new = listing.look(&bucket, time("2026-11-21T15:00:30Z")).await.unwrap();
        found.extend(new.into_iter().map(|found| found.key));
    }
    assert_eq!(found.len(), 2, "{found:?}");
    let requests = server.take_requests();
    assert!(requests <= 6 * 8 + 160, "{requests}");
}
