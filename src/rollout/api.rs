//! The Rollout resource, as far as this program reads or writes it. Fields that are not named here are not lost: the API server keeps
//! them, as objects are only ever patched.
//!
//! <https://argo-rollouts.readthedocs.io/en/stable/features/specification/>

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::CustomResource;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The label by which the controller tells the pods of one template from those of another.
pub const POD_HASH_LABEL: &str = "rollouts-pod-template-hash";
/// The annotation in which the controller keeps the generation of a referenced workload.
pub const WORKLOAD_GENERATION: &str = "rollout.argoproj.io/workload-generation";
/// The annotation with the revision, a number that grows with every change of the template.
pub const REVISION: &str = "rollout.argoproj.io/revision";

/// What a Rollout should be.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "argoproj.io",
    version = "v1alpha1",
    kind = "Rollout",
    plural = "rollouts",
    namespaced,
    status = "RolloutStatus",
    schema = "disabled",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase", default)]
pub struct RolloutSpec {
    /// The number of pods; the controller fills in 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// The pods that belong to it; absent where `workload_ref` tells them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
    /// The pods' template; absent where `workload_ref` tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<PodTemplateSpec>,
    /// The workload in which the template lives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workload_ref: Option<WorkloadRef>,
    /// How an update goes on.
    pub strategy: Strategy,
    /// Whether somebody has paused it by hand.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// How many old `ReplicaSet`s are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision_history_limit: Option<i32>,
    /// Seconds without progress after which the controller calls it Degraded; 600 where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress_deadline_seconds: Option<i32>,
    /// Pods older than this (RFC 3339) are replaced one after another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_at: Option<String>,
}

/// The workload that a Rollout takes its template from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkloadRef {
    /// The kind, such as `Deployment`.
    pub kind: String,
    /// The name.
    pub name: String,
}

/// How an update goes on: canary or blue-green.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Strategy {
    /// Step by step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,
    /// All at once, beside the old pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blue_green: Option<Map<String, Value>>,
}

/// The canary strategy.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Canary {
    /// The Service whose selector the controller points at the canary pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary_service: Option<String>,
    /// The Service whose selector the controller points at the stable pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stable_service: Option<String>,
    /// The steps of an update, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<CanaryStep>,
    /// What weighs the traffic; without it, the numbers of pods do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traffic_routing: Option<TrafficRouting>,
    /// How many pods there may be beyond the wanted number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_surge: Option<IntOrString>,
    /// How many pods may be missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_unavailable: Option<IntOrString>,
    /// What canary pods carry while they are that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary_metadata: Option<PodMetadata>,
    /// What stable pods carry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stable_metadata: Option<PodMetadata>,
    /// Seconds until the old stable pods go after a full promotion; with traffic routing only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale_down_delay_seconds: Option<i32>,
    /// Seconds until the canary pods go after an abort; with traffic routing only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abort_scale_down_delay_seconds: Option<i32>,
}

/// Labels and annotations of pods.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PodMetadata {
    /// The labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// One step; exactly one of its fields is set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CanaryStep {
    /// The canary's share, in percent (of `maxTrafficWeight` where that is set).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_weight: Option<i32>,
    /// A stop, for a time or until somebody promotes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pause: Option<PauseStep>,
    /// An analysis that has to succeed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub analysis: Option<AnalysisStep>,
    /// Any other step, by its name.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl CanaryStep {
    /// A step that sets the canary's weight.
    pub fn weight(percent: i32) -> Self {
        Self { set_weight: Some(percent), ..Self::default() }
    }

    /// A step that waits until somebody promotes.
    pub fn pause() -> Self {
        Self { pause: Some(PauseStep::default()), ..Self::default() }
    }
}

impl std::fmt::Display for CanaryStep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.set_weight, &self.pause, &self.analysis) {
            (Some(weight), ..) => write!(f, "setWeight {weight}"),
            (_, Some(PauseStep { duration: None }), _) => f.write_str("pause"),
            (_, Some(PauseStep { duration: Some(IntOrString::Int(seconds)) }), _) => write!(f, "pause {seconds}s"),
            (_, Some(PauseStep { duration: Some(IntOrString::String(text)) }), _) => write!(f, "pause {text}"),
            (.., Some(_)) => f.write_str("analysis"),
            _ => f.write_str(self.other.keys().next().map_or("an empty step", String::as_str)),
        }
    }
}

