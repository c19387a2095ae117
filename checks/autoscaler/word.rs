//! What the autoscalers say about a pod: events, and what follows from them.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;

/// An event about an object of the check.
#[derive(Debug, Clone)]
pub(super) struct Word {
    /// The kind of the object that it is about.
    pub(super) kind: String,
    /// The UID of the object that it is about.
    pub(super) about: String,
    /// The name of the object that it is about.
    pub(super) name: String,
    pub(super) reason: String,
    pub(super) message: String,
    /// The component that says it.
    pub(super) by: String,
    /// When it was said first.
    pub(super) first: Option<Timestamp>,
}

impl Word {
    pub(super) fn of(event: &Event) -> Self {
        let object = &event.involved_object;
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let by = event.source.as_ref().and_then(|source| source.component.clone());
        let first = event.first_timestamp.as_ref().map(|time| time.0);
        Self {
            kind: text(&object.kind),
            about: text(&object.uid),
            name: text(&object.name),
            reason: text(&event.reason),
            message: text(&event.message),
            by: by.or_else(|| event.reporting_component.clone()).unwrap_or_default(),
            first: first.or_else(|| event.event_time.as_ref().map(|time| time.0)),
        }
    }

    /// One line for a reader.
    pub(super) fn line(&self) -> String {
        format!("{} on {} {}: {} ({})", self.reason, self.kind, self.name, self.message.trim(), self.by)
    }

    /// Whether an autoscaler, rather than the scheduler or the kubelet, says it.
    pub(super) fn is_of_an_autoscaler(&self) -> bool {
        matches!(self.reason.as_str(), "TriggeredScaleUp" | "NotTriggerScaleUp" | "FailedScaleUp" | "Nominated")
            || self.by == "karpenter"
    }

    /// Cluster Autoscaler's word that this pod made it ask for a node: the groups that grow, such as `spot 1->2 (max: 10)`.
    ///
    /// <https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/FAQ.md#what-events-are-emitted-by-ca>
    pub(super) fn triggered(&self) -> Option<&str> {
        (self.reason == "TriggeredScaleUp").then(|| {
            let groups = self.message.split_once(": ").map_or(self.message.as_str(), |(_, groups)| groups);
            groups.trim_matches(['[', ']'])
        })
    }

    /// The NodeClaim that Karpenter has in mind for this pod.
    pub(super) fn nominated_claim(&self) -> Option<&str> {
        if self.reason != "Nominated" {
            return None;
        }
        self.message.split(", ").find_map(|part| part.rsplit_once("nodeclaim/")).map(|(_, name)| name)
    }

    /// Karpenter's word that it will not add a node for this pod.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        let by_karpenter = self.by == "karpenter" && self.reason == "FailedScheduling";
        by_karpenter.then(|| refusal(self.message.trim_start_matches("Failed to schedule pod, ")))
    }
}

/// Why Karpenter adds no node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// Karpenter's own words; one part for each NodePool.
    pub(super) words: String,
    /// The cause; `None` where it may pass, as when the cloud has no capacity at the moment.
    pub(super) lasting: Option<String>,
}

/// Reads Karpenter's words. Errors of several NodePools are joined by `; `, and only if each of them lasts, all is lost.
///
/// The words come from `pkg/controllers/provisioning/scheduling` of <https://github.com/kubernetes-sigs/karpenter>.
fn refusal(words: &str) -> Refusal {
    let causes: Option<Vec<&str>> = words.split("; ").map(lasting_cause).collect();
    let lasting = causes.map(|mut causes| {
        causes.sort_unstable();
        causes.dedup();
        causes.join("; ")
    });
    Refusal { words: words.to_owned(), lasting }
}

