//! How a Rollout stands: a pure function of the object.
//!
//! A Rollout's own `status.phase` is only true once the controller has seen the object as it is now. [`State::of`] therefore answers
//! `Progressing`, with the reason, as long as that is not so
//! (<https://github.com/argoproj/argo-rollouts/blob/v1.10.1/utils/rollout/rolloututil.go>).

use kube::ResourceExt;
use serde::Serialize;

use super::Rollout;
use super::api::{AnalysisRunBrief, Canary, RolloutStatus, WORKLOAD_GENERATION};

/// The whole of the weights where the Rollout says nothing else.
const MAX_WEIGHT: i32 = 100;

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

/// Whether the status is that of the object as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Currency {
    /// It is.
    Current,
    /// No controller has ever looked at the object.
    NeverObserved,
    /// The controller has not seen the last change of the spec.
    SpecPending {
        /// The object's generation.
        generation: i64,
        /// The one that the controller acted upon.
        observed: i64,
    },
    /// The controller has not seen the last change of the referenced workload.
    WorkloadPending {
        /// The workload's generation.
        generation: i64,
        /// The one that the controller acted upon.
        observed: i64,
    },
    /// Somebody has ended a pause, and the controller has not gone on yet. A second promotion now would skip a step.
    UnpausePending,
    /// Somebody has asked for a full promotion, and the controller has not gone on yet.
    PromotionPending,
    /// Somebody has aborted the update, and the controller has not acted yet.
    AbortPending,
    /// Somebody has asked for another try of an aborted update, and the controller has not acted yet.
    RetryPending,
}

impl Currency {
    /// Whether the status can be trusted.
    pub fn is_current(&self) -> bool {
        *self == Self::Current
    }

    /// Whether the controller has seen spec and workload as they are now; an operation may still be pending.
    pub fn is_observed(&self) -> bool {
        !matches!(self, Self::NeverObserved | Self::SpecPending { .. } | Self::WorkloadPending { .. })
    }
}

impl std::fmt::Display for Currency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Current => f.write_str("the status is current"),
            Self::NeverObserved => f.write_str("no controller has looked at it (no status.observedGeneration)"),
            Self::SpecPending { generation, observed } => {
                write!(f, "the controller has seen generation {observed} of the spec, not yet {generation}")
            }
            Self::WorkloadPending { generation, observed } => {
                write!(
                    f,
                    "the controller has seen generation {observed} of the referenced workload, not yet {generation}"
                )
            }
            Self::UnpausePending => f.write_str("its pause was ended, and the controller has not gone on yet"),
            Self::PromotionPending => f.write_str("it was promoted in full, and the controller has not gone on yet"),
            Self::AbortPending => f.write_str("it was aborted, and the controller has not acted yet"),
            Self::RetryPending => f.write_str("another try was asked for, and the controller has not acted yet"),
        }
    }
}

/// Where an update stands among its steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepPosition {
    /// The index of the running step, from 0; equal to `total` when all are done.
    pub index: i32,
    /// The number of steps.
    pub total: i32,
    /// The running step in words; absent when all are done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
}

impl StepPosition {
    /// Whether no step is left.
    pub fn is_done(&self) -> bool {
        self.index >= self.total
    }
}

impl std::fmt::Display for StepPosition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.step {
            Some(step) => write!(f, "step {}/{} ({step})", self.index + 1, self.total),
            None => write!(f, "all {} steps done", self.total),
        }
    }
}

/// The canary's share of the traffic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Weights {
    /// What the steps ask for, in parts of `whole`.
    pub desired: i32,
    /// What the router was given, in parts of `whole`; absent without traffic routing, where the numbers of pods tell it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub routed: Option<i32>,
    /// All of the traffic: 100, or `maxTrafficWeight`.
    pub whole: i32,
    /// Whether the router confirms it; absent where it cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified: Option<bool>,
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
    /// Why the controller has paused it, such as `CanaryPauseStep`.
    pub pauses: Vec<String>,
    /// Whether somebody has paused it by hand (`spec.paused`).
    pub paused_by_hand: bool,
    /// Whether the update is aborted.
    pub aborted: bool,
    /// Whether a full promotion is under way.
    pub promoting_fully: bool,
    /// What is wrong with the spec, if the controller says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invalid: Option<String>,
    /// Whether it made no progress for `progressDeadlineSeconds`. It may still go on.
    pub overdue: bool,
    /// The running step's analysis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub analysis: Option<AnalysisRunBrief>,
}

