//! Containers that do not start, or do not stay.

use super::{Cause, Finding};
use crate::diagnosis::containers::{Container, Ended, in_trouble, last_line, pods_in_trouble};
use crate::diagnosis::evidence::Evidence;
use crate::diagnosis::wording::{between, has_any, quoted, shell_word};
use crate::failure::{Certainty, Failure, Origin};

/// The causes, the more specific first.
pub(super) static CAUSES: &[Cause] = &[
    Cause {
        id: "pod-evicted",
        about: "The node evicted the pod because it ran out of memory, disk or processes.",
        sign: "The pod's reason is Evicted.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: evicted,
    },
    Cause {
        id: "container-config-missing",
        about: "A Secret, ConfigMap or key that the container's environment needs is not there.",
        sign: "A container waits with CreateContainerConfigError, `… not found` or `couldn't find key`.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: config_missing,
    },
    Cause {
        id: "container-would-run-as-root",
        about: "The image runs as root, and the pod must not.",
        sign: "`container has runAsNonRoot and image will run as root`.",
        certainty: Certainty::Certain,
        origin: Origin::Harness,
        find: would_run_as_root,
    },
    Cause {
        id: "container-out-of-memory",
        about: "The container used more memory than its limit and was killed.",
        sign: "It ended with the reason OOMKilled.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: out_of_memory,
    },
    Cause {
        id: "container-wrong-architecture",
        about: "The image is built for another processor than the node's.",
        sign: "`exec format error` in the end of the container or its log.",
        certainty: Certainty::Certain,
        origin: Origin::Harness,
        find: wrong_architecture,
    },
    Cause {
        id: "container-command-missing",
        about: "The container's command is not in its image, or is no program.",
        sign: "The runtime's error `no such file or directory`, `not found in $PATH` or `permission denied` at the start.",
        certainty: Certainty::Certain,
        origin: Origin::Harness,
        find: command_missing,
    },
    Cause {
        id: "container-cannot-start",
        about: "The node's container runtime cannot start the container.",
        sign: "It ended with StartError, or waits with CreateContainerError or RunContainerError.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: cannot_start,
    },
    Cause {
        id: "container-crashes",
        about: "The container's program ends with an error again and again.",
        sign: "CrashLoopBackOff, or an exit code that is not 0, and no sign of another cause.",
        certainty: Certainty::Likely,
        origin: Origin::Cluster,
        find: crashes,
    },
];

fn again(evidence: &Evidence) -> String {
    format!(
        "kibertas-rs test {} --keep, then: kubectl get pods -A -l app.kubernetes.io/managed-by=kibertas-rs",
        evidence.check
    )
}

fn evicted(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let pod = pods_in_trouble(evidence).find(|pod| pod.text("/status/reason") == "Evicted")?;
    let node = pod.text("/spec/nodeName");
    Some(
        Finding::new(format!("node {node} evicted pod {}: {}", pod.name(), quoted(pod.text("/status/message"))))
            .next(format!("kubectl describe node {}", shell_word(node))),
    )
}

fn config_missing(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let missing = |c: &Container<'_>| has_any(c.wait_message(), &["not found", "couldn't find key"]);
    let mut waiting = in_trouble(evidence).filter(|c| c.waits_for() == "CreateContainerConfigError");
    let container = waiting.find(missing)?;
    Some(
        Finding::new(format!(
            "what the environment of {} needs is not there: {}",
            container.place(),
            quoted(container.wait_message())
        ))
        .next(again(evidence)),
    )
}

fn would_run_as_root(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let container = in_trouble(evidence).find(|c| c.wait_message().contains("image will run as root"))?;
    Some(
        Finding::new(format!(
            "the image {} runs as root, which {} forbids",
            quoted(container.image()),
            container.place()
        ))
        .next("set KIBERTAS_IMAGE to the image of kibertas-rs"),
    )
}

fn ended_with(evidence: &Evidence, fits: impl Fn(&Ended<'_>) -> bool) -> Option<(Container<'_>, Ended<'_>)> {
    in_trouble(evidence).filter_map(|c| Some((c, c.ended()?))).find(|(_, ended)| fits(ended))
}

fn out_of_memory(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let (container, _) = ended_with(evidence, |ended| ended.reason == "OOMKilled")?;
    Some(
        Finding::new(format!("{} used more memory than its limit and was killed", container.place()))
            .next(again(evidence))
            .next("see whether a LimitRange gives it a smaller limit than it asks for: kubectl describe limitrange -A"),
    )
}

fn wrong_architecture(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let by_log =
        in_trouble(evidence).find(|c| last_line(evidence, c).is_some_and(|line| line.contains("exec format error")));
    let by_end =
        || ended_with(evidence, |ended| ended.message.contains("exec format error")).map(|(container, _)| container);
    let container = by_log.or_else(by_end)?;
    Some(
        Finding::new(format!(
            "the image {} is built for another processor than that of node {}",
            quoted(container.image()),
            container.pod.text("/spec/nodeName")
        ))
        .next("kubectl get nodes -L kubernetes.io/arch")
        .next("set KIBERTAS_IMAGE to an image for all architectures of the cluster"),
    )
}

fn command_missing(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let words = ["no such file or directory", "executable file not found", "exec: \"", "permission denied"];
    let (container, ended) = ended_with(evidence, |ended| {
        ended.message.contains("unable to start container process") && has_any(ended.message, &words)
    })?;
    let why = between(ended.message, "unable to start container process: ", "\n").unwrap_or(ended.message);
    Some(
        Finding::new(format!("the command of {} cannot be run from its image: {}", container.place(), quoted(why)))
            .next(format!(
                "see whether {} is the image of kibertas-rs (KIBERTAS_IMAGE)",
                shell_word(container.image())
            )),
    )
}

fn cannot_start(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let waits = ["CreateContainerError", "RunContainerError", "CreateContainerConfigError"];
    let waiting = in_trouble(evidence).find(|c| waits.contains(&c.waits_for())).map(|c| (c, c.wait_message()));
    let start = || ended_with(evidence, |ended| matches!(ended.reason, "StartError" | "ContainerCannotRun"));
    let (container, why) = waiting.or_else(|| start().map(|(c, ended)| (c, ended.message)))?;
    let node = container.pod.text("/spec/nodeName");
    Some(
        Finding::new(format!("node {node} cannot start {}: {}", container.place(), quoted(why)))
            .next(format!("kubectl describe node {}", shell_word(node)))
            .next(again(evidence)),
    )
}

fn crashes(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let (container, ended) = ended_with(evidence, |ended| ended.exit_code != 0)?;
    let told =
        last_line(evidence, &container).map_or_else(String::new, |line| format!("; its last line: {}", quoted(line)));
    Some(
        Finding::new(format!("{} ends with exit code {}{told}", container.place(), ended.exit_code))
            .next(again(evidence)),
    )
}
