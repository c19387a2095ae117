//! The result of a cluster that does not answer while others do: every check of its plan is inconclusive, none has begun.

use super::plan::Plan;
use crate::clock;
use crate::cluster::RunId;
use crate::config::Config;
use crate::event::{Bus, Event};
use crate::exit;
use crate::failure::{Certainty, Failure, Origin};
use crate::result::{CheckResult, RunResult, SCHEMA, Target};
use crate::verdict::Verdict;

/// What stands where a version would.
const NOT_KNOWN: &str = "not known";

/// A cluster that does not answer.
#[derive(Debug, Clone)]
pub struct Unreached {
    /// What it is called.
    pub name: String,
    /// Where it should be.
    pub place: String,
    /// What came of asking it.
    pub reason: String,
    /// What to run next.
    pub next: String,
}

/// The result, told as that of any other run.
pub fn unreached(cluster: &Unreached, plan: &Plan, config: &Config, bus: &Bus) -> RunResult {
    let Unreached { name, place, reason, next } = cluster.clone();
    let target = Target { name, server: place, kubernetes: NOT_KNOWN.to_owned(), ..Target::default() };
    let run = RunId::random().to_string();
    let started = clock::now();
    bus.emit(Event::RunStarted { run: run.clone(), target: target.clone(), checks: plan.running() });
    let failure = || {
        Failure::inconclusive("the cluster's API server to answer")
            .saw(&reason)
            .because(Certainty::Likely, Origin::Cluster, format!("{} is out of reach, or refuses us", target.name))
            .next(&next)
    };
    let check = |planned: &super::Planned| {
        let name = planned.check.about().name;
        let (at, settings) = (bus.elapsed_ms(), config.of(name).shown());
        let result = match &planned.skipped {
            Some(reason) => CheckResult::not_begun(name, Verdict::Skipped, reason.clone(), at, settings),
            None => {
                let failure = failure();
                let result = CheckResult::not_begun(name, failure.verdict, failure.summary(), at, settings);
                CheckResult { failure: Some(failure), ..result }
            }
        };
        bus.emit(Event::CheckFinished { result: Box::new(result.clone()) });
        result
    };
    let checks = plan.checks.iter().map(check).collect();
    RunResult {
        schema: SCHEMA.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        run,
        target,
        started,
        duration_ms: bus.elapsed_ms(),
        verdict: Verdict::Inconclusive,
        exit_code: exit::of_run(Verdict::Inconclusive, None),
        checks,
        settings: config.own.shown(),
        notices: bus.take_complaints(),
    }
}
