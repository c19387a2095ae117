//! Operations on many Rollouts at once: planned from one list, patched with bounded concurrency, verified through one watch.
//!
//! A hundred Rollouts cost one list, one watch and a patch each; what is verified costs nothing more.

pub mod board;
pub mod guard;
pub mod outcome;
pub mod project;
pub mod selection;
mod watching;

use std::rc::Rc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use kube::{Api, Client};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use self::board::{Board, BoardError, Key, Scope};
pub use self::guard::{Decision, Include, Planned, Tally, Task, decide};
pub use self::outcome::{Deed, Outcome};
pub use self::selection::{Selected, Selection};

use super::basis::Basis;
use super::goal::Goal;
use super::history;
use super::operation::{Effect, OperationError, perform_seen};
use super::plan::{Operation, Refusal};
use super::status::State;
use super::{Rollout, bulk};
use crate::clock;
use crate::verdict::Verdict;

/// How many Rollouts' revisions are read at once.
const READS: usize = 16;

/// How an operation on many Rollouts is carried out.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How many Rollouts are patched at the same time.
    pub concurrency: usize,
    /// Whether each is watched until it came to what the operation is for.
    pub wait: bool,
    /// The longest that one Rollout may take.
    pub timeout: Duration,
    /// What is promoted only because somebody said so.
    pub include: Include,
}

