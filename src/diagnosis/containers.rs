//! The states of pods and containers, as the causes ask for them.

use serde_json::Value;

use super::evidence::{Evidence, Object, text_of};

/// A container of a pod that is not ready, or of one that has ended badly.
#[derive(Debug, Clone, Copy)]
pub(super) struct Container<'a> {
    /// Its pod.
    pub pod: &'a Object,
    status: &'a Value,
}

impl<'a> Container<'a> {
    fn text(&self, pointer: &str) -> &'a str {
        self.status.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// The container's name.
    pub(super) fn name(&self) -> &'a str {
        text_of(self.status, "name")
    }

    /// `container NAME of pod POD`.
    pub(super) fn place(&self) -> String {
        format!("container {} of pod {}", self.name(), self.pod.name())
    }

    /// The image, as the pod asks for it: the status has it resolved, or not at all.
    pub(super) fn image(&self) -> &'a str {
        let of = |list| self.pod.list(list).iter().find(|container| text_of(container, "name") == self.name());
        of("/spec/containers")
            .or_else(|| of("/spec/initContainers"))
            .map_or("", |container| text_of(container, "image"))
    }

    /// Why it waits, such as `ImagePullBackOff`; empty where it does not.
    pub(super) fn waits_for(&self) -> &'a str {
        self.text("/state/waiting/reason")
    }

    /// The text to that.
    pub(super) fn wait_message(&self) -> &'a str {
        self.text("/state/waiting/message")
    }

    /// The number of restarts.
    pub(super) fn restarts(&self) -> i64 {
        self.status.get("restartCount").and_then(Value::as_i64).unwrap_or_default()
    }

    /// Whether it is ready.
    pub(super) fn is_ready(&self) -> bool {
        self.status.get("ready").and_then(Value::as_bool).unwrap_or_default()
    }

    /// Whether it runs now.
    pub(super) fn is_running(&self) -> bool {
        self.status.pointer("/state/running").is_some()
    }

    /// How it ended: now, or before its last restart.
    pub(super) fn ended(&self) -> Option<Ended<'a>> {
        let ended = ["/state/terminated", "/lastState/terminated"].iter().find_map(|at| self.status.pointer(at))?;
        Some(Ended {
            reason: text_of(ended, "reason"),
            message: text_of(ended, "message"),
            exit_code: ended.get("exitCode").and_then(Value::as_i64).unwrap_or_default(),
        })
    }

    /// Whether it runs again after an end, so that the log of the run before tells why. While it waits for its restart, the log
    /// of now is still the one of the run that ended.
    pub(super) fn has_previous_log(&self) -> bool {
        self.is_running() && self.status.pointer("/lastState/terminated").is_some()
    }

    /// Whether it has ever run, so that there is a log.
    pub(super) fn has_run(&self) -> bool {
        self.is_running() || self.ended().is_some()
    }
}

/// How a container ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended<'a> {
    /// Such as `OOMKilled` or `Error`.
    pub reason: &'a str,
    /// The text to that; what the program wrote to its termination log, or the runtime's error.
    pub message: &'a str,
    /// The exit code; 128 plus the number of the signal that ended it.
    pub exit_code: i64,
}

/// Whether a pod is where it should be: ready, or done.
pub(super) fn is_well(pod: &Object) -> bool {
    pod.text("/status/phase") == "Succeeded" || pod.has_condition("Ready", "True")
}

/// The pods that are not where they should be; those on their way out do not count.
pub(super) fn pods_in_trouble(evidence: &Evidence) -> impl Iterator<Item = &Object> {
    evidence.of_kind("Pod").filter(|pod| !is_well(pod) && !pod.is_terminating())
}

/// The containers that keep pods from being where they should be.
pub(super) fn in_trouble(evidence: &Evidence) -> impl Iterator<Item = Container<'_>> {
    pods_in_trouble(evidence).flat_map(|pod| {
        let inits = pod.list("/status/initContainerStatuses").iter();
        let containers = inits.chain(pod.list("/status/containerStatuses"));
        containers.map(move |status| Container { pod, status }).filter(|container| {
            let completed = container.ended().is_some_and(|ended| ended.exit_code == 0) && container.restarts() == 0;
            !container.is_ready() && !completed
        })
    })
}

/// The pods that the scheduler has found no node for, with what it says.
pub(super) fn unscheduled(evidence: &Evidence) -> impl Iterator<Item = (&Object, &str)> {
    pods_in_trouble(evidence).filter_map(|pod| {
        let condition = pod.condition("PodScheduled").filter(|c| c.status == "False" && c.reason == "Unschedulable")?;
        Some((pod, condition.message))
    })
}

/// The last line of a container's log that is not empty.
pub(super) fn last_line<'a>(evidence: &'a Evidence, container: &Container<'_>) -> Option<&'a str> {
    let of = |log: &&super::evidence::LogTail| log.pod == container.pod.name() && log.container == container.name();
    let log = evidence.logs.iter().find(of)?;
    log.lines.iter().rev().map(String::as_str).find(|line| !line.trim().is_empty())
}
