//! Runs the planned checks side by side. Whatever happens to one, the others go on, and each is cleaned up.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;

use futures::FutureExt;
use tokio::time::Instant;

use super::advice;
use super::plan::{Plan, Planned};
use super::preflight;
use super::signals::Interruption;
use crate::check::Check;
use crate::clock;
use crate::cluster::counted::counted;
use crate::cluster::{Cluster, RunId, Scratch, Tenancy};
use crate::config::Config;
use crate::context::Context;
use crate::diagnosis;
use crate::diagnosis::add_ons;
use crate::event::{Bus, Event};
use crate::exit;
use crate::failure::Failure;
use crate::result::{CheckResult, CleanupResult, RunResult, SCHEMA, StepResult, Target};
use crate::verdict::Verdict;

/// What a run does besides its checks.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    /// Leave the objects in the cluster for a look by hand.
    pub keep: bool,
    /// The namespace in which Events of the outcome will be left, if any.
    pub events: Option<String>,
}

/// A run that is ready to start.
pub struct Run<'a> {
    /// The cluster.
    pub cluster: &'a Cluster,
    /// The configuration.
    pub config: &'a Config,
    /// The checks.
    pub plan: Plan,
    /// The run's id.
    pub id: RunId,
    /// What else to do.
    pub options: RunOptions,
    /// What may end the run.
    pub interruption: Interruption,
    /// Where events go.
    pub bus: Rc<Bus>,
}

/// How long clean-up waits for the answers to creates that were on their way when the check ended.
const IN_FLIGHT: std::time::Duration = std::time::Duration::from_secs(15);

impl Run<'_> {
    /// Runs all checks and returns the result; it never panics for a check's sake. That the run is over is told by [`finish`],
    /// so that what happens in between, such as messages to people, can still be part of the result.
    pub async fn execute(self) -> RunResult {
        let started = clock::now();
        self.bus.emit(Event::RunStarted {
            run: self.id.to_string(),
            target: self.cluster.target.clone(),
            checks: self.plan.running(),
        });
        let tenancy = Tenancy::of(self.plan.running().len());
        let checks = futures::future::join_all(self.plan.checks.iter().map(|planned| self.one(planned, &tenancy)));
        let (checks, (), add_ons) = tokio::join!(checks, self.look_at_events(), self.add_ons());
        let verdict = Verdict::worst(checks.iter().map(|check| check.verdict));
        RunResult {
            schema: SCHEMA.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            run: self.id.to_string(),
            target: Target { add_ons, ..self.cluster.target.clone() },
            started,
            duration_ms: self.bus.elapsed_ms(),
            verdict,
            exit_code: exit::of_run(verdict, self.interruption.signal()),
            checks,
            settings: self.config.own.shown(),
            notices: self.bus.take_complaints(),
        }
    }

    /// The versions of the cluster's add-ons; a run that is ended does not wait for them.
    async fn add_ons(&self) -> BTreeMap<String, String> {
        tokio::select! {
            found = add_ons::versions(&self.cluster.client) => found,
            () = self.interruption.token.cancelled() => BTreeMap::new(),
        }
    }

    /// Tells early what will be missing at the end.
    async fn look_at_events(&self) {
        if let Some(namespace) = &self.options.events
            && let Some(text) = preflight::of_events(&self.cluster.client, namespace).await
        {
            self.bus.emit(Event::Notice { text });
        }
    }

    async fn one(&self, planned: &Planned, tenancy: &Tenancy) -> CheckResult {
        let result = match &planned.skipped {
            Some(reason) => self.skipped(planned.check, reason),
            None => self.check(planned.check, tenancy).await,
        };
        self.bus.emit(Event::CheckFinished { result: Box::new(result.clone()) });
        result
    }

    fn skipped(&self, check: &dyn Check, reason: &str) -> CheckResult {
        let name = check.about().name;
        let settings = self.config.of(name).shown();
        CheckResult::not_begun(name, Verdict::Skipped, reason.to_owned(), self.bus.elapsed_ms(), settings)
    }

    async fn check(&self, check: &'static dyn Check, tenancy: &Tenancy) -> CheckResult {
        let name = check.about().name;
        let started = Instant::now();
        let cx = self.context(check, tenancy, started);
        self.bus.emit(Event::CheckStarted { check: name.to_owned(), namespace: cx.scratch.namespace.clone() });
        let mut failure = self.prove(check, &cx).await.err();
        let duration_ms = clock::millis_between(started, Instant::now());
        let cleanup = self.clean_up(name, &cx).await;
        if failure.is_none()
            && let Some(cleanup) = &cleanup
        {
            failure = left_behind(cleanup);
            if let Some(left) = failure.take() {
                let run = (!cx.scratch.owns_namespace()).then(|| self.id.as_str());
                let scene = diagnosis::Scene {
                    check: name,
                    step: "clean-up",
                    namespace: &cx.scratch.namespace,
                    namespace_used: cx.scratch.has_touched(),
                    only_of_run: run,
                };
                failure = Some(diagnosis::explain(&cx.client, &scene, left).await);
            }
        }
        let mut steps: Vec<StepResult> = cx.steps.borrow_mut().drain(..).flatten().collect();
        if cleanup.as_ref().is_some_and(|cleanup| cleanup.verdict == Verdict::Passed) {
            let failures = steps.iter_mut().filter_map(|step| step.failure.as_mut()).chain(failure.as_mut());
            failures.for_each(|failure| advice::after_removal(failure, name, self.id.as_str()));
        }
        CheckResult {
            name: name.to_owned(),
            verdict: failure.as_ref().map_or(Verdict::Passed, |failure| failure.verdict),
            reason: failure.as_ref().map(|failure| failure_line(failure, &steps)),
            failure,
            start_ms: self.bus.at_ms(started),
            duration_ms,
            namespace: check.works_in_namespace().then(|| cx.scratch.namespace.clone()),
            steps,
            cleanup,
            api_requests: cx.api_requests(),
            settings: cx.values.shown(),
        }
    }

    fn context(&self, check: &'static dyn Check, tenancy: &Tenancy, started: Instant) -> Context {
        let name = check.about().name;
        let (client, requests) = counted(&self.cluster.client);
        let values = self.config.of(name).clone();
        let mut core = self.config.core.clone();
        core.timeout += check.beyond_timeout(&values);
        let scratch = Scratch::plan(name, &self.cluster.target.name, &self.id, &core).beside(tenancy);
        Context {
            check: name,
            values,
            target: self.cluster.target.clone(),
            client,
            scratch: if self.options.keep { scratch.kept() } else { scratch },
            deadline: started + core.timeout,
            core,
            bus: Rc::clone(&self.bus),
            steps: Rc::new(RefCell::default()),
            requests,
        }
    }

    /// Preflight, namespace, and the check itself; ended by its own end, by a signal, or by its deadline.
    async fn prove(&self, check: &dyn Check, cx: &Context) -> Result<(), Failure> {
        let proof = async {
            cx.step("permissions", async |step| preflight::permissions(cx, step, check).await).await?;
            if check.works_in_namespace() {
                cx.step("namespace", async |step| cx.scratch.create_namespace(&cx.client, step).await).await?;
            }
            check.run(cx).await
        };
        let proof = AssertUnwindSafe(proof).catch_unwind();
        let outcome = tokio::select! {
            biased;
            () = self.interruption.token.cancelled() => {
                return Err(Failure::cancelled("the check to end by itself").saw(match self.interruption.signal() {
                    Some(number) => format!("signal {number}"),
                    None => "the run was cancelled".to_owned(),
                }));
            }
            outcome = tokio::time::timeout_at(cx.deadline + std::time::Duration::from_secs(5), proof) => outcome,
        };
        match outcome {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => Err(panicked(panic.as_ref())),
            Err(_elapsed) => Err(Failure::failed("the check to end within its timeout").saw(format!(
                "it was still running after {}",
                clock::human(clock::millis_between(Instant::now(), cx.deadline))
            ))),
        }
    }

    async fn clean_up(&self, name: &str, cx: &Context) -> Option<CleanupResult> {
        // Whoever has nothing in a shared namespace may still be the last to be done with it.
        if !cx.scratch.has_touched() && !cx.scratch.leave() {
            return None;
        }
        if self.options.keep {
            self.bus.emit(Event::Notice {
                text: format!(
                    "{name}: objects are kept in namespace {ns}; remove them with: kibertas-rs sweep --run {run}",
                    ns = cx.scratch.namespace,
                    run = self.id
                ),
            });
            return Some(CleanupResult { verdict: Verdict::Skipped, duration_ms: 0, survivors: Vec::new() });
        }
        self.bus.emit(Event::CleanupStarted { check: name.to_owned() });
        let deadline = Instant::now() + self.config.core.cleanup_timeout;
        // What has no answer by then is looked for all the same.
        let _ = tokio::time::timeout(IN_FLIGHT, cx.requests.settled()).await;
        let cleanup = cx.scratch.clean_up(&cx.client, deadline).await;
        self.bus.emit(Event::CleanupFinished { check: name.to_owned(), cleanup: cleanup.clone() });
        Some(cleanup)
    }
}

