//! Metrics that do not arrive, or cannot be asked for. What is seen is Datadog's own answer.

use super::{Cause, Finding};
use crate::diagnosis::controllers;
use crate::diagnosis::evidence::Evidence;
use crate::diagnosis::wording::{has_any, quoted, tells_status};
use crate::failure::{Certainty, Failure, Origin};

/// The causes, the more specific first.
pub(super) static CAUSES: &[Cause] = &[
    Cause {
        id: "datadog-rate-limited",
        about: "Datadog allows no more queries for now.",
        sign: "429 from Datadog.",
        certainty: Certainty::Certain,
        origin: Origin::Outside,
        find: rate_limited,
    },
    Cause {
        id: "datadog-keys-rejected",
        about: "Datadog does not accept the API key or the application key, or the key lacks `timeseries_query`.",
        sign: "401 or 403 from Datadog.",
        certainty: Certainty::Certain,
        origin: Origin::Harness,
        find: keys_rejected,
    },
    Cause {
        id: "datadog-untrusted",
        about: "Datadog's certificate is not trusted here: a proxy in between, or the wrong host.",
        sign: "A TLS error about the certificate on a request to Datadog.",
        certainty: Certainty::Certain,
        origin: Origin::Harness,
        find: untrusted,
    },
    Cause {
        id: "datadog-unreachable",
        about: "Datadog cannot be reached from here.",
        sign: "A name that does not resolve, a refused connection or a timeout on a request to Datadog.",
        certainty: Certainty::Likely,
        origin: Origin::Outside,
        find: unreachable,
    },
    Cause {
        id: "datadog-down",
        about: "Datadog answers with an error of its own.",
        sign: "A 5xx from Datadog.",
        certainty: Certainty::Certain,
        origin: Origin::Outside,
        find: down,
    },
    Cause {
        id: "datadog-agent-down",
        about: "The Datadog agent does not run.",
        sign: "No series or only old points, and the agent's workload has no ready pod.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: agent_down,
    },
    Cause {
        id: "datadog-no-series",
        about: "No metrics of this cluster have arrived: the agent does not send, or names the cluster differently.",
        sign: "No series, or none with points that are new.",
        certainty: Certainty::Possible,
        origin: Origin::Cluster,
        find: no_series,
    },
];

fn seen<'a>(failure: &'a Failure, evidence: &Evidence, words: &[&str]) -> Option<&'a str> {
    (evidence.check == "datadog-agent" && has_any(&failure.seen, words)).then_some(failure.seen.as_str())
}

/// What was seen, if Datadog answered with one of these status codes or words.
fn answered<'a>(failure: &'a Failure, evidence: &Evidence, codes: &[u16], words: &[&str]) -> Option<&'a str> {
    let told = tells_status(&failure.seen, codes) || has_any(&failure.seen, words);
    (evidence.check == "datadog-agent" && told).then_some(failure.seen.as_str())
}

fn rate_limited(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let seen = answered(failure, evidence, &[429], &["too many requests", "rate limit"])?;
    Some(
        Finding::new(format!("Datadog allows no more queries for now: {}", quoted(seen))).next(
            "see Datadog's usage page for who uses up the limit of timeseries queries; run the check again later",
        ),
    )
}

fn keys_rejected(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let seen = answered(failure, evidence, &[401, 403], &["invalid api key"])?;
    Some(
        Finding::new(format!("Datadog does not accept the keys: {}", quoted(seen)))
            .next("see that DD_API_KEY and DD_APP_KEY belong to the organisation at DD_SITE, and that the application key has timeseries_query"),
    )
}

fn untrusted(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let seen =
        seen(failure, evidence, &["invalid peer certificate", "UnknownIssuer", "NotValidForName", "certificate"])?;
    Some(
        Finding::new(format!("the certificate at Datadog's address is not trusted here: {}", quoted(seen)))
            .next("see DD_SITE, and whether a proxy on the way replaces certificates"),
    )
}

fn unreachable(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let words = [
        "connection refused",
        "timed out",
        "dns error",
        "failed to lookup",
        "no route to host",
        "no answer within",
        "error sending request",
    ];
    let seen = seen(failure, evidence, &words)?;
    Some(
        Finding::new(format!("Datadog cannot be reached from here: {}", quoted(seen)))
            .next("see DD_SITE, and the way out of this network (proxy, NAT, egress policy)"),
    )
}

fn down(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let words = ["internal server error", "service unavailable", "bad gateway", "200, but with an error"];
    let seen = answered(failure, evidence, &[500, 502, 503, 504], &words)?;
    Some(
        Finding::new(format!("Datadog answers with an error of its own: {}", quoted(seen)))
            .next("see https://status.datadoghq.com"),
    )
}

const NOTHING: &[&str] = &["no series", "no point", " old", "stale", "null", "other cluster", "newest point"];

fn agent_down(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    seen(failure, evidence, NOTHING)?;
    let (addon, standing) = controllers::silent(evidence, &["Datadog agent"])?;
    Some(Finding::new(format!("the {addon} {}", standing.trouble)).next(standing.next))
}

fn no_series(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let seen = seen(failure, evidence, NOTHING)?;
    Some(
        Finding::new(format!("no new metrics of this cluster have arrived ({}): the agent does not send, or names the cluster differently", quoted(seen)))
            .next("kubectl get daemonsets -A | grep -i datadog, then in a pod of it: agent status")
            .next("compare CLUSTER_NAME with DD_CLUSTER_NAME of the agent, and QUERY_METRICS with a metric that it sends"),
    )
}
