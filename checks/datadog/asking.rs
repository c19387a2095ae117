//! Asks Datadog until it gives an answer that settles the matter: what passes is asked again, what is final has its own words.

use std::cell::RefCell;
use std::time::Duration;

use tokio::time::Instant;

use super::client::{Api, NoReply, Reply};
use super::settings::SITES;
use crate::cluster::Look;
use crate::context::Step;
use crate::failure::{Certainty, Failure, Origin};
use crate::verdict::Verdict;

/// The longest pause between two questions where Datadog sets no limit: a point is seen at most so much after it is there.
const PAUSE: Duration = Duration::from_millis(800);
/// How long a name may be unknown before that is final: a Pod's resolver may be younger than the Pod.
const UNKNOWN_NAME: Duration = Duration::from_secs(5);

/// What stands between us and an answer.
struct Outage {
    seen: String,
    cause: (Certainty, &'static str),
    next: &'static str,
}

const UNREACHABLE: (Certainty, &str) = (Certainty::Likely, "Datadog cannot be reached from here");
const LIMITED: (Certainty, &str) = (Certainty::Certain, "Datadog allows no more queries for now");
const DOWN: (Certainty, &str) = (Certainty::Certain, "Datadog answers with an error of its own");

impl Api<'_> {
    /// Asks until `judge` has found what it looks for, within the step.
    ///
    /// Time is up: the verdict is `judge`'s where Datadog answered last, and Inconclusive where it did not.
    pub(super) async fn until<T>(
        &self,
        step: &Step,
        expected: &str,
        ask: impl AsyncFn() -> Result<Reply, NoReply>,
        mut judge: impl AsyncFnMut(&Reply) -> Look<T>,
    ) -> Result<T, Failure> {
        let started = Instant::now();
        let silent = Outage {
            seen: "no answer yet".to_owned(),
            cause: UNREACHABLE,
            next: "see the way out of this network (proxy, NAT, egress policy)",
        };
        let outage = RefCell::new(Some(silent));
        let outcome = step.poll_paced(PAUSE, expected, None, async || {
            let answer = ask().await;
            let limit = answer.as_ref().map(|reply| reply.limit.clone()).unwrap_or_default();
            let (pause, passing) = match answer {
                Ok(reply) if reply.status == 429 => (limit.until_reset(), limited(&reply)),
                Ok(reply) if reply.status >= 500 || reply.status == 408 => (Duration::ZERO, down(&reply)),
                Ok(reply) if reply.status == 200 && reply.has_error() && !reply.is_about_query() => {
                    (Duration::ZERO, troubled(&reply))
                }
                Err(NoReply::Unreachable(text)) => (Duration::ZERO, unreachable(&text)),
                Err(NoReply::NoSuchName(text)) if started.elapsed() < UNKNOWN_NAME => {
                    (Duration::ZERO, unreachable(&text))
                }
                Err(NoReply::NoSuchName(text)) => return never(self.unknown_name(&text)),
                Err(NoReply::Untrusted(text)) => return never(self.untrusted(&text)),
                Ok(reply) => {
                    outage.replace(None);
                    let look = judge(&reply).await;
                    let pause = limit.pause(step.remaining());
                    if !matches!(look, Look::NotYet(_)) || pause < step.remaining() {
                        return (look, pause);
                    }
                    (pause, limited(&reply))
                }
            };
            // Waiting longer than the step may take proves nothing.
            if pause >= step.remaining() {
                return never(passing.failure().saw(format!("{}; {limit}", passing.seen)));
            }
            let seen = passing.seen.clone();
            outage.replace(Some(passing));
            (Look::NotYet(seen), pause)
        });
        outcome
            .await
            .map_err(|failure| match outage.into_inner() {
                Some(outage) if failure.verdict == Verdict::Failed => self.unsettled(&outage).saw(failure.seen),
                _ => failure,
            })
            .map_err(|failure| failure.completed(expected, None))
    }

    /// The step is over, and the last question had no answer.
    fn unsettled(&self, outage: &Outage) -> Failure {
        let failure = outage.failure();
        match &self.settings.site {
            Some(site) if outage.cause == UNREACHABLE && !SITES.contains(&site.as_str()) => failure
                .because(Certainty::Likely, Origin::Harness, format!("nothing answers at {}", self.settings.place()))
                .next(known_sites()),
            _ => failure,
        }
    }

    fn unknown_name(&self, text: &str) -> Failure {
        let settings = self.settings;
        let failure = Failure::inconclusive("").saw(format!("{}: {text}", settings.url));
        match &settings.site {
            Some(site) if SITES.contains(&site.as_str()) => failure
                .because(Certainty::Likely, Origin::Outside, "this machine's resolver does not know Datadog's host")
                .next("see the machine's resolver, or set the forward proxy (DD_PROXY_HTTPS)"),
            Some(site) => failure
                .because(
                    Certainty::Certain,
                    Origin::Harness,
                    format!("DD_SITE is {site:?}, and there is no Datadog at api.{site}"),
                )
                .next(known_sites()),
            None => failure
                .because(Certainty::Certain, Origin::Harness, "the host of baseUrl does not exist")
                .next("see the setting baseUrl of the check datadog-agent"),
        }
    }

    fn untrusted(&self, text: &str) -> Failure {
        Failure::inconclusive("")
            .saw(format!("{}: {text}", self.settings.url))
            .because(
                Certainty::Certain,
                Origin::Harness,
                format!(
                    "the certificate of {} is not trusted here: a proxy on the way replaces certificates, or this is not Datadog",
                    self.settings.url
                ),
            )
            .next("give the certificate authority of the proxy with caFile (KIBERTAS_DATADOG_CA_FILE)")
            .next(format!("curl -v {}/api/v1/validate", self.settings.url))
    }

    /// What is no answer of Datadog's API: a login page, a redirect, another service.
    pub(super) fn not_datadog(&self, reply: &Reply) -> Failure {
        Failure::inconclusive("")
            .saw(reply.words())
            .because(
                Certainty::Certain,
                Origin::Harness,
                format!("what answers is not Datadog's API: see {}", self.settings.place()),
            )
            .next(format!("curl -v {}/api/v1/validate", self.settings.url))
    }
}

impl Outage {
    fn failure(&self) -> Failure {
        let (certainty, text) = self.cause;
        Failure::inconclusive("").saw(self.seen.clone()).because(certainty, Origin::Outside, text).next(self.next)
    }
}

fn known_sites() -> String {
    format!("set DD_SITE to the site that people log in to: {}", SITES.join(", "))
}

fn never<T>(failure: Failure) -> (Look<T>, Duration) {
    (Look::Never(Box::new(failure)), Duration::ZERO)
}

fn limited(reply: &Reply) -> Outage {
    Outage {
        seen: reply.words(),
        cause: LIMITED,
        next: "see in Datadog's usage of its APIs who uses up the limit; run the check again later",
    }
}

fn down(reply: &Reply) -> Outage {
    Outage { seen: reply.words(), cause: DOWN, next: "see https://status.datadoghq.com" }
}

fn troubled(reply: &Reply) -> Outage {
    let seen = format!("HTTP 200, but with an error: {}", reply.errors());
    Outage {
        seen,
        cause: (Certainty::Certain, "Datadog could not run the query"),
        next: "see https://status.datadoghq.com",
    }
}

fn unreachable(text: &str) -> Outage {
    Outage {
        seen: format!("no answer from Datadog: {text}"),
        cause: UNREACHABLE,
        next: "see the way out of this network (proxy, NAT, egress policy)",
    }
}
