//! Probes that fail.

use super::{Cause, Finding};
use crate::diagnosis::containers::{Container, in_trouble};
use crate::diagnosis::evidence::Evidence;
use crate::diagnosis::wording::quoted;
use crate::failure::{Certainty, Failure, Origin};

/// The causes, the more specific first.
pub(super) static CAUSES: &[Cause] = &[
    Cause {
        id: "liveness-probe-kills",
        about: "The kubelet restarts the container because its liveness probe fails.",
        sign: "`failed liveness probe, will be restarted` in the events of a pod that is not ready.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: liveness,
    },
    Cause {
        id: "startup-probe-kills",
        about: "The kubelet restarts the container because its start-up probe fails.",
        sign: "`failed startup probe, will be restarted` in the events of a pod that is not ready.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: startup,
    },
    Cause {
        id: "readiness-probe-fails",
        about: "The container runs, and its readiness probe fails.",
        sign: "Unhealthy with `Readiness probe failed` about a container that runs and is not ready.",
        certainty: Certainty::Likely,
        origin: Origin::Cluster,
        find: readiness,
    },
];

/// A container that its probe keeps from being ready, and what the probe saw last.
fn probe<'a>(evidence: &'a Evidence, killed: Option<&str>, failed: &str) -> Option<(Container<'a>, String)> {
    in_trouble(evidence).find_map(|container| {
        let about = |name: &str| name == container.pod.name();
        let mut kills = evidence.events_with(&["Killing"]).filter(|event| about(&event.name));
        if killed.is_some_and(|words| !kills.any(|event| event.message.contains(words))) {
            return None;
        }
        let mut unhealthy = evidence.events_with(&["Unhealthy"]).filter(|event| about(&event.name));
        let saw = unhealthy.find_map(|event| event.message.strip_prefix(failed).map(|saw| quoted(saw.trim())));
        (killed.is_some() || (saw.is_some() && container.is_running()))
            .then(|| (container, saw.filter(|saw| !saw.is_empty()).map_or_else(String::new, |saw| format!(": {saw}"))))
    })
}

fn network(finding: Finding, evidence: &Evidence) -> Finding {
    finding
        .next(format!(
            "kibertas-rs test {} --keep, then: kubectl get pods -A -l app.kubernetes.io/managed-by=kibertas-rs -o wide",
            evidence.check
        ))
        .next("if the program listens: does the node reach its own pods? (network plug-in, NetworkPolicy)")
}

fn liveness(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let (container, saw) = probe(evidence, Some("failed liveness probe"), "Liveness probe failed:")?;
    Some(network(
        Finding::new(format!("the liveness probe of {} fails, so it is restarted{saw}", container.place())),
        evidence,
    ))
}

fn startup(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let (container, saw) = probe(evidence, Some("failed startup probe"), "Startup probe failed:")?;
    Some(network(
        Finding::new(format!("the start-up probe of {} fails, so it is restarted{saw}", container.place())),
        evidence,
    ))
}

fn readiness(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let (container, saw) = probe(evidence, None, "Readiness probe failed:")?;
    Some(network(Finding::new(format!("the readiness probe of {} fails{saw}", container.place())), evidence))
}