/// What happens meanwhile.
#[derive(Debug, Clone)]
pub enum Progress<'a> {
    /// A Rollout was patched.
    Patched(&'a Key),
    /// A patched Rollout is here on its way.
    Sees(&'a Key, &'a str),
    /// What became of a Rollout.
    Ended(&'a Outcome),
}

/// An operation on many Rollouts.
pub struct Bulk {
    /// The client.
    pub client: Client,
    /// How the Rollouts stand. Somebody has to drive its feed.
    pub board: Rc<Board>,
    /// What is wanted.
    pub task: Task,
    /// How it is carried out.
    pub options: Options,
    /// The command's start.
    pub started: Instant,
    /// Ends it: what is not patched yet stays as it is.
    pub cancelled: CancellationToken,
}

impl Bulk {
    /// Plans. Nothing is changed.
    pub async fn plan(&self, keys: &[Key]) -> Result<Vec<Planned>, OperationError> {
        let deadline = Instant::now() + self.options.timeout;
        let one = async |key: &Key| -> Result<Option<Planned>, OperationError> {
            let Some(rollout) = self.board.now(key) else { return Ok(None) };
            let revisions = match self.task {
                Task::Undo { .. } => history::revisions(&self.client, &rollout, deadline).await?,
                Task::Operate(_) => Vec::new(),
            };
            let decision = decide(self.task, &rollout, self.options.include, revisions);
            let (images, basis) = (guard::images(&rollout), Basis::of(&rollout));
            Ok(Some(Planned { key: key.clone(), images, state: State::of(&rollout), basis, decision }))
        };
        let planned = futures::stream::iter(keys).map(one).buffered(READS).collect::<Vec<_>>().await;
        planned.into_iter().filter_map(Result::transpose).collect()
    }

    /// Carries the plan out. What was named has to be done; what a selection found may be skipped.
    pub async fn carry_out(&self, planned: &[Planned], by_name: bool, tell: &dyn Fn(Progress<'_>)) -> Vec<Outcome> {
        let slots = Semaphore::new(self.options.concurrency.max(1));
        let one = async |planned: &Planned| {
            let outcome = match &planned.decision {
                Decision::Skip(reason) => {
                    let verdict = if by_name { Verdict::Failed } else { Verdict::Skipped };
                    self.outcome(planned, verdict, Deed::Skipped, reason.clone(), None)
                }
                Decision::Done(_) | Decision::Act { .. } => self.one(planned, &slots, tell).await,
            };
            tell(Progress::Ended(&outcome));
            outcome
        };
        let mut running: FuturesUnordered<_> = planned.iter().map(one).collect();
        let mut outcomes = Vec::with_capacity(planned.len());
        while let Some(outcome) = running.next().await {
            outcomes.push(outcome);
        }
        outcomes.sort_by(|a, b| a.key.cmp(&b.key));
        outcomes
    }

    /// One Rollout, ended by its own end or by the cancellation.
    async fn one(&self, planned: &Planned, slots: &Semaphore, tell: &dyn Fn(Progress<'_>)) -> Outcome {
        let patched = std::cell::Cell::new(None);
        tokio::select! {
            biased;
            () = self.cancelled.cancelled() => {
                let (deed, reason) = match patched.get() {
                    None => (Deed::NotDone, "ended before it was patched"),
                    Some(_) => (Deed::Patched, "ended before it was verified"),
                };
                self.outcome(planned, Verdict::Cancelled, deed, reason.to_owned(), patched.get())
            }
            outcome = self.act(planned, slots, &patched, tell) => outcome,
        }
    }

    async fn act(
        &self,
        planned: &Planned,
        slots: &Semaphore,
        patched: &std::cell::Cell<Option<u64>>,
        tell: &dyn Fn(Progress<'_>),
    ) -> Outcome {
        let effect = {
            let _slot = slots.acquire().await;
            let deadline = Instant::now() + self.options.timeout;
            // Apart from the rest, so that only those that are being patched take the memory for it.
            Box::pin(self.patch(planned, deadline)).await
        };
        let failed = |error: &OperationError| {
            self.outcome(planned, outcome::verdict_of(error), Deed::NotDone, error.to_string(), patched.get())
        };
        let (goal, floor, deed) = match effect {
            Err(error) => return failed(&error),
            Ok(Effect::Patched(rollout)) => {
                patched.set(Some(clock::millis_between(self.started, Instant::now())));
                tell(Progress::Patched(&planned.key));
                (self.goal(planned, &rollout), bulk::watching::version(&rollout), Deed::Verified)
            }
            Ok(Effect::Already(text)) => match self.board.now(&planned.key) {
                // What goes on by itself is still worth waiting for; what is done is done.
                Some(rollout) if State::of(&rollout).in_flight && self.options.wait => {
                    (self.goal(planned, &rollout), None, Deed::Already)
                }
                _ => return self.outcome(planned, Verdict::Passed, Deed::Already, text, None),
            },
        };
        if !self.options.wait {
            let text = "patched; not waited for".to_owned();
            return self.outcome(planned, Verdict::Passed, Deed::Patched, text, patched.get());
        }
        let deadline = Instant::now() + self.options.timeout;
        match self.verify(&planned.key, &goal, floor, deadline, tell).await {
            Ok(reason) => self.outcome(planned, Verdict::Passed, deed, reason, patched.get()),
            Err((verdict, reason)) => self.outcome(planned, verdict, Deed::NotDone, reason, patched.get()),
        }
    }

    async fn patch(&self, planned: &Planned, deadline: Instant) -> Result<Effect, OperationError> {
        let (retry_first, revision) = match &planned.decision {
            Decision::Done(text) | Decision::Skip(text) => return Ok(Effect::Already(text.clone())),
            Decision::Act { retry_first, revision, .. } => (*retry_first, revision.as_deref()),
        };
        let key = &planned.key;
        let api: Api<Rollout> = Api::namespaced(self.client.clone(), &key.namespace);
        let operate = async |operation: Operation, basis: Basis, floor: Option<u64>| {
            let look = async |stale: Option<&str>| {
                let rollout = self.judgeable(key, operation, stale, floor, deadline).await?;
                self.guarded(operation, rollout)
            };
            // A pause and a restart are of the Rollout, whatever its template is by now.
            let basis = (!matches!(operation, Operation::Pause | Operation::Restart { .. })).then_some(basis);
            perform_seen(&api, operation, basis, deadline, look).await
        };
        let mut basis = planned.basis.clone();
        let mut floor = None;
        if retry_first {
            if let Effect::Patched(retried) = operate(Operation::Retry, basis.clone(), None).await? {
                // The watch may still show the aborted state, which the next operation would be refused for.
                floor = watching::version(&retried);
            }
            basis = basis.at_any_step();
        }
        match (self.task, revision) {
            (Task::Operate(operation), _) => operate(operation, basis, floor).await,
            (Task::Undo { .. }, Some(revision)) => {
                let rollout = self.board.now(key).ok_or_else(|| watching::gone(key))?;
                if let Err(overtaken) = basis.still_holds(&Basis::of(&rollout)) {
                    return Err(OperationError::Overtaken { infinitive: self.task.infinitive(), overtaken });
                }
                history::undo(&self.client, &rollout, revision, deadline).await
            }
            (Task::Undo { .. }, None) => Ok(Effect::Already("there is nothing to undo".to_owned())),
        }
    }

    /// The guards of the plan again, as what was decided may have been decided before the controller had acted.
    fn guarded(&self, operation: Operation, rollout: Rollout) -> Result<Rollout, OperationError> {
        let state = State::of(&rollout);
        // One that an earlier try has promoted is not judged again.
        let again = Task::Operate(operation).promotes() && !state.promoting_fully;
        match guard::degraded(&state, self.options.include) {
            Some(reason) if again && !state.aborted => {
                Err(OperationError::Refused { operation, refusal: Refusal::Impossible { reason, instead: None } })
            }
            _ => Ok(rollout),
        }
    }

    fn goal(&self, planned: &Planned, after: &Rollout) -> Goal {
        match self.task {
            Task::Operate(operation) => Goal::of(operation, &State::of(after).current_hash),
            Task::Undo { .. } => Goal::Returned { from: planned.state.current_hash.clone() },
        }
    }

    fn outcome(
        &self,
        planned: &Planned,
        verdict: Verdict,
        deed: Deed,
        reason: String,
        patched_ms: Option<u64>,
    ) -> Outcome {
        Outcome {
            key: planned.key.clone(),
            verdict,
            deed,
            reason,
            patched_ms,
            ended_ms: clock::millis_between(self.started, Instant::now()),
            before: Some(planned.state.clone()),
            after: self.board.now(&planned.key).map(|rollout| State::of(&rollout)),
        }
    }
}

#[cfg(test)]
mod tests;