fn lasting_cause(words: &str) -> Option<&'static str> {
    const CAUSES: [(&str, &str); 7] = [
        ("does not have known values", "no NodePool gives its nodes the label that is asked for"),
        (" not in ", "no NodePool allows the value of the label that is asked for"),
        ("did not tolerate taint", "the NodePool's nodes have a taint that the replicas do not tolerate"),
        ("exceed limits for nodepool", "the NodePool's limits leave no room for another node"),
        ("node limits have been exhausted", "the NodePool's limit of nodes is reached"),
        ("no instance type has enough resources", "no instance type is large enough for what a replica requests"),
        (
            "no instance type met all requirements",
            "no instance type meets the NodePool's and the replica's requirements",
        ),
    ];
    CAUSES.into_iter().find(|(mark, _)| words.contains(mark)).map(|(_, cause)| cause)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn word(by: &str, reason: &str, message: &str) -> Word {
        let event = json!({"metadata": {"name": "e"}, "reason": reason, "message": message, "source": {"component": by},
            "involvedObject": {"kind": "Pod", "name": "p", "uid": "u"}, "firstTimestamp": "2026-11-21T12:39:02Z"});
        Word::of(&serde_json::from_value(event).unwrap())
    }

    fn lasting(message: &str) -> Option<String> {
        word("karpenter", "FailedScheduling", message).refusal().unwrap().lasting
    }

    /// Each as Karpenter 1.14.1 said it on a real cluster.
    #[test]
    fn karpenters_lasting_refusals_are_told_apart() {
        for (message, cause) in [
            (
                r#"Failed to schedule pod, incompatible requirements, label "eks.amazonaws.com/capacityType" does not have known values"#,
                "no NodePool gives its nodes the label that is asked for",
            ),
            (
                "Failed to schedule pod, incompatible requirements, key karpenter.sh/capacity-type, karpenter.sh/capacity-type In [reserved] not in karpenter.sh/capacity-type In [on-demand spot]",
                "no NodePool allows the value of the label that is asked for",
            ),
            (
                r#"Failed to schedule pod, no instance type has enough resources, requirements=karpenter.sh/capacity-type In [spot], resources={"cpu":"2k","pods":"1"}"#,
                "no instance type is large enough for what a replica requests",
            ),
            (
                "Failed to schedule pod, all available instance types exceed limits for nodepool (NodePool=default)",
                "the NodePool's limits leave no room for another node",
            ),
            (
                "Failed to schedule pod, node limits have been exhausted for nodepool (NodePool=default)",
                "the NodePool's limit of nodes is reached",
            ),
            (
                "Failed to schedule pod, did not tolerate taint (taint=dedicated=x:NoSchedule)",
                "the NodePool's nodes have a taint that the replicas do not tolerate",
            ),
        ] {
            assert_eq!(lasting(message).as_deref(), Some(cause), "{message}");
        }
    }

    #[test]
    fn what_may_pass_is_waited_for() {
        let no_capacity =
            "Failed to schedule pod, no instance type has the required offering, requirements=…, resources=…";
        assert_eq!(lasting(no_capacity), None);
        let one_of_two = format!("{no_capacity}; did not tolerate taint (taint=dedicated=x:NoSchedule)");
        assert_eq!(lasting(&one_of_two), None, "one NodePool may still come round");
        let both = "Failed to schedule pod, did not tolerate taint (taint=a:NoSchedule); did not tolerate taint (taint=b:NoSchedule)";
        assert!(lasting(both).is_some());
    }

    #[test]
    fn the_schedulers_failure_is_no_refusal() {
        assert_eq!(word("default-scheduler", "FailedScheduling", "0/1 nodes are available").refusal(), None);
    }

    #[test]
    fn cluster_autoscalers_groups_are_read() {
        let triggered =
            word("cluster-autoscaler", "TriggeredScaleUp", "pod triggered scale-up: [{spot 1->2 (max: 10)}]");
        assert_eq!(triggered.triggered(), Some("{spot 1->2 (max: 10)}"));
        let not = word(
            "cluster-autoscaler",
            "NotTriggerScaleUp",
            "pod didn't trigger scale-up: 1 max node group size reached",
        );
        assert_eq!(not.triggered(), None);
        assert!(not.is_of_an_autoscaler());
    }

    #[test]
    fn a_nomination_names_its_claim() {
        let claim = |message: &str| word("karpenter", "Nominated", message).nominated_claim().map(str::to_owned);
        assert_eq!(claim("Pod should schedule on: nodeclaim/default-bjxxt").as_deref(), Some("default-bjxxt"));
        assert_eq!(claim("Pod should schedule on: nodeclaim/a, node/b").as_deref(), Some("a"));
        assert_eq!(claim("Pod should schedule on: node/b"), None);
    }
}
