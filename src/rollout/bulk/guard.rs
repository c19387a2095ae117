//! What would be done with a Rollout, and what is better left alone: a pure function of the Rollout.

use serde::Serialize;

use crate::rollout::basis::Basis;
use crate::rollout::history::Revision;
use crate::rollout::plan::{Operation, Refusal, plan};
use crate::rollout::status::{Phase, State};
use crate::rollout::{Rollout, history};

/// What somebody wants done with Rollouts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// An operation.
    Operate(Operation),
    /// Going back to an earlier template.
    Undo {
        /// The revision's number; `None`: the one before the newest.
        revision: Option<i64>,
    },
}

impl Task {
    /// What completes "to …".
    pub fn infinitive(self) -> &'static str {
        match self {
            Self::Operate(operation) => operation.infinitive(),
            Self::Undo { .. } => "undo",
        }
    }

    pub(super) fn promotes(self) -> bool {
        matches!(self, Self::Operate(Operation::PromoteStep | Operation::PromoteFull))
    }
}

/// What is promoted only because somebody said so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Include {
    /// Degraded ones, such as those that made no progress for too long.
    pub degraded: bool,
    /// Aborted ones; they are tried again first.
    pub aborted: bool,
}

/// What becomes of one Rollout.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// It is carried out.
    Act {
        /// An aborted update has to be tried again first.
        retry_first: bool,
        /// What the controller has to act upon before.
        waits_for: Option<String>,
        /// The revision that it goes back to.
        revision: Option<Box<Revision>>,
    },
    /// Its outcome is there already.
    Done(String),
    /// It is left alone, for this reason.
    Skip(String),
}

/// One Rollout of the plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// Which one.
    pub key: super::Key,
    /// The images of the template that it should have.
    pub images: Vec<String>,
    /// How it stands.
    pub state: State,
    /// What it must still be when it is patched.
    pub basis: Basis,
    /// What becomes of it.
    pub decision: Decision,
}

/// How many Rollouts of a plan are acted upon, done already, and left alone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Acted upon.
    pub act: usize,
    /// Done already.
    pub done: usize,
    /// Left alone.
    pub skip: usize,
}

impl Tally {
    /// Counts.
    pub fn of(planned: &[Planned]) -> Self {
        let count = |wanted: fn(&Decision) -> bool| planned.iter().filter(|p| wanted(&p.decision)).count();
        Self {
            act: count(|decision| matches!(decision, Decision::Act { .. })),
            done: count(|decision| matches!(decision, Decision::Done(_))),
            skip: count(|decision| matches!(decision, Decision::Skip(_))),
        }
    }
}

/// Decides about one Rollout. `revisions` are those that it can go back to; only an undo looks at them.
pub fn decide(task: Task, rollout: &Rollout, include: Include, revisions: Vec<Revision>) -> Decision {
    let state = State::of(rollout);
    if task.promotes() {
        if state.aborted && state.in_flight {
            if !include.aborted {
                let text = "its update is aborted: retry it first, or give --include aborted";
                return Decision::Skip(text.to_owned());
            }
            return Decision::Act { retry_first: true, waits_for: None, revision: None };
        }
        if let Some(text) = degraded(&state, include) {
            return Decision::Skip(text);
        }
    }
    let planned = match task {
        Task::Operate(operation) => match operation.waits_for(&state.currency) {
            Some(pending) => {
                return Decision::Act { retry_first: false, waits_for: Some(pending.to_string()), revision: None };
            }
            None => plan(operation, rollout).map(|_| None),
        },
        Task::Undo { revision } => history::choose(rollout, revisions, revision).map(|chosen| Some(Box::new(chosen))),
    };
    match planned {
        Ok(revision) => Decision::Act { retry_first: false, waits_for: None, revision },
        Err(Refusal::Already(text)) => Decision::Done(text),
        Err(refusal @ Refusal::Impossible { .. }) => Decision::Skip(refusal.to_string()),
    }
}

/// Why a Rollout in this state is not promoted unless somebody says so.
pub(super) fn degraded(state: &State, include: Include) -> Option<String> {
    (state.phase == Phase::Degraded && !include.degraded)
        .then(|| format!("it is Degraded ({}): --include degraded promotes it nevertheless", state.message))
}

/// The images of the template that a Rollout should have.
pub fn images(rollout: &Rollout) -> Vec<String> {
    let pod = rollout.spec.template.as_ref().and_then(|template| template.spec.as_ref());
    pod.map(|pod| pod.containers.iter().filter_map(|c| c.image.clone()).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::recorded::rollout;

    fn line(task: Task, name: &str, include: Include) -> String {
        match decide(task, &rollout(name), include, Vec::new()) {
            Decision::Act { retry_first: true, .. } => "retry, then act".to_owned(),
            Decision::Act { waits_for: Some(text), .. } => format!("act once: {text}"),
            Decision::Act { .. } => "act".to_owned(),
            Decision::Done(text) => format!("done: {text}"),
            Decision::Skip(text) => format!("skip: {text}"),
        }
    }

    #[test]
    fn only_what_waits_for_a_promotion_is_promoted() {
        let full = Task::Operate(Operation::PromoteFull);
        let lines = [
            ("paused", "act"),
            ("progressing", "act"),
            ("healthy", "done: no update is in flight: 8cb4c578b is stable"),
            ("promoting-in-full", "done: it is being promoted in full"),
            ("spec-pending", "act once: the controller has seen generation 2 of the spec, not yet 3"),
            ("aborted", "skip: its update is aborted: retry it first, or give --include aborted"),
            (
                "overdue",
                "skip: it is Degraded (ProgressDeadlineExceeded: ReplicaSet \"overdue-5dbc6c5bf8\" has timed out \
                 progressing.): --include degraded promotes it nevertheless",
            ),
        ];
        for (name, expected) in lines {
            assert_eq!(line(full, name, Include::default()), expected, "{name}");
        }
    }

    #[test]
    fn what_somebody_includes_is_promoted() {
        let full = Task::Operate(Operation::PromoteFull);
        assert_eq!(line(full, "aborted", Include { aborted: true, degraded: false }), "retry, then act");
        let overdue = line(full, "overdue", Include { degraded: true, aborted: false });
        assert!(!overdue.contains("--include"), "{overdue}");
        assert!(line(full, "aborted", Include { degraded: true, aborted: false }).starts_with("skip"));
    }

    #[test]
    fn a_degraded_one_may_be_aborted_and_an_aborted_one_retried() {
        assert_eq!(line(Task::Operate(Operation::Retry), "aborted", Include::default()), "act");
        assert_eq!(line(Task::Operate(Operation::Abort), "aborted", Include::default()), "done: its update is aborted");
    }
}
