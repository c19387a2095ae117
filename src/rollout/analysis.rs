//! Analyses, as far as this program reads or writes them.
//!
//! <https://argo-rollouts.readthedocs.io/en/stable/features/analysis/>

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::JobSpec;
use kube::CustomResource;
use serde::{Deserialize, Serialize};

/// What an analysis measures.
#[derive(CustomResource, Debug, Clone, Default, Serialize, Deserialize)]
#[kube(group = "argoproj.io", version = "v1alpha1", kind = "AnalysisTemplate", namespaced, schema = "disabled")]
#[serde(default)]
pub struct AnalysisTemplateSpec {
    /// The metrics; all of them have to succeed.
    pub metrics: Vec<Metric>,
}

/// One metric.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Metric {
    /// Its name.
    pub name: String,
    /// Where it comes from.
    pub provider: Provider,
}

/// Where a metric comes from.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Provider {
    /// A job: it succeeds or fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<JobProvider>,
}

/// A job as a metric.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct JobProvider {
    /// The job.
    pub spec: JobSpec,
}

/// One run of an analysis. Its spec is a copy of the templates'.
#[derive(CustomResource, Debug, Clone, Default, Serialize, Deserialize)]
#[kube(
    group = "argoproj.io",
    version = "v1alpha1",
    kind = "AnalysisRun",
    namespaced,
    status = "AnalysisRunStatus",
    schema = "disabled"
)]
#[serde(default)]
pub struct AnalysisRunSpec {
    /// Whether the controller has called it off. It then ends `Successful` unless something failed before, and proves nothing:
    /// <https://argo-rollouts.readthedocs.io/en/stable/features/analysis/>
    pub terminate: bool,
}

/// How a run stands.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AnalysisRunStatus {
    /// `Pending`, `Running`, `Successful`, `Failed`, `Error` or `Inconclusive`; empty before it has begun.
    pub phase: String,
    /// Why.
    pub message: String,
    /// What each metric came to.
    pub metric_results: Vec<MetricResult>,
}

/// What a metric came to.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct MetricResult {
    /// The metric's name.
    pub name: String,
    /// Its phase.
    pub phase: String,
    /// Its latest measurements.
    pub measurements: Vec<Measurement>,
}

/// One measurement.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Measurement {
    /// Its phase.
    pub phase: String,
    /// What the provider adds: `job-name` and `job-namespace`.
    pub metadata: BTreeMap<String, String>,
}
