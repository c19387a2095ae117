//! Analyses: one that passes lets the update go on, one that fails aborts it by itself.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::JobSpec;
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::runtime::watcher;
use kube::{Api, ResourceExt};
use serde_json::json;

use super::manifests::{self, CANARY, Plan, STABLE, template_of, version};
use super::scene::{Aborts, Scene};
use super::settings::Options;
use super::story::is_aborted;
use crate::cluster::Look;
use crate::cluster::pods::pod_spec;
use crate::cluster::scratch::named;
use crate::context::{Context, Step};
use crate::failure::Failure;
use crate::rollout::Rollout;
use crate::rollout::analysis::{AnalysisRun, AnalysisTemplate, AnalysisTemplateSpec, JobProvider, Metric, Provider};
use crate::rollout::api::{AnalysisStep, AnalysisTemplateRef, CanaryStep, POD_HASH_LABEL};

/// The label with the index of the step that an AnalysisRun belongs to.
const STEP_INDEX: &str = "step-index";
/// The metric's name.
const METRIC: &str = "job";

/// The two analyses of the update: which exit code the job has, and how the run has to end.
const PASSING: (u8, &str) = (0, "Successful");
const FAILING: (u8, &str) = (1, "Failed");

/// One pod is enough: at half the weight there is one of each template.
const REPLICAS: i32 = 1;
const WEIGHT: i32 = 50;
/// The steps at which the analyses run, as the controller labels them.
const PASSING_STEP: &str = "1";
const FAILING_STEP: &str = "2";

/// Proves both in one update: it can only reach the failing analysis if the passing one has let it go on.
pub(super) async fn prove(cx: &Context, options: &Options) -> Result<(), Failure> {
    let name = cx.scratch.name("analysed");
    let scene = Scene::new(cx, &name, options.controller_timeout);
    let (rollout, stable) = cx
        .step("analysis: first revision healthy", async |step| {
            let passing = template(cx, step, "passing", PASSING.0).await?;
            let failing = template(cx, step, "failing", FAILING.0).await?;
            let steps = vec![CanaryStep::weight(WEIGHT), analysis(&passing), analysis(&failing)];
            let plan = Plan { name: name.clone(), replicas: REPLICAS, steps, routed: None };
            let rollout = cx.create(step, manifests::rollout(cx, plan)).await?;
            cx.scratch.remove_first(&rollout);
            let expected = "the first revision to be Healthy without any step";
            let (hash, pods) = scene
                .until(step, expected, Aborts::Unwanted, |view| {
                    let hash = view.state.current_hash.clone();
                    let done = view.state.is_healthy_with(&hash) && view.has(&hash, REPLICAS, STABLE);
                    done.then(|| (hash.clone(), view.of(&hash)))
                })
                .await?;
            step.evidence("stable", pods);
            Ok((rollout, hash))
        })
        .await?;
    let canary = cx
        .step("analysis: a passing run lets the update go on", async |step| {
            cx.patch::<Rollout>(step, &name, &template_of(&rollout, &version(2))).await?;
            let expected = "a canary beside the stable pod, at the analysis";
            let canary = scene
                .until(step, expected, Aborts::Wanted, |view| {
                    let hash = &view.state.current_hash;
                    let there = view.state.in_flight && view.state.stable_hash == stable && !hash.is_empty();
                    // The failing analysis may already have aborted what this one let go on.
                    (there && (view.has(hash, 1, CANARY) || view.state.aborted)).then(|| hash.clone())
                })
                .await?;
            ended(cx, step, &rollout, &canary, PASSING_STEP, PASSING.1).await?;
            Ok(canary)
        })
        .await?;
    cx.step("analysis: a failing run aborts by itself", async |step| {
        ended(cx, step, &rollout, &canary, FAILING_STEP, FAILING.1).await?;
        let expected = "the update to be aborted by its analysis, and the stable pod alone";
        let (state, pods) = scene
            .until(step, expected, Aborts::Wanted, |view| {
                let back = is_aborted(view)
                    && view.state.stable_hash == stable
                    && view.has(&stable, REPLICAS, STABLE)
                    && view.others(&stable) == 0;
                back.then(|| (view.state.clone(), view.of(&stable)))
            })
            .await?;
        step.evidence("phase", state.phase);
        step.evidence("message", &state.message);
        step.evidence("stable", pods);
        Ok(())
    })
    .await
}

/// An AnalysisTemplate of one job that ends with `code`.
async fn template(cx: &Context, step: &Step, part: &str, code: u8) -> Result<String, Failure> {
    let name = cx.scratch.name(part);
    let (code, line) = (code.to_string(), format!("analysis {part}: exit code {code}"));
    let mut pod = pod_spec(&cx.core.image, &["probe", "exit", "--code", &code, "--line", &line], &[], false);
    pod.restart_policy = Some("Never".to_owned());
    let job = JobSpec {
        // Its one answer counts.
        backoff_limit: Some(0),
        template: PodTemplateSpec {
            metadata: Some(ObjectMeta { labels: Some(cx.scratch.labels()), ..ObjectMeta::default() }),
            spec: Some(pod),
        },
        ..JobSpec::default()
    };
    let metric = Metric { name: METRIC.to_owned(), provider: Provider { job: Some(JobProvider { spec: job }) } };
    let mut template = AnalysisTemplate::new(&name, AnalysisTemplateSpec { metrics: vec![metric] });
    template.metadata = named(&name);
    cx.create(step, template).await?;
    Ok(name)
}