impl State {
    /// Reads a Rollout.
    pub fn of(rollout: &Rollout) -> Self {
        let nothing = RolloutStatus::default();
        let status = rollout.status.as_ref().unwrap_or(&nothing);
        let currency = currency_of(rollout, status);
        let (phase, message) = if currency.is_current() {
            (phase_of(&status.phase), status.message.clone())
        } else {
            (Phase::Progressing, currency.to_string())
        };
        let canary = rollout.spec.strategy.canary.as_ref();
        let condition = |type_: &str| status.conditions.iter().find(|c| c.type_ == type_);
        Self {
            phase,
            message,
            currency,
            in_flight: !status.stable_rs.is_empty() && status.stable_rs != status.current_pod_hash,
            current_hash: status.current_pod_hash.clone(),
            stable_hash: status.stable_rs.clone(),
            step: canary.and_then(|canary| position_of(canary, status)),
            weights: canary.map(|canary| weights_of(canary, status)),
            pauses: status.pause_conditions.iter().map(|pause| pause.reason.clone()).collect(),
            paused_by_hand: rollout.spec.paused,
            aborted: status.abort,
            promoting_fully: status.promote_full,
            invalid: condition("InvalidSpec").map(|c| c.message.clone()),
            overdue: condition("Progressing").is_some_and(|c| c.reason == "ProgressDeadlineExceeded"),
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

fn currency_of(rollout: &Rollout, status: &RolloutStatus) -> Currency {
    let generation = rollout.metadata.generation.unwrap_or_default();
    if status.observed_generation.is_empty() {
        return Currency::NeverObserved;
    }
    // Versions before 0.10 write a hash here, which says nothing about generations.
    if let Ok(observed) = status.observed_generation.parse::<i64>()
        && observed < generation
    {
        return Currency::SpecPending { generation, observed };
    }
    if rollout.spec.workload_ref.is_some()
        && let Some(Ok(generation)) = rollout.annotations().get(WORKLOAD_GENERATION).map(|text| text.parse::<i64>())
        && let Ok(observed) = status.workload_observed_generation.parse::<i64>()
        && observed != generation
    {
        return Currency::WorkloadPending { generation, observed };
    }
    // These operations change the status alone, so that no generation tells whether the controller has acted upon them.
    match status {
        RolloutStatus { abort: true, aborted_at: None, .. } => Currency::AbortPending,
        RolloutStatus { abort: false, aborted_at: Some(_), .. } => Currency::RetryPending,
        RolloutStatus { promote_full: true, pause_conditions, .. } if !pause_conditions.is_empty() => {
            Currency::PromotionPending
        }
        RolloutStatus { controller_pause: true, pause_conditions, .. } if pause_conditions.is_empty() => {
            Currency::UnpausePending
        }
        _ => Currency::Current,
    }
}

fn position_of(canary: &Canary, status: &RolloutStatus) -> Option<StepPosition> {
    let total = i32::try_from(canary.steps.len()).ok().filter(|total| *total > 0)?;
    let index = status.current_step_index.unwrap_or_default();
    let running = usize::try_from(index).ok().and_then(|index| canary.steps.get(index));
    Some(StepPosition { index, total, step: running.map(ToString::to_string) })
}

fn weights_of(canary: &Canary, status: &RolloutStatus) -> Weights {
    let routing = canary.traffic_routing.as_ref();
    let whole = routing.and_then(|routing| routing.max_traffic_weight).unwrap_or(MAX_WEIGHT);
    let given = status.canary.weights.as_ref().filter(|_| routing.is_some());
    Weights {
        desired: desired_weight(canary, status, whole),
        routed: given.map(|weights| weights.canary.weight),
        whole,
        verified: given.and_then(|weights| weights.verified),
    }
}

/// The last weight that the steps have set so far: nothing of an aborted update, everything once all steps are done.
fn desired_weight(canary: &Canary, status: &RolloutStatus, whole: i32) -> i32 {
    if status.abort {
        return 0;
    }
    if status.promote_full {
        return whole;
    }
    let index = usize::try_from(status.current_step_index.unwrap_or_default()).unwrap_or_default();
    if index >= canary.steps.len() {
        return whole;
    }
    canary.steps[..=index].iter().rev().find_map(|step| step.set_weight).unwrap_or_default()
}
