//! Refusals as S3 words them, read by the real client.

use super::super::refusal::Answer;
use super::stand_in::{Refusal, StandIn};
use super::{bucket, time};

async fn answer(status: u16, body: &'static str, region: Option<&'static str>) -> Answer {
    let server = StandIn::refusing(Refusal { status, body, region }).await;
    bucket(&server).await.page("x", None, 1).await.expect_err("it refuses")
}

#[tokio::test]
async fn refusals_keep_their_words() {
    let denied = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
    let expected = Answer::Denied("AccessDenied: Access Denied (status 403)".to_owned());
    assert_eq!(answer(403, denied, None).await, expected);
    let gone = "<Error><Code>NoSuchBucket</Code><Message>The specified bucket does not exist</Message></Error>";
    let expected = Answer::NoBucket("NoSuchBucket: The specified bucket does not exist (status 404)".to_owned());
    assert_eq!(answer(404, gone, None).await, expected);
    let moved = "<Error><Code>PermanentRedirect</Code><Message>Use the endpoint.</Message></Error>";
    let text = "PermanentRedirect: Use the endpoint (status 301); the bucket is in eu-west-1";
    assert_eq!(answer(301, moved, Some("eu-west-1")).await, Answer::WrongRegion(text.to_owned()));
}

#[tokio::test]
async fn overload_and_a_stranger_in_between_are_tried_again() {
    let slow = "<Error><Code>SlowDown</Code><Message>Reduce your rate</Message></Error>";
    assert!(matches!(answer(503, slow, None).await, Answer::Transient(_)));
    assert!(matches!(answer(502, "<html>Bad Gateway</html>", None).await, Answer::Transient(_)));
}

#[tokio::test]
async fn a_refused_connection_is_no_refusal_of_s3() {
    let server = StandIn::empty().await;
    let endpoint = bucket(&server).await;
    drop(server);
    let Answer::Transient(text) = endpoint.page("x", None, 1).await.expect_err("nobody listens") else {
        panic!("it may come back")
    };
    assert!(text.starts_with("no connection: "), "{text}");
}

#[tokio::test]
async fn the_servers_own_time_is_known_with_its_first_reply() {
    let server = StandIn::empty().await;
    let bucket = bucket(&server).await;
    assert_eq!(bucket.server_time(), None);
    bucket.page("", None, 1).await.unwrap();
    assert!(bucket.server_time().unwrap() > time("2026-01-01T00:00:00Z"));
}