fn analysis(template: &str) -> CanaryStep {
    let templates = vec![AnalysisTemplateRef { template_name: template.to_owned() }];
    CanaryStep { analysis: Some(AnalysisStep { templates }), ..CanaryStep::default() }
}

/// Waits until the AnalysisRun of a step has ended, as it should.
async fn ended(
    cx: &Context,
    step: &Step,
    rollout: &Rollout,
    canary: &str,
    index: &str,
    phase: &str,
) -> Result<(), Failure> {
    let runs: Api<AnalysisRun> = cx.api();
    let selection = watcher::Config::default().labels(&format!("{POD_HASH_LABEL}={canary},{STEP_INDEX}={index}"));
    let owner = rollout.uid().unwrap_or_default();
    let expected = format!("the AnalysisRun of step {} to end {phase}", index.parse::<u32>().unwrap_or_default() + 1);
    let run = step
        .wait_for_all(&runs, selection, &expected, |runs| judge(runs, &owner, phase))
        .await
        .map_err(|failure| failure.next(format!("kubectl get analysisruns,jobs -n {}", cx.scratch.namespace)))?;
    let status = run.status.clone().unwrap_or_default();
    step.evidence("analysisRun", run.name_any());
    step.evidence("uid", run.uid());
    step.evidence("phase", &status.phase);
    let measured = status.metric_results.iter().flat_map(|result| &result.measurements);
    let jobs: Vec<_> = measured.map(|m| json!({"phase": m.phase, "job": m.metadata.get("job-name")})).collect();
    step.evidence("measurements", jobs);
    Ok(())
}

/// What to make of the runs of one step: those of other Rollouts do not count, and an end that is not the right one is final.
fn judge(runs: &BTreeMap<String, AnalysisRun>, owner: &str, phase: &str) -> Look<AnalysisRun> {
    let of_owner = |run: &&AnalysisRun| run.owner_references().iter().any(|reference| reference.uid == owner);
    let mut ours = runs.values().filter(of_owner).peekable();
    if ours.peek().is_none() {
        return Look::NotYet("no AnalysisRun".to_owned());
    }
    // The controller calls a run off that it no longer knows of, and starts another one: only that one measures to the end.
    let Some(run) = ours.find(|run| !run.spec.terminate) else {
        return Look::NotYet("only AnalysisRuns that the controller has called off".to_owned());
    };
    let status = run.status.clone().unwrap_or_default();
    let line = format!(
        "AnalysisRun {} is {}{}",
        run.name_any(),
        or(&status.phase, "not started"),
        after_colon(&status.message)
    );
    if status.phase == phase {
        return Look::Found(run.clone());
    }
    match status.phase.as_str() {
        "Successful" | "Failed" | "Error" | "Inconclusive" => Look::never(line),
        _ => Look::NotYet(line),
    }
}

fn or<'a>(text: &'a str, other: &'a str) -> &'a str {
    if text.is_empty() { other } else { text }
}

fn after_colon(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(owner: &str, phase: &str) -> BTreeMap<String, AnalysisRun> {
        let run = serde_json::from_value(json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisRun",
            "metadata": {"name": "r", "ownerReferences": [{"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "x", "uid": owner}]},
            "spec": {}, "status": {"phase": phase, "message": "metric \"job\" said so"},
        }));
        [("ns/r".to_owned(), run.unwrap())].into()
    }

    #[test]
    fn only_the_right_end_is_right() {
        assert!(matches!(judge(&runs("u", "Successful"), "u", "Successful"), Look::Found(_)));
        assert!(matches!(judge(&runs("u", "Running"), "u", "Successful"), Look::NotYet(_)));
        assert!(matches!(judge(&runs("u", ""), "u", "Successful"), Look::NotYet(_)));
        for (ended, wanted) in
            [("Failed", "Successful"), ("Successful", "Failed"), ("Error", "Failed"), ("Inconclusive", "Successful")]
        {
            let Look::Never(failure) = judge(&runs("u", ended), "u", wanted) else { panic!("{ended} for {wanted}") };
            assert!(failure.seen.contains(ended) && failure.seen.contains("said so"), "{}", failure.seen);
        }
    }

    #[test]
    fn a_run_that_was_called_off_proves_nothing() {
        let mut called_off = runs("u", "Successful");
        called_off.values_mut().for_each(|run| run.spec.terminate = true);
        assert!(matches!(judge(&called_off, "u", "Successful"), Look::NotYet(_)));
        assert!(matches!(judge(&called_off, "u", "Failed"), Look::NotYet(_)));
        called_off.insert("ns/s".to_owned(), runs("u", "Failed").remove("ns/r").unwrap());
        assert!(matches!(judge(&called_off, "u", "Failed"), Look::Found(_)));
    }

    #[test]
    fn the_run_of_another_rollout_does_not_count() {
        assert!(matches!(judge(&runs("other", "Successful"), "u", "Successful"), Look::NotYet(_)));
        assert!(matches!(judge(&BTreeMap::new(), "u", "Successful"), Look::NotYet(_)));
    }
}
