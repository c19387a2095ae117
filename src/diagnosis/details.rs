//! The evidence as lines for a human reader, few and short.

use super::containers::{Container, in_trouble, pods_in_trouble};
use super::evidence::{EventSeen, Evidence, Object};
use super::wording::{LONGEST, clean};
use crate::failure::Failure;

/// The most lines of one kind of evidence.
const LINES: usize = 20;
/// The most objects other than the failure's own whose conditions are shown.
const OTHERS: usize = 3;

/// Adds conditions, pods, events and logs to a failure.
pub(super) fn attach(mut failure: Failure, evidence: &Evidence) -> Failure {
    for object in telling(&failure, evidence) {
        failure = failure.detail(format!("conditions of {}", object.reference()), conditions(object));
    }
    let pods = pods_in_trouble(evidence).flat_map(|pod| pod_lines(evidence, pod)).take(LINES).collect();
    failure = failure.detail("pods that are not ready", pods);
    let lines = events(&failure, evidence);
    failure = failure.detail(format!("events in namespace {}", evidence.namespace), lines);
    for log in &evidence.logs {
        let run = if log.previous { ", before its last restart" } else { "" };
        let title = format!("end of the log of pod {}, container {}{run}", log.pod, log.container);
        let lines = &log.lines[log.lines.len().saturating_sub(LINES)..];
        failure = failure.detail(title, lines.iter().map(|line| clean(line, LONGEST)).collect());
    }
    failure
}

/// The failure's object, and others with a condition that is not as it should be. Pods are shown by their containers instead.
fn telling<'a>(failure: &Failure, evidence: &'a Evidence) -> Vec<&'a Object> {
    let own = evidence.referred(failure.object.as_ref()).filter(|object| object.kind() != "Pod");
    let bad = |object: &&Object| {
        !matches!(object.kind(), "Pod" | "Node" | "Namespace") && object.conditions().any(|c| is_bad(c.type_, c.status))
    };
    let others = evidence.objects.iter().filter(bad).filter(|object| own.is_none_or(|own| own != *object));
    own.into_iter().chain(others.take(OTHERS)).collect()
}

/// Whether a condition tells of trouble: most types are good when true, these few are bad.
fn is_bad(type_: &str, status: &str) -> bool {
    let bad_when_true = [
        "InvalidSpec",
        "Denied",
        "InvalidRequest",
        "ReplicaFailure",
        "Failed",
        "DiskPressure",
        "MemoryPressure",
        "PIDPressure",
    ];
    let neutral = ["Paused", "Completed", "Healthy", "Suspended", "Complete", "FailureTarget", "SuccessCriteriaMet"];
    if bad_when_true.contains(&type_) { status == "True" } else { status != "True" && !neutral.contains(&type_) }
}

fn conditions(object: &Object) -> Vec<String> {
    let line = |condition: super::evidence::Condition<'_>| {
        let reason = if condition.reason.is_empty() { String::new() } else { format!(" ({})", condition.reason) };
        let message = if condition.message.is_empty() { String::new() } else { format!(": {}", condition.message) };
        clean(&format!("{}={}{reason}{message}", condition.type_, condition.status), LONGEST)
    };
    object.conditions().map(line).take(LINES).collect()
}

fn pod_lines<'a>(evidence: &'a Evidence, pod: &'a Object) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(scheduled) = pod.condition("PodScheduled").filter(|c| c.status == "False") {
        lines.push(format!("{}: not scheduled: {}", pod.name(), scheduled.message));
    }
    let of_pod = in_trouble(evidence).filter(|container| container.pod == pod);
    lines.extend(of_pod.map(|container| format!("{}: {}", pod.name(), state(&container))));
    if lines.is_empty() {
        let told = [pod.text("/status/reason"), pod.text("/status/message")].join(" ");
        lines.push(format!("{}: {} {told}", pod.name(), pod.text("/status/phase")));
    }
    lines.iter().map(|line| clean(line, LONGEST)).collect()
}

fn state(container: &Container<'_>) -> String {
    let name = container.name();
    let restarts = match container.restarts() {
        0 => String::new(),
        1 => ", 1 restart".to_owned(),
        n => format!(", {n} restarts"),
    };
    let ended = container
        .ended()
        .map_or_else(String::new, |ended| format!(", ended with exit code {} ({})", ended.exit_code, ended.reason));
    match container.waits_for() {
        "" if container.is_running() => format!("container {name} runs but is not ready{restarts}{ended}"),
        "" => format!("container {name} does not run{restarts}{ended}"),
        reason => format!("container {name} waits: {reason}{restarts}{ended}: {}", container.wait_message()),
    }
}

/// Warnings, and what is about the failure's object; the latest, in order of time.
fn events(failure: &Failure, evidence: &Evidence) -> Vec<String> {
    let about = failure.object.as_ref();
    // Of other nodes there is always something to tell.
    let elsewhere = |event: &EventSeen| {
        let here = pods_in_trouble(evidence).any(|pod| pod.text("/spec/nodeName") == event.name);
        event.kind == "Node" && !here && about.is_none_or(|o| o.name != event.name)
    };
    let matters = |event: &&EventSeen| {
        if elsewhere(event) {
            return false;
        }
        event.type_ != "Normal" || about.is_some_and(|o| o.kind == event.kind && o.name == event.name)
    };
    let lines: Vec<String> = evidence.events.iter().filter(matters).map(event_line).collect();
    lines[lines.len().saturating_sub(LINES)..].to_vec()
}

fn event_line(event: &EventSeen) -> String {
    let time = event.at.split_once('T').map_or("", |(_, time)| time.get(..8).unwrap_or(time));
    let count = if event.count > 1 { format!(" ({} times)", event.count) } else { String::new() };
    clean(&format!("{time} {} {} {}{count}: {}", event.reason, event.kind, event.name, event.message), LONGEST)
}
