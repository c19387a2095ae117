//! How a Rollout stands: a pure function of the object.
//!
//! A Rollout's own `status.phase` is only true once the controller has seen the object as it is now. [`State::of`] therefore answers
//! `Progressing`, with the reason, as long as that is not so
//! (<https://github.com/argoproj/argo-rollouts/blob/v1.10.1/utils/rollout/rolloututil.go>).

mod currency;
mod progress;
#[cfg(test)]
mod tests;

use serde::Serialize;

pub use currency::Currency;
pub use progress::{StepPosition, Weights};

use super::Rollout;
use super::api::{AnalysisRunBrief, RolloutStatus};

/// A Rollout's phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Phase {
    /// The current template is the stable one and all its pods are available.
    Healthy,
    /// It is on its way, or its status is not that of the object as it is now.
    Progressing,
    /// It waits for a promotion, or for a pause's end.
    Paused,
    /// It is aborted, invalid, or made no progress for too long.
    Degraded,
    /// The controller says nothing that this program knows.
    Unknown,
}

/// The pause that somebody made by `spec.paused`.
pub const BY_HAND: &str = "spec.paused";

/// What the controller complains about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Complaint {
    /// The spec is invalid, or refers to something that is not there; the controller looks again every 20 s.
    InvalidSpec(String),
    /// It made no progress for `progressDeadlineSeconds`. It may still go on.
    Overdue(String),
}

/// How a Rollout stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// The phase; `Progressing` while the status is not current.
    pub phase: Phase,
    /// Why it is in that phase.
    pub message: String,
    /// Whether the status is that of the object as it is now.
    pub currency: Currency,
    /// Whether there is an update: the current template is not the stable one, and there is a stable one.
    pub in_flight: bool,
    /// The hash of the template that the spec asks for; during an update the canary's.
    pub current_hash: String,
    /// The hash of the stable template; empty until the first deployment is done.
    pub stable_hash: String,
    /// Where it stands among its steps; absent without steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<StepPosition>,
    /// The canary's share; absent where the strategy is not canary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<Weights>,
    /// Why it is paused: the controller's reasons, such as `CanaryPauseStep`, and [`BY_HAND`].
    pub pauses: Vec<String>,
    /// Whether the update is aborted.
    pub aborted: bool,
    /// Whether a full promotion is under way.
    pub promoting_fully: bool,
    /// What the controller complains about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub complaint: Option<Complaint>,
    /// The running step's analysis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub analysis: Option<AnalysisRunBrief>,
}

impl State {
    /// Reads a Rollout.
    pub fn of(rollout: &Rollout) -> Self {
        let nothing = RolloutStatus::default();
        let status = rollout.status.as_ref().unwrap_or(&nothing);
        let currency = Currency::of(rollout, status);
        let (phase, message) = if currency.is_current() {
            (phase_of(&status.phase), status.message.clone())
        } else {
            (Phase::Progressing, currency.to_string())
        };
        let canary = rollout.spec.strategy.canary.as_ref();
        let mut pauses: Vec<String> = status.pause_conditions.iter().map(|pause| pause.reason.clone()).collect();
        if rollout.spec.paused {
            pauses.push(BY_HAND.to_owned());
        }
        Self {
            phase,
            message,
            currency,
            in_flight: !status.stable_rs.is_empty() && status.stable_rs != status.current_pod_hash,
            current_hash: status.current_pod_hash.clone(),
            stable_hash: status.stable_rs.clone(),
            step: canary.and_then(|canary| StepPosition::of(canary, status)),
            weights: canary.map(|canary| Weights::of(canary, status)),
            pauses,
            aborted: status.abort,
            promoting_fully: status.promote_full,
            complaint: complaint_of(status),
            analysis: status.canary.current_step_analysis_run_status.clone(),
        }
    }

    /// Whether it waits, at a pause of its steps, for somebody to promote it.
    pub fn is_at_pause(&self) -> bool {
        self.currency.is_current() && self.pauses.iter().any(|reason| reason == "CanaryPauseStep")
    }

    /// Whether the update is done: healthy, and `hash` is stable.
    pub fn is_healthy_with(&self, hash: &str) -> bool {
        self.phase == Phase::Healthy && self.stable_hash == hash && self.current_hash == hash
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.phase)?;
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        match &self.step {
            Some(step) if self.in_flight => write!(f, ", {step}"),
            _ => Ok(()),
        }
    }
}

fn phase_of(text: &str) -> Phase {
    match text {
        "Healthy" => Phase::Healthy,
        "Progressing" => Phase::Progressing,
        "Paused" => Phase::Paused,
        "Degraded" => Phase::Degraded,
        _ => Phase::Unknown,
    }
}

fn complaint_of(status: &RolloutStatus) -> Option<Complaint> {
    status.conditions.iter().find_map(|condition| match (condition.type_.as_str(), condition.reason.as_str()) {
        ("InvalidSpec", _) => Some(Complaint::InvalidSpec(condition.message.clone())),
        ("Progressing", "ProgressDeadlineExceeded") => Some(Complaint::Overdue(condition.message.clone())),
        _ => None,
    })
}