/// A stop in an update.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PauseStep {
    /// How long: seconds, or a text such as `5m`; until somebody promotes where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<IntOrString>,
}

/// An analysis in an update.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AnalysisStep {
    /// The templates whose metrics it takes.
    pub templates: Vec<AnalysisTemplateRef>,
}

/// The name of an `AnalysisTemplate`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AnalysisTemplateRef {
    /// The name.
    pub template_name: String,
}

/// What weighs the traffic.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TrafficRouting {
    /// The whole of the weights; 100 where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_traffic_weight: Option<i32>,
    /// The routers with their settings, by name: `traefik`, `nginx`, `alb`, …
    #[serde(flatten)]
    pub routers: Map<String, Value>,
}

/// How a Rollout stands, as its controller tells it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RolloutStatus {
    /// Whether the update is aborted.
    pub abort: bool,
    /// When the controller acted upon an abort (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aborted_at: Option<String>,
    /// What it is paused for.
    pub pause_conditions: Vec<PauseCondition>,
    /// Whether the controller has paused it. True without any pause condition: somebody has just ended the pause, and the controller
    /// has not seen that yet.
    pub controller_pause: bool,
    /// The hash of the template that the spec asks for.
    pub current_pod_hash: String,
    /// The hash of the stable template; empty until the first deployment is done.
    #[serde(rename = "stableRS")]
    pub stable_rs: String,
    /// All pods.
    pub replicas: i32,
    /// Pods of the current template.
    pub updated_replicas: i32,
    /// Pods that are ready.
    pub ready_replicas: i32,
    /// Pods that are available.
    pub available_replicas: i32,
    /// The index of the running step, from 0; the number of steps where all are done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_step_index: Option<i32>,
    /// The generation that the controller has acted upon, as a text; before 0.10 a hash.
    pub observed_generation: String,
    /// The generation of the referenced workload that the controller has acted upon.
    pub workload_observed_generation: String,
    /// The conditions.
    pub conditions: Vec<Condition>,
    /// What belongs to the canary strategy.
    pub canary: CanaryStatus,
    /// Whether a full promotion is under way.
    pub promote_full: bool,
    /// The phase; empty before 1.0.
    pub phase: String,
    /// Why it is in this phase.
    pub message: String,
    /// The `restartAt` up to which all pods are replaced (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restarted_at: Option<String>,
}

/// Why a Rollout is paused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PauseCondition {
    /// The reason, such as `CanaryPauseStep`.
    pub reason: String,
    /// Since when (RFC 3339).
    pub start_time: String,
}

/// One condition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Condition {
    /// The type, such as `Progressing`.
    #[serde(rename = "type")]
    pub type_: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Why, as a word.
    pub reason: String,
    /// Why, as a text.
    pub message: String,
}

/// The status of a canary update.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CanaryStatus {
    /// The weights that the router was given; absent without traffic routing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<TrafficWeights>,
    /// The running step's analysis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_step_analysis_run_status: Option<AnalysisRunBrief>,
    /// The analysis that accompanies the update.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_background_analysis_run_status: Option<AnalysisRunBrief>,
}

/// The weights that the router was given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TrafficWeights {
    /// The canary's.
    pub canary: WeightDestination,
    /// The stable template's.
    pub stable: WeightDestination,
    /// Whether the router confirms them; absent where it cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified: Option<bool>,
}

/// One share of the traffic.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WeightDestination {
    /// The share, in percent (of `maxTrafficWeight` where that is set).
    pub weight: i32,
    /// The template that gets it.
    pub pod_template_hash: String,
}

/// An analysis run in a Rollout's status.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AnalysisRunBrief {
    /// The AnalysisRun's name.
    pub name: String,
    /// Its phase, such as `Running` or `Inconclusive`.
    pub status: String,
    /// Why it is in that phase.
    pub message: String,
}
