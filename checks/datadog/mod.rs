//! Proves that metrics leave the cluster: Datadog has points of this cluster that are newer than the run.

mod asking;
mod client;
mod keys;
mod limit;
mod scope;
mod series;
mod settings;

use std::cell::RefCell;

use futures::FutureExt;
use futures::future::LocalBoxFuture;

use self::client::{Api, Reply};
use self::series::{Findings, Fresh, Point, Proof};
use self::settings::Settings;
use crate::check::{About, Check, Grant, NotConfigured};
use crate::clock;
use crate::cluster::Look;
use crate::config::{Core, Problem, Setting, Values};
use crate::context::{Context, Step};
use crate::failure::{Certainty, Failure, Origin};

/// The check.
pub struct Datadog;

/// How far back the first queries look, in seconds: far enough to tell an agent that has stopped from one that never sent.
const LOOK_BACK: i64 = 3600;
/// How far back before what counts as fresh the later queries look, in seconds. The shorter the span the finer Datadog's intervals.
const MARGIN: i64 = 60;
/// How far ahead of its clock Datadog takes points, in seconds; the first queries look there, for clocks that are wrong.
const LOOK_AHEAD: i64 = 600;

impl Check for Datadog {
    fn about(&self) -> &'static About {
        static ABOUT: About = About {
            name: "datadog-agent",
            aliases: &["datadog"],
            summary: "Metrics leave the cluster: Datadog has points of this cluster that are newer than the run.",
            proves: &[
                "Datadog accepts the API key, and queries with the application key",
                "the query has series of this cluster, known by its tag",
                "one of them has a point with a value that is newer than the start of the check",
            ],
        };
        &ABOUT
    }

    fn settings(&self) -> &'static [Setting] {
        settings::ALL
    }

    fn grants(&self) -> &'static [Grant] {
        static GRANTS: &[Grant] = &[
            Grant::cluster("apps", "daemonsets", &["list"], "to tell that the agent does not run").optional(),
            Grant::cluster("apps", "deployments", &["list"], "to tell that the cluster agent does not run").optional(),
        ];
        GRANTS
    }

    fn configured(&self, values: &Values) -> Result<(), NotConfigured> {
        settings::configured(values)
    }

    fn contradictions(&self, values: &Values, _core: &Core) -> Vec<Problem> {
        settings::contradictions(values)
    }

    /// It asks Datadog alone.
    fn works_in_namespace(&self) -> bool {
        false
    }

    fn run<'a>(&'a self, cx: &'a Context) -> LocalBoxFuture<'a, Result<(), Failure>> {
        prove(cx).boxed_local()
    }
}

async fn prove(cx: &Context) -> Result<(), Failure> {
    // The first whole second after the start: points have no finer time.
    let started = clock::now().as_second() + 1;
    let settings = &Settings::read(&cx.values, &cx.core, &cx.target)?;
    let api = &Api::new(settings).map_err(|error| Failure::inconclusive("an HTTP client").saw(error.to_string()))?;

    cx.step("API key valid", async |step| api_key_valid(api, step).await).await?;
    let first = cx.step("query accepted", async |step| query_accepted(api, step).await).await?;
    let after = first.last();
    let known = cx.step("series of this cluster", async |step| series_of_cluster(api, step, first).await).await?;
    cx.step("fresh points", async |step| fresh_points(api, step, started + api.ahead(), after, known).await).await
}

/// The API key alone.
async fn api_key_valid(api: &Api<'_>, step: &Step) -> Result<(), Failure> {
    step.evidence("url", &api.settings.url);
    let judge = async |reply: &Reply| match (reply.status, reply.json["valid"].as_bool()) {
        (200, Some(true)) => Look::Found(()),
        (401 | 403, _) | (200, Some(false)) => Look::Never(Box::new(api.api_key_refused(reply))),
        _ => Look::Never(Box::new(api.not_datadog(reply))),
    };
    api.until(step, "Datadog to accept the API key", async || api.validate().await, judge).await?;
    step.evidence("clockAheadSeconds", api.ahead());
    Ok(())
}

