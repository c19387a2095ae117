use super::super::api::{TrafficRouting, TrafficWeights, WORKLOAD_GENERATION, WeightDestination, WorkloadRef};
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
        ("overdue", "Degraded: ProgressDeadlineExceeded: ReplicaSet \"overdue-5dbc6c5bf8\" has timed out progressing."),
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
        canary.traffic_routing = Some(TrafficRouting { max_traffic_weight: Some(1000), ..TrafficRouting::default() });
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
