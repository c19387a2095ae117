//! What a check works with: its settings, its client, its namespace, and its steps.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;

use crate::clock;
use crate::cluster::counted::Requests;
use crate::cluster::scratch::Scratch;
use crate::config::{Core, Values};
use crate::diagnosis;
use crate::event::{Bus, Event};
use crate::failure::Failure;
use crate::result::{StepResult, Target};
use crate::verdict::Verdict;

/// How long a step may go on after its deadline, so that the wait inside it can tell what it saw last.
const GRACE: Duration = Duration::from_secs(1);

/// What a check works with.
pub struct Context {
    /// The check's name.
    pub check: &'static str,
    /// The check's settings.
    pub values: Values,
    /// The harness's settings.
    pub core: Core,
    /// The cluster.
    pub target: Target,
    /// The client; its requests are counted.
    pub client: kube::Client,
    /// The check's namespace and the ledger of what it created.
    pub scratch: Scratch,
    /// When the check has to have its verdict.
    pub deadline: Instant,
    pub(crate) bus: Rc<Bus>,
    pub(crate) steps: Rc<RefCell<Vec<Option<StepResult>>>>,
    pub(crate) requests: Requests,
}

impl Context {
    /// Runs one step within the configured step timeout and records its start, end, verdict and evidence.
    ///
    /// ```ignore
    /// let addresses = cx.step("load balancer address", async |step| {
    ///     step.wait_for(&ingresses, &name, "an address in the status", addresses_of).await
    /// }).await?;
    /// ```
    pub async fn step<T>(
        &self,
        name: impl Into<String>,
        body: impl AsyncFnOnce(&Step) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.step_within(name, self.core.step_timeout, body).await
    }

    /// The same with a deadline of its own; the check's deadline still holds.
    pub async fn step_within<T>(
        &self,
        name: impl Into<String>,
        limit: Duration,
        body: impl AsyncFnOnce(&Step) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let step = self.open(name.into(), limit);
        let outcome = match tokio::time::timeout_at(step.deadline + GRACE, body(&step)).await {
            Ok(outcome) => outcome,
            Err(_elapsed) => Err(step.overdue()),
        };
        let outcome = match outcome {
            Ok(value) => Ok(value),
            Err(failure) => {
                let ended = Instant::now();
                let shared = !self.scratch.owns_namespace();
                let scene = diagnosis::Scene {
                    check: self.check,
                    step: &step.name,
                    namespace: &self.scratch.namespace,
                    namespace_used: self.scratch.has_touched(),
                    only_of_run: shared.then(|| self.scratch.run.as_str()),
                };
                let failure = diagnosis::explain(&self.client, &scene, failure).await;
                step.close(failure.verdict, Some(failure.clone()), ended);
                return Err(failure);
            }
        };
        step.close(Verdict::Passed, None, Instant::now());
        outcome
    }

    fn open(&self, name: String, limit: Duration) -> Step {
        let started = Instant::now();
        let index = self.steps.borrow().len();
        self.steps.borrow_mut().push(None);
        self.bus.emit(Event::StepStarted { check: self.check.to_owned(), step: name.clone() });
        Step {
            check: self.check,
            name,
            started,
            deadline: (started + limit).min(self.deadline),
            index,
            bus: Rc::clone(&self.bus),
            steps: Rc::clone(&self.steps),
            evidence: RefCell::default(),
            expected: RefCell::default(),
            seen: RefCell::default(),
            closed: false.into(),
        }
    }

    /// The number of requests to the API server so far.
    pub fn api_requests(&self) -> u64 {
        self.requests.count()
    }
}

/// A running step. Dropped before its end (the run was cancelled), it records itself as cancelled.
pub struct Step {
    check: &'static str,
    name: String,
    started: Instant,
    /// When the step has to be over.
    pub deadline: Instant,
    index: usize,
    bus: Rc<Bus>,
    steps: Rc<RefCell<Vec<Option<StepResult>>>>,
    evidence: RefCell<BTreeMap<String, Value>>,
    expected: RefCell<String>,
    seen: RefCell<String>,
    closed: std::cell::Cell<bool>,
}

impl Step {
    /// Records something seen; it goes into the report. A value that is no JSON is recorded as its error.
    pub fn evidence(&self, key: &str, value: impl Serialize) {
        let value = serde_json::to_value(value).unwrap_or_else(|e| Value::String(e.to_string()));
        self.evidence.borrow_mut().insert(key.to_owned(), value);
    }

    /// Says what the step waits for; part of the reason if time runs out.
    pub fn expects(&self, expected: impl Into<String>) {
        *self.expected.borrow_mut() = expected.into();
    }

    /// Says what the step sees now; shown live, and part of the reason if time runs out.
    pub fn sees(&self, seen: impl Into<String>) {
        let seen = seen.into();
        if *self.seen.borrow() != seen {
            self.seen.borrow_mut().clone_from(&seen);
            self.bus.emit(Event::StepProgress { check: self.check.to_owned(), step: self.name.clone(), seen });
        }
    }

    /// How long the step has run.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// How long the step may still run.
    pub fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// The failure of a step whose time is up, from what it expected and saw last.
    pub fn overdue(&self) -> Failure {
        let expected = self.expected.borrow();
        let expected = if expected.is_empty() { self.name.clone() } else { expected.clone() };
        let waited = clock::human(clock::millis_between(self.started, Instant::now()));
        let seen = self.seen.borrow();
        let seen = if seen.is_empty() { "nothing yet".to_owned() } else { seen.clone() };
        Failure::failed(expected).saw(format!("{seen} (waited {waited})"))
    }

    fn close(&self, verdict: Verdict, failure: Option<Failure>, ended: Instant) {
        self.closed.set(true);
        let result = StepResult {
            name: self.name.clone(),
            verdict,
            start_ms: self.bus.at_ms(self.started),
            duration_ms: clock::millis_between(self.started, ended),
            evidence: std::mem::take(&mut self.evidence.borrow_mut()),
            failure,
        };
        self.bus.emit(Event::StepFinished { check: self.check.to_owned(), step: result.clone() });
        self.steps.borrow_mut()[self.index] = Some(result);
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if !self.closed.get() {
            let mut failure = self.overdue();
            failure.verdict = Verdict::Cancelled;
            self.close(Verdict::Cancelled, Some(failure), Instant::now());
        }
    }
}

/// A step without a run, for tests of what happens inside one.
#[cfg(test)]
pub(crate) fn lone_step(limit: Duration) -> Step {
    let bus = Rc::new(Bus::new(crate::redact::Redactor::default(), Vec::new()));
    let steps = Rc::new(RefCell::new(vec![None]));
    let started = Instant::now();
    Step {
        check: "sample",
        name: "sample step".to_owned(),
        started,
        deadline: started + limit,
        index: 0,
        bus,
        steps,
        evidence: RefCell::default(),
        expected: RefCell::default(),
        seen: RefCell::default(),
        closed: false.into(),
    }
}

/// A context without a run, for tests of what a check does with its client.
#[cfg(test)]
pub(crate) fn lone_context(client: kube::Client) -> Context {
    let config = crate::config::Config::resolve(&crate::config::Sources::default(), &[]).expect("defaults are valid");
    let run = crate::cluster::RunId::random();
    Context {
        check: "sample",
        values: Values::default(),
        scratch: Scratch::plan("sample", "blue", &run, &config.core),
        core: config.core,
        target: Target::default(),
        client,
        deadline: Instant::now() + Duration::from_secs(60),
        bus: Rc::new(Bus::new(crate::redact::Redactor::default(), Vec::new())),
        steps: Rc::default(),
        requests: Requests::default(),
    }
}
