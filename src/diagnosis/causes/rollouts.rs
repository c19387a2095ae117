//! Argo Rollouts: canaries that do not advance.

use super::{Cause, Finding};
use crate::diagnosis::controllers;
use crate::diagnosis::evidence::{Evidence, Object, text_of};
use crate::diagnosis::wording::{quoted, shell_word};
use crate::failure::{Certainty, Failure, Origin};

/// The causes, the more specific first.
pub(super) static CAUSES: &[Cause] = &[
    Cause {
        id: "rollout-invalid-spec",
        about: "The controller does not accept the Rollout's spec: something in it is wrong, or what it refers to is not there.",
        sign: "Its condition InvalidSpec is True.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: invalid_spec,
    },
    Cause {
        id: "analysis-error",
        about: "The analysis could not measure, so nothing is known about the canary.",
        sign: "An AnalysisRun in phase Error.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: analysis_error,
    },
    Cause {
        id: "analysis-failed",
        about: "The analysis judged the canary bad, and the controller aborted it.",
        sign: "An AnalysisRun in phase Failed.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: analysis_failed,
    },
    Cause {
        id: "analysis-inconclusive",
        about: "The analysis could not decide, and the Rollout waits for a person.",
        sign: "An AnalysisRun in phase Inconclusive.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: analysis_inconclusive,
    },
    Cause {
        id: "rollout-controller-silent",
        about: "The Argo Rollouts controller does not act.",
        sign: "It has not seen the Rollout's last change, or nobody renews its lease.",
        certainty: Certainty::Likely,
        origin: Origin::Cluster,
        find: silent,
    },
    Cause {
        id: "rollout-aborted",
        about: "The update was aborted; its traffic is back at the stable version.",
        sign: "The Rollout's status says aborted, and no analysis asked for it.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: aborted,
    },
    Cause {
        id: "rollout-deadline-exceeded",
        about: "The Rollout made no progress within its progressDeadlineSeconds.",
        sign: "Its condition Progressing has the reason ProgressDeadlineExceeded.",
        certainty: Certainty::Likely,
        origin: Origin::Cluster,
        find: deadline_exceeded,
    },
    Cause {
        id: "rollout-paused",
        about: "The Rollout is paused and waits to be promoted.",
        sign: "A pause condition or spec.paused, while the check waited for progress.",
        certainty: Certainty::Possible,
        origin: Origin::Cluster,
        find: paused,
    },
];

fn get(rollout: &Object) -> String {
    let _ = rollout;
    "kibertas-rs test rollouts --keep, then: kubectl get rollouts,analysisruns -A -l app.kubernetes.io/managed-by=kibertas-rs -o yaml".to_owned()
}

/// The Rollout that the failure is about, or the only one.
fn rollout<'a>(failure: &Failure, evidence: &'a Evidence) -> Option<&'a Object> {
    let own = evidence.referred(failure.object.as_ref()).filter(|object| object.kind() == "Rollout");
    own.or_else(|| evidence.of_kind("Rollout").next())
}

fn invalid_spec(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let rollout = rollout(failure, evidence)?;
    let condition = rollout.condition("InvalidSpec").filter(|condition| condition.status == "True")?;
    Some(
        Finding::new(format!("the controller does not accept {}: {}", rollout.reference(), quoted(condition.message)))
            .next("see that the version of the CustomResourceDefinition is that of the controller: kubectl get crd rollouts.argoproj.io -o yaml")
            .next(get(rollout)),
    )
}

/// An AnalysisRun in a phase, with what its metric said last.
fn analysis<'a>(evidence: &'a Evidence, phase: &str) -> Option<(&'a Object, String)> {
    let run = evidence.of_kind("AnalysisRun").find(|run| run.text("/status/phase") == phase)?;
    let metrics = run.list("/status/metricResults").iter();
    let measured = metrics
        .flat_map(|metric| metric.get("measurements").and_then(serde_json::Value::as_array).into_iter().flatten());
    let told = measured.map(|measurement| text_of(measurement, "message")).rfind(|message| !message.is_empty());
    let message = [run.text("/status/message"), told.unwrap_or_default()];
    Some((run, quoted(&message.iter().filter(|m| !m.is_empty()).copied().collect::<Vec<_>>().join("; "))))
}

fn analysis_error(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let (run, told) = analysis(evidence, "Error")?;
    Some(
        Finding::new(format!("AnalysisRun {} could not measure: {told}", run.name()))
            .next("see whether the metric's provider answers, and whether the controller may use it"),
    )
}

fn analysis_failed(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let (run, told) = analysis(evidence, "Failed")?;
    Some(
        Finding::new(format!("AnalysisRun {} judged the canary bad: {told}", run.name()))
            .next("kibertas-rs test rollouts --keep, then: kubectl describe analysisruns -A"),
    )
}

fn analysis_inconclusive(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let (run, told) = analysis(evidence, "Inconclusive")?;
    Some(
        Finding::new(format!("AnalysisRun {} could not decide, so the Rollout waits for a person: {told}", run.name()))
            .next("see the metric's successCondition and failureCondition: a value between both is inconclusive"),
    )
}

const LOG: &str = "kubectl get pods -A -l app.kubernetes.io/name=argo-rollouts";

fn silent(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let rollout = rollout(failure, evidence)?;
    if let Some((addon, standing)) = controllers::silent(evidence, &["Argo Rollouts"]) {
        return Some(
            Finding::new(format!("the {addon} controller {}", standing.trouble)).next(standing.next).next(LOG),
        );
    }
    // The Rollout's observedGeneration is a text: https://github.com/argoproj/argo-rollouts/blob/v1.10.1/pkg/apis/rollouts/v1alpha1/types.go
    let observed = rollout.text("/status/observedGeneration");
    let generation = rollout.number("/metadata/generation");
    let behind = observed.is_empty() || observed.parse::<i64>().is_ok_and(|observed| observed < generation);
    behind.then(|| {
        let seen =
            if observed.is_empty() { "nothing of it".to_owned() } else { format!("its generation {observed} only") };
        Finding::new(format!(
            "the Argo Rollouts controller does not act: of {} (generation {generation}) it has seen {seen}",
            rollout.reference()
        ))
        .next(LOG)
        .next("see whether it watches this namespace: it may run with --namespaced or --instance-id")
    })
}

fn aborted(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let rollout = rollout(failure, evidence).filter(|rollout| rollout.at("/status/abort").as_bool() == Some(true))?;
    Some(
        Finding::new(format!(
            "the update of {} was aborted: {}",
            rollout.reference(),
            quoted(rollout.text("/status/message"))
        ))
        .next(get(rollout)),
    )
}

fn deadline_exceeded(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let rollout = rollout(failure, evidence)?;
    let condition =
        rollout.condition("Progressing").filter(|condition| condition.reason == "ProgressDeadlineExceeded")?;
    Some(
        Finding::new(format!(
            "{} made no progress within its deadline: {}",
            rollout.reference(),
            quoted(condition.message)
        ))
        .next(get(rollout)),
    )
}

fn paused(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let rollout = rollout(failure, evidence)?;
    let reason = rollout.list("/status/pauseConditions").first().map(|condition| text_of(condition, "reason"));
    let by_hand = rollout.at("/spec/paused").as_bool() == Some(true);
    let reason = reason.or(by_hand.then_some("spec.paused"))?;
    Some(
        Finding::new(format!("{} is paused ({}) and waits to be promoted", rollout.reference(), quoted(reason)))
            .next(format!("kubectl argo rollouts -n NAMESPACE promote {}", shell_word(rollout.name()))),
    )
}
