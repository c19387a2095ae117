//! How far an update is: its step, and the canary's share of the traffic.

use serde::Serialize;

use super::super::api::{Canary, RolloutStatus};

/// The whole of the weights where the Rollout says nothing else.
const MAX_WEIGHT: i32 = 100;

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
    /// Where the steps stand; `None` without steps.
    pub(super) fn of(canary: &Canary, status: &RolloutStatus) -> Option<Self> {
        let total = i32::try_from(canary.steps.len()).ok().filter(|total| *total > 0)?;
        let index = status.current_step_index.unwrap_or_default();
        let running = usize::try_from(index).ok().and_then(|index| canary.steps.get(index));
        Some(Self { index, total, step: running.map(ToString::to_string) })
    }

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

impl Weights {
    /// What the steps ask for, and what the router was given.
    pub(super) fn of(canary: &Canary, status: &RolloutStatus) -> Self {
        let routing = canary.traffic_routing.as_ref();
        let whole = routing.and_then(|routing| routing.max_traffic_weight).unwrap_or(MAX_WEIGHT);
        let given = status.canary.weights.as_ref().filter(|_| routing.is_some());
        Self {
            desired: desired_weight(canary, status, whole),
            routed: given.map(|weights| weights.canary.weight),
            whole,
            verified: given.and_then(|weights| weights.verified),
        }
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