/// The first query, whatever it finds.
async fn query_accepted(api: &Api<'_>, step: &Step) -> Result<Findings, Failure> {
    let settings = api.settings;
    step.evidence("query", &settings.query);
    let judge = async |reply: &Reply| judged(api, reply).await;
    api.until(step, "Datadog to accept the query", async || ask_back(api).await, judge).await
}

/// At least one series of the cluster, of whatever age.
async fn series_of_cluster(api: &Api<'_>, step: &Step, first: Findings) -> Result<Findings, Failure> {
    let settings = api.settings;
    let expected = format!("series of {}", settings.tag);
    let found = match first {
        first if first.series > 0 => first,
        first => {
            let others = other_clusters(api).await;
            let latest = RefCell::new(first);
            let judge = async |reply: &Reply| match judged(api, reply).await {
                Look::Found(findings) if findings.series > 0 => Look::Found(findings),
                Look::Found(findings) => {
                    let seen = without_series(settings, &findings, &others);
                    latest.replace(findings);
                    Look::NotYet(seen)
                }
                other => other,
            };
            let outcome = api.until(step, &expected, async || ask_back(api).await, judge).await;
            outcome.map_err(|failure| nobody_sends(settings, failure, &others))?
        }
    };
    step.evidence("series", found.series);
    step.evidence("points", found.points.len());
    step.evidence("nulls", found.nulls);
    if let Some(newest) = found.newest(api.now()) {
        step.evidence("newestAgeSeconds", api.now() - newest.at);
    }
    Ok(found)
}

/// A point that is fresh. `started`: the check's start by Datadog's clock; `after`: the last point at the first question.
async fn fresh_points(
    api: &Api<'_>,
    step: &Step,
    started: i64,
    after: Option<Point>,
    known: Findings,
) -> Result<(), Failure> {
    let settings = api.settings;
    let freshness = settings.freshness.map(|span| i64::try_from(span.as_secs()).unwrap_or(LOOK_BACK));
    // The window slides: each question is about the time until now.
    let since = || freshness.map_or(started, |span| api.now() - span);
    let proof = if freshness.is_some() { Proof::Recent } else { Proof::Arrived { after } };
    let expected = match freshness {
        Some(span) => format!("a point of {} that is at most {span} s old", settings.tag),
        None => format!("a point of {} that is newer than the check's start", settings.tag),
    };
    let before = RefCell::new(known.last());
    // Where the whole hour before had no value either, the answer to the narrow question says too little.
    let nulls = if known.points.is_empty() { known.nulls } else { 0 };
    let judge = async |reply: &Reply| match judged(api, reply).await {
        Look::Found(mut findings) => {
            let earlier = *before.borrow();
            before.replace([findings.last(), earlier].into_iter().flatten().max_by_key(|point| point.at));
            findings.nulls += nulls;
            series::look(&findings, since(), api.now(), proof, earlier)
        }
        Look::NotYet(seen) => Look::NotYet(seen),
        Look::Never(failure) => Look::Never(failure),
    };
    let fresh = match series::look(&known, since(), api.now(), proof, None) {
        Look::Found(fresh) => fresh,
        _ if series::is_ahead(known.last(), api.now()) => api
            .until(step, &expected, async || ask_back(api).await, judge)
            .await
            .map_err(|f| stopped(api, f, &before))?,
        _ => {
            let ask = async || api.query(&settings.query, since() - MARGIN, api.now()).await;
            api.until(step, &expected, ask, judge).await.map_err(|f| stopped(api, f, &before))?
        }
    };
    tell(api, step, fresh, since());
    Ok(())
}

fn tell(api: &Api<'_>, step: &Step, fresh: Fresh, since: i64) {
    let time = |second: i64| jiff::Timestamp::from_second(second).map(|time| time.to_string()).unwrap_or_default();
    step.evidence("point", time(fresh.point.at));
    step.evidence("since", time(since));
    step.evidence("value", fresh.point.value);
    step.evidence("ageSeconds", api.now() - fresh.point.at);
    step.evidence("settled", fresh.settled);
    step.evidence("freshPoints", fresh.count);
    step.evidence("requests", api.requests());
}

