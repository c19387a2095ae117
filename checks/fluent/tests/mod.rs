//! Tests of several parts of the check together, against a stand-in for S3 that speaks its protocol.

mod answers;
mod large;
mod layouts;
mod stand_in;

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use self::stand_in::StandIn;
use super::bucket::Bucket;
use super::lines::Wanted;
use super::listing::Listing;
use super::path::Pattern;
use super::search::Search;
use super::settings::{SETTINGS, Settings};
use super::writer::Written;
use crate::config::{Sources, Values};
use crate::failure::ObjectRef;

/// The settings by which the stand-in is reached.
fn settings(server: &StandIn) -> Settings {
    let endpoint = server.endpoint();
    let given = [
        ("LOG_BUCKET_NAME", "logs"),
        ("AWS_ENDPOINT_URL_S3", endpoint.as_str()),
        ("USE_PATH_STYLE", "true"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ];
    let mut sources = Sources::default();
    sources.env.extend(given.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())));
    Settings::of(&Values::resolve("fluent", SETTINGS, &sources, &mut Vec::new()))
}

async fn bucket(server: &StandIn) -> Bucket {
    Bucket::connect(&settings(server)).await.expect("region and credentials are given")
}

fn wanted() -> Wanted {
    Wanted { nonce: "run1.blue".to_owned(), lines: 5, length: 80 }
}

fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

/// A listing from `since` on that looks an hour back.
fn listing(path: &str, since: Timestamp) -> Listing {
    let pattern = Pattern::parse(path, &[("namespace", "kibertas-1")]).expect("a pattern");
    Listing::new(pattern, since, since - Duration::from_secs(3600))
}

/// A search that began at `since`, which was `ago` before now.
fn search<'b>(bucket: &'b Bucket, path: &str, since: Timestamp, ago: Duration) -> Search<'b> {
    let at = Instant::now().checked_sub(ago).expect("the machine runs that long");
    let written = Written { pod: ObjectRef::new("Pod", "kibertas-1", "log"), at: Instant::now() };
    Search::new(bucket, listing(path, since), (since, at), (wanted(), written), ("kibertas-1", true))
}
