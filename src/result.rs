//! The result of a run as data. Every output is drawn from it; its JSON is the report's versioned schema.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::failure::{Failure, ObjectRef};
use crate::verdict::Verdict;

/// The version of the report's schema. Readers refuse a major version that they do not know.
pub const SCHEMA: &str = "kibertas-rs/report/v1";

/// The version of the schema of several runs in one report.
pub const SCHEMA_OF_RUNS: &str = "kibertas-rs/reports/v1";

/// Runs against several clusters side by side, in the order in which the clusters were given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Runs {
    /// The schema's version, `kibertas-rs/reports/v1`.
    #[schemars(regex(pattern = r"^kibertas-rs/reports/v1(\.[0-9]+)?$"))]
    pub schema: String,
    /// The runs, one a cluster.
    pub runs: Vec<RunResult>,
}

/// One run against one cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunResult {
    /// The schema's version, `kibertas-rs/report/v1`.
    #[schemars(regex(pattern = r"^kibertas-rs/report/v1(\.[0-9]+)?$"))]
    pub schema: String,
    /// The version of the program that ran.
    pub version: String,
    /// The run's id; every object that it created carries it as a label.
    pub run: String,
    /// The cluster.
    pub target: Target,
    /// When the run started (RFC 3339, UTC).
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub started: Timestamp,
    /// How long the run took, clean-up included, in milliseconds.
    pub duration_ms: u64,
    /// The worst of the checks' verdicts.
    pub verdict: Verdict,
    /// The process's exit code.
    pub exit_code: u8,
    /// The checks, in the registry's order.
    pub checks: Vec<CheckResult>,
    /// The harness's own settings that the run had; secrets are masked.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, String>,
    /// What else the reader should know, such as a report that could not be written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<String>,
}

/// The cluster that a run touched.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// What the cluster is called.
    pub name: String,
    /// The API server's URL.
    pub server: String,
    /// The kubeconfig's context; absent inside a cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// The version that the API server tells, such as `v1.34.4`.
    pub kubernetes: String,
    /// The versions of the add-ons whose workloads were found, by the add-on's name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub add_ons: BTreeMap<String, String>,
}

/// One check's outcome.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckResult {
    /// The check's name.
    pub name: String,
    /// Its verdict, clean-up included.
    pub verdict: Verdict,
    /// Why it did not pass or was skipped, in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why it did not pass, in full.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// The start, in milliseconds after the run's.
    pub start_ms: u64,
    /// From its start to its verdict, without clean-up, in milliseconds.
    pub duration_ms: u64,
    /// The namespace that it worked in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The steps in the order in which they started.
    pub steps: Vec<StepResult>,
    /// What became of the objects that it created; absent where it created none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleanup: Option<CleanupResult>,
    /// The number of requests to the API server, watches included.
    pub api_requests: u64,
    /// The settings that it ran with; secrets are masked.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, String>,
}

impl CheckResult {
    /// A check that was not begun; `start_ms` is in milliseconds after the run's start.
    pub fn not_begun(
        name: &str,
        verdict: Verdict,
        reason: String,
        start_ms: u64,
        settings: BTreeMap<String, String>,
    ) -> Self {
        Self {
            name: name.to_owned(),
            verdict,
            reason: Some(reason),
            failure: None,
            start_ms,
            duration_ms: 0,
            namespace: None,
            steps: Vec::new(),
            cleanup: None,
            api_requests: 0,
            settings,
        }
    }

    /// The step that the check did not pass; `None` where it passed, or broke between its steps.
    pub fn broken_step(&self) -> Option<&StepResult> {
        let failure = self.failure.as_ref()?;
        let same = self.steps.iter().rev().find(|step| step.failure.as_ref() == Some(failure));
        let alike = || self.steps.iter().rev().find(|step| step.failure.is_some() && step.verdict == failure.verdict);
        same.or_else(alike)
    }

    /// The number of steps that passed.
    pub fn passed_steps(&self) -> usize {
        self.steps.iter().filter(|step| step.verdict == Verdict::Passed).count()
    }
}

/// One step's outcome.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepResult {
    /// The step's name; the same in every run, so that runs can be compared.
    pub name: String,
    /// Its verdict.
    pub verdict: Verdict,
    /// The start, in milliseconds after the run's.
    pub start_ms: u64,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// What was seen, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub evidence: BTreeMap<String, Value>,
    /// Why it did not pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// What became of the objects that a check created.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CleanupResult {
    /// `passed`: all are gone; `failed`: some are left; `inconclusive`: could not tell; `skipped`: kept on demand.
    pub verdict: Verdict,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// What is left, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub survivors: Vec<Survivor>,
}

/// An object that could not be removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Survivor {
    /// The object.
    pub object: ObjectRef,
    /// What holds it: finalizers, or the API server's answer.
    pub held_by: Vec<String>,
}

/// The JSON Schema of the report of one run.
pub fn json_schema() -> Value {
    schemars::schema_for!(RunResult).to_value()
}

/// The JSON Schema of the report of several runs.
pub fn json_schema_of_runs() -> Value {
    schemars::schema_for!(Runs).to_value()
}