async fn ask_back(api: &Api<'_>) -> Result<Reply, client::NoReply> {
    let now = api.now();
    api.query(&api.settings.query, now - LOOK_BACK, now + LOOK_AHEAD).await
}

/// What a reply to a query holds; refusals are final.
async fn judged(api: &Api<'_>, reply: &Reply) -> Look<Findings> {
    let settings = api.settings;
    let wrong_query = || {
        Look::Never(Box::new(
            Failure::inconclusive("")
                .saw(reply.words())
                .because(
                    Certainty::Certain,
                    Origin::Harness,
                    format!("Datadog does not take the query (QUERY_METRICS): {}", settings.query),
                )
                .next("try the query in Datadog's metrics explorer"),
        ))
    };
    match reply.status {
        401 | 403 => Look::Never(Box::new(api.query_refused(reply).await)),
        400 | 422 => wrong_query(),
        // A good status can carry an error; one that passes does not get here.
        200 if reply.has_error() => wrong_query(),
        200 if reply.json["series"].is_array() => Look::Found(Findings::read(&reply.json, &settings.tag)),
        _ => Look::Never(Box::new(api.not_datadog(reply))),
    }
}

/// The clusters that send the same metric, to tell an agent that is silent from a query that nobody answers to.
async fn other_clusters(api: &Api<'_>) -> Vec<String> {
    let Some(query) = scope::by_cluster(&api.settings.given, &api.settings.tag_key) else { return Vec::new() };
    let now = api.now();
    match api.query(&query, now - LOOK_BACK, now).await {
        Ok(reply) if reply.status == 200 => series::clusters(&reply.json, &api.settings.tag_key),
        _ => Vec::new(),
    }
}

fn without_series(settings: &Settings, findings: &Findings, others: &[String]) -> String {
    let tag = &settings.tag;
    match (findings.foreign.first(), others) {
        (Some(scope), _) => format!("no series of {tag}, only of {scope}"),
        (None, []) => format!("no series of {tag}, nor of any other {}", settings.tag_key),
        (None, others) => format!("no series of {tag}, only of other clusters: {}", others.join(", ")),
    }
}

fn nobody_sends(settings: &Settings, failure: Failure, others: &[String]) -> Failure {
    if failure.cause.is_some() {
        return failure;
    }
    let cause = if others.is_empty() {
        format!("no cluster sends this metric with a tag {}: the agent, the metric or the tag's key", settings.tag_key)
    } else {
        format!(
            "other clusters send this metric, but nobody as {}: the agent is silent, or names its cluster differently",
            settings.tag
        )
    };
    failure
        .because(Certainty::Likely, Origin::Cluster, cause)
        .next("kubectl get daemonsets -A | grep -i datadog, then in a pod of it: agent status")
        .next("compare CLUSTER_NAME with the agent's DD_CLUSTER_NAME")
}

fn stopped(api: &Api<'_>, failure: Failure, newest: &RefCell<Option<Point>>) -> Failure {
    if failure.cause.is_some() {
        return failure;
    }
    let newest = *newest.borrow();
    let cause = match newest {
        _ if series::is_ahead(newest, api.now()) => {
            "the agent sends no more, and the clock of a host of it is ahead of Datadog's".to_owned()
        }
        Some(newest) => format!(
            "the agent stopped sending {} s ago, or what it sends does not reach Datadog",
            (api.now() - newest.at).max(0)
        ),
        None => format!("the series of {} have no values: the agent sends the metric no more", api.settings.tag),
    };
    failure
        .because(Certainty::Likely, Origin::Cluster, cause)
        .next("kubectl get daemonsets -A | grep -i datadog, then in a pod of it: agent status")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_needs_no_permission() {
        let core = crate::config::Config::resolve(&crate::config::Sources::default(), &[]).unwrap().core;
        assert!(crate::check::all_grants(&Datadog).all(|grant| !grant.is_needed(&Values::default(), &core)));
    }
}
