//! What the runner tells while it runs. It owns no output: every display and report is a sink of these events.

use std::cell::RefCell;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::clock;
use crate::redact::Redactor;
use crate::result::{CheckResult, CleanupResult, RunResult, StepResult, Target};

/// One thing that happened.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Event {
    /// The cluster is known; nothing has been touched yet.
    RunStarted {
        /// The run's id.
        run: String,
        /// The cluster.
        target: Target,
        /// The names of the checks that will run, in order.
        checks: Vec<String>,
    },
    /// A check begins.
    CheckStarted {
        /// The check.
        check: String,
        /// The namespace that it works in.
        namespace: String,
    },
    /// A step begins.
    StepStarted {
        /// The check.
        check: String,
        /// The step.
        step: String,
    },
    /// A running step has seen something new.
    StepProgress {
        /// The check.
        check: String,
        /// The step.
        step: String,
        /// What it sees now.
        seen: String,
    },
    /// A step has ended.
    StepFinished {
        /// The check.
        check: String,
        /// Its outcome.
        step: StepResult,
    },
    /// A check's objects are being removed.
    CleanupStarted {
        /// The check.
        check: String,
    },
    /// A check's objects are gone, or not.
    CleanupFinished {
        /// The check.
        check: String,
        /// What became of them.
        cleanup: CleanupResult,
    },
    /// A check has ended, clean-up included, or was skipped.
    CheckFinished {
        /// Its outcome.
        result: Box<CheckResult>,
    },
    /// Something that the reader should know.
    Notice {
        /// What.
        text: String,
    },
    /// The run has ended.
    RunFinished {
        /// Its outcome.
        result: Box<RunResult>,
    },
}

/// What a sink could not do. It never changes a verdict.
#[derive(Debug, thiserror::Error)]
#[error("{sink}: {reason}")]
pub struct SinkError {
    /// The sink, such as `report json=out.json`.
    pub sink: String,
    /// What went wrong.
    pub reason: String,
}

/// Takes events: a display or a report.
pub trait Sink {
    /// Takes one event.
    fn take(&mut self, event: &Event) -> Result<(), SinkError>;
}

/// Carries events to all sinks. One sink's error silences neither the others nor the run.
pub struct Bus {
    started: Instant,
    redactor: Redactor,
    sinks: RefCell<Vec<Box<dyn Sink>>>,
    complaints: RefCell<Vec<String>>,
}

impl Bus {
    /// A bus whose clock starts now.
    pub fn new(redactor: Redactor, sinks: Vec<Box<dyn Sink>>) -> Self {
        Self { started: Instant::now(), redactor, sinks: RefCell::new(sinks), complaints: RefCell::default() }
    }

    /// Milliseconds since the run's start.
    pub fn elapsed_ms(&self) -> u64 {
        self.at_ms(Instant::now())
    }

    /// An instant as milliseconds since the run's start.
    pub fn at_ms(&self, instant: Instant) -> u64 {
        clock::millis_between(self.started, instant)
    }

    /// Tells all sinks. Secrets are masked before any of them sees the event.
    pub fn emit(&self, event: Event) {
        let event = self.redactor.clean(event);
        for sink in self.sinks.borrow_mut().iter_mut() {
            if let Err(error) = sink.take(&event) {
                tracing::warn!(%error, "a report could not take an event");
                self.complaints.borrow_mut().push(error.to_string());
            }
        }
    }

    /// A value without secrets, for what leaves the program by another way than a sink.
    pub fn cleaned<T: Serialize + serde::de::DeserializeOwned>(&self, value: T) -> T {
        self.redactor.clean(value)
    }

    /// What sinks could not do so far; each is told once.
    pub fn take_complaints(&self) -> Vec<String> {
        std::mem::take(&mut self.complaints.borrow_mut())
    }
}
