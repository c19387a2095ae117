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
        let currency = currency_of(rollout, status);
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
            step: canary.and_then(|canary| position_of(canary, status)),
            weights: canary.map(|canary| weights_of(canary, status)),
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

#[cfg(test)]
mod tests {
    use super::super::api::{TrafficRouting, TrafficWeights, WeightDestination, WorkloadRef};
    use super::super::recorded::{rollout, rollout_with};
    use super::*;

    fn state(name: &str) -> State {
        State::of(&rollout(name))
    }

    #[test]
    fn every_recorded_state_is_read() {
        let lines = [
            ("never-observed", "Progressing: no controller has looked at it (no status.observedGeneration)"),
            ("first-deployment", "Progressing: more replicas need to be updated"),
            ("healthy", "Healthy"),
            ("spec-pending", "Progressing: the controller has seen generation 2 of the spec, not yet 3"),
            ("progressing", "Progressing: more replicas need to be updated, step 1/4 (setWeight 25)"),
            ("paused", "Paused: CanaryPauseStep, step 2/4 (pause)"),
            (
                "unpause-pending",
                "Progressing: its pause was ended, and the controller has not gone on yet, step 2/4 (pause)",
            ),
            (
                "promotion-pending",
                "Progressing: it was promoted in full, and the controller has not gone on yet, step 4/4 (pause)",
            ),
            ("promoting-in-full", "Progressing: more replicas need to be updated, all 4 steps done"),
            ("abort-pending", "Progressing: it was aborted, and the controller has not acted yet, step 2/4 (pause)"),
            ("aborted", "Degraded: RolloutAborted: Rollout aborted update to revision 3, step 1/4 (setWeight 25)"),
            (
                "retry-pending",
                "Progressing: another try was asked for, and the controller has not acted yet, step 1/4 (setWeight 25)",
            ),
            (
                "invalid-spec",
                "Degraded: InvalidSpec: The Rollout \"invalid\" is invalid: spec.strategy.canary.canaryService: \
                 Invalid value: \"nope\": service \"nope\" not found",
            ),
            (
                "overdue",
                "Degraded: ProgressDeadlineExceeded: ReplicaSet \"overdue-5dbc6c5bf8\" has timed out progressing.",
            ),
            ("analysis-running", "Progressing: old replicas are pending termination, step 2/3 (analysis)"),
            ("inconclusive", "Paused: InconclusiveAnalysisRun, step 2/3 (analysis)"),
            ("blue-green-healthy", "Healthy"),
            ("blue-green-paused", "Paused: BlueGreenPause"),
        ];
        for (name, line) in lines {
            assert_eq!(state(name).to_string(), line, "{name}");
        }
    }

    /// What the controller still records from before a change is not to be taken for the present.
    #[test]
    fn a_healthy_phase_of_an_earlier_generation_is_not_healthy() {
        let stale = rollout("spec-pending");
        assert_eq!(stale.status.as_ref().unwrap().phase, "Healthy");
        let state = State::of(&stale);
        assert_eq!(state.phase, Phase::Progressing);
        assert!(!state.is_healthy_with(&state.stable_hash));
        assert!(self::state("healthy").is_healthy_with("8cb4c578b"));
        assert!(!self::state("healthy").is_healthy_with("84cbc6975c"));
    }

    #[test]
    fn an_ended_pause_is_not_a_pause() {
        assert!(state("paused").is_at_pause());
        for name in ["unpause-pending", "promotion-pending", "abort-pending", "inconclusive", "blue-green-paused"] {
            assert!(!state(name).is_at_pause(), "{name}");
        }
    }

    #[test]
    fn a_referenced_workload_has_its_own_generation() {
        let with = |generation: &str| {
            State::of(&rollout_with("healthy", |r| {
                r.spec.template = None;
                r.spec.workload_ref = Some(WorkloadRef { kind: "Deployment".into(), name: "web".into() });
                r.metadata.annotations.get_or_insert_default().insert(WORKLOAD_GENERATION.into(), generation.into());
                r.status.get_or_insert_default().workload_observed_generation = "4".into();
            }))
        };
        assert_eq!(with("4").phase, Phase::Healthy);
        let pending = with("5");
        assert_eq!(pending.currency, Currency::WorkloadPending { generation: 5, observed: 4 });
        assert_eq!(pending.phase, Phase::Progressing);
    }

    /// Versions before 0.10 write a hash instead of a generation.
    #[test]
    fn a_hash_for_a_generation_is_taken_as_current() {
        let old = rollout_with("healthy", |r| r.status.get_or_insert_default().observed_generation = "6f4b8c".into());
        assert_eq!(State::of(&old).phase, Phase::Healthy);
    }

    #[test]
    fn the_weight_is_that_of_the_last_step_that_set_one() {
        let desired = |name: &str| state(name).weights.unwrap().desired;
        assert_eq!(desired("progressing"), 25);
        assert_eq!(desired("paused"), 25);
        assert_eq!(desired("aborted"), 0);
        assert_eq!(desired("promoting-in-full"), 100);
        assert_eq!(desired("healthy"), 100);
        assert_eq!(state("blue-green-paused").weights, None);
    }

    #[test]
    fn routed_weights_are_the_routers() {
        let routed = rollout_with("paused", |r| {
            let canary = r.spec.strategy.canary.as_mut().unwrap();
            canary.traffic_routing =
                Some(TrafficRouting { max_traffic_weight: Some(1000), ..TrafficRouting::default() });
            let canary = WeightDestination { weight: 20, pod_template_hash: "84cbc6975c".into() };
            let weights = TrafficWeights { canary, verified: Some(false), ..TrafficWeights::default() };
            r.status.get_or_insert_default().canary.weights = Some(weights);
        });
        let weights = State::of(&routed).weights.unwrap();
        assert_eq!(weights, Weights { desired: 25, routed: Some(20), whole: 1000, verified: Some(false) });
        assert_eq!(state("paused").weights.unwrap().routed, None);
    }

    #[test]
    fn an_index_beyond_the_steps_is_the_end() {
        for index in [4, 99, -1] {
            let odd = rollout_with("paused", |r| r.status.get_or_insert_default().current_step_index = Some(index));
            let state = State::of(&odd);
            assert_eq!(state.step.unwrap().step, None, "{index}");
        }
    }
}