/// Tells all sinks that a run is over; what they could not do becomes part of the result.
pub fn finish(bus: &Bus, mut result: RunResult) -> RunResult {
    bus.emit(Event::RunFinished { result: Box::new(result.clone()) });
    result.notices.extend(bus.take_complaints());
    result
}

/// A check that passed but left something behind has not passed.
fn left_behind(cleanup: &CleanupResult) -> Option<Failure> {
    let expected = "everything that the check created to be gone afterwards";
    let failure = match cleanup.verdict {
        Verdict::Failed => Failure::failed(expected),
        Verdict::Inconclusive => Failure::inconclusive(expected),
        Verdict::Passed | Verdict::Skipped | Verdict::Cancelled => return None,
    };
    let first = cleanup.survivors.first()?;
    let lines = cleanup.survivors.iter().map(|s| format!("{}: {}", s.object, s.held_by.join("; "))).collect();
    Some(
        failure
            .saw(format!("still there: {}", first.held_by.join("; ")))
            .on(first.object.clone())
            .detail("what is left", lines)
            .next(format!("kubectl get {} -o yaml", first.object.kubectl_args())),
    )
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Failure {
    let text = panic.downcast_ref::<&str>().map(|t| (*t).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    Failure::inconclusive("the check to end by itself").saw(format!("it panicked: {text}")).because(
        crate::failure::Certainty::Certain,
        crate::failure::Origin::Harness,
        "a defect of kibertas-rs; please report it",
    )
}

/// The reason in one line, with the step that it ended in.
fn failure_line(failure: &Failure, steps: &[StepResult]) -> String {
    // Of several steps that failed side by side, the one whose failure this is.
    let of_it =
        |step: &&StepResult| step.failure.as_ref().is_some_and(|of_step| of_step.summary() == failure.summary());
    let alike = |step: &&StepResult| step.verdict == failure.verdict && step.failure.is_some();
    let step = steps.iter().rev().find(of_it).or_else(|| steps.iter().rev().find(alike));
    match step {
        Some(step) => format!("{}: {}", step.name, failure.summary()),
        None => failure.summary(),
    }
}
