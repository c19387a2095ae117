//! Proves that logs leave the cluster: lines that a pod of this run writes arrive in the bucket, all of them and whole.

mod arrivals;
mod between;
mod bucket;
mod content;
mod lines;
mod listing;
mod path;
mod refusal;
mod search;
mod settings;
#[cfg(test)]
mod tests;
mod writer;

use std::time::Duration;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use jiff::Timestamp;
use tokio::time::Instant;

use self::bucket::Bucket;
use self::listing::Listing;
use self::path::Pattern;
use self::refusal::{Answer, failure_of};
use self::search::Search;
use self::settings::Settings;
use crate::check::{About, Check, Grant, LongWait};
use crate::clock;
use crate::cluster::Look;
use crate::config::{Core, Problem, Setting, Values};
use crate::context::{Context, Step};
use crate::failure::{Certainty, Failure, Origin};

/// Time for an upload, beyond the interval in which the shipper flushes.
const UPLOAD: Duration = Duration::from_secs(60);

/// The check.
pub struct Fluent;

impl Check for Fluent {
    fn about(&self) -> &'static About {
        static ABOUT: About = About {
            name: "fluent",
            aliases: &["fluentd", "fluent-bit", "logs"],
            summary: "Logs leave the cluster: what a pod writes arrives in the S3 bucket, all of it and whole.",
            proves: &[
                "the bucket can be listed and read with the credentials of the run",
                "an object that was written since the start carries a line of this run's own pod, known by its nonce",
                "every line that the pod wrote arrives, none of them cut; lines that arrive twice are reported",
            ],
        };
        &ABOUT
    }

    fn settings(&self) -> &'static [Setting] {
        settings::SETTINGS
    }

    fn grants(&self) -> &'static [Grant] {
        static GRANTS: &[Grant] = &[
            Grant::namespaced("", "pods", &["create"], "the pod that writes the lines"),
            Grant::namespaced("", "pods", &["delete"], "to remove it").in_given_namespace(),
        ];
        GRANTS
    }

    fn long_waits(&self) -> &'static [LongWait] {
        // Only a flush interval that was given is waited for.
        &[LongWait { flag: None, limit: "flushInterval", besides: Duration::ZERO }]
    }

    fn contradictions(&self, values: &Values, _core: &Core) -> Vec<Problem> {
        settings::contradictions(values)
    }

    fn run<'a>(&'a self, cx: &'a Context) -> LocalBoxFuture<'a, Result<(), Failure>> {
        prove(cx).boxed_local()
    }
}

async fn prove(cx: &Context) -> Result<(), Failure> {
    let settings = &Settings::of(&cx.values);
    let cluster = cx.core.cluster_name.as_deref().unwrap_or(&cx.target.name);
    let pattern = settings.pattern(&cx.scratch.namespace, cluster).map_err(|error| wrong_path(settings, &error))?;
    let (bucket, since) = cx.step("bucket", async |step| reach(step, settings, &pattern).await).await?;
    // The clock starts before the first line is written; whatever is older cannot be of this run.
    let since = (since, Instant::now());
    let wanted = settings.wanted(nonce(cx, cluster));
    let written = cx.step("lines written", async |step| writer::write(cx, step, &wanted).await).await?;

    let horizon = since.0.checked_sub(settings.look_back).unwrap_or(Timestamp::MIN);
    let listing = Listing::new(pattern, since.0, horizon);
    let how = (cx.scratch.namespace.as_str(), settings.allow_doubled);
    let mut search = Search::new(&bucket, listing, since, (wanted, written), how);
    let limit = settings.flush_interval.map_or(Duration::MAX / 4, |interval| interval + UPLOAD);
    let limit = limit.min(cx.deadline.saturating_duration_since(Instant::now()));
    cx.step_within("first line in the bucket", limit, async |step| search.until_first(step).await).await?;
    cx.step_within("all lines in the bucket", limit, async |step| search.until_all(step).await).await
}

/// What the run's lines are known by; it tells whose they are to runs that come across them in a shared bucket.
fn nonce(cx: &Context, cluster: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' };
    format!("{}.{}", cx.scratch.run, cluster.chars().map(plain).take(40).collect::<String>())
}

/// Proves that the bucket can be listed, and learns the server's time.
async fn reach(step: &Step, settings: &Settings, pattern: &Pattern) -> Result<(Bucket, Timestamp), Failure> {
    let expected = format!("to list s3://{}", settings.bucket);
    step.evidence("bucket", &settings.bucket);
    let bucket = Bucket::connect(settings).await.map_err(|answer| failure_of(&answer, &expected))?;
    let now = clock::now();
    // A policy may allow this prefix alone.
    let prefix = pattern.windows(now, now).remove(0).prefix;
    step.evidence("path", &prefix);
    let mut blind = false;
    let reached = step.poll(&expected, None, async || match bucket.page(&prefix, None, 1).await {
        Ok(_) => Look::Found(()),
        Err(Answer::Transient(text)) => {
            blind = true;
            Look::NotYet(text)
        }
        Err(answer) => {
            blind = false;
            Look::Never(Box::new(failure_of(&answer, &expected)))
        }
    });
    let reached = reached.await;
    reached.map_err(|failure| {
        if blind { refusal::unreachable(Failure::inconclusive(&expected).saw(failure.seen), &bucket) } else { failure }
    })?;
    let since = bucket.server_time().unwrap_or(now);
    step.evidence("serverTime", since.to_string());
    Ok((bucket, since))
}

/// Told before anything is created, as a rule; here only where a name has made the pattern wrong.
fn wrong_path(settings: &Settings, error: &path::PatternError) -> Failure {
    Failure::inconclusive(error.to_string()).saw(settings.path.clone()).because(
        Certainty::Certain,
        Origin::Harness,
        "LOG_PATH is no pattern of times",
    )
}
