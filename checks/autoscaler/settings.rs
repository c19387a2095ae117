//! The settings of the check.

use std::time::Duration;

use k8s_openapi::api::core::v1::Toleration;

use crate::config::{Kind, Setting, Values};

/// The longest wait for a node to be removed that makes sense: a day.
const MAX_SECONDS: u64 = 86_400;

/// Every setting. The Go tool's names and defaults are kept.
pub(super) static SETTINGS: &[Setting] = &[
    Setting {
        key: "autoscaler",
        env: &["KIBERTAS_AUTOSCALER"],
        kind: Kind::Choice(&["auto", "karpenter", "cluster-autoscaler"]),
        default: Some("auto"),
        help: "Which autoscaler has to add the node; auto looks which one is there.",
    },
    Setting {
        key: "nodeLabelKey",
        env: &["NODE_LABEL_KEY"],
        kind: Kind::LabelKey,
        default: Some("eks.amazonaws.com/capacityType"),
        help: "The key of the label that the nodes to be scaled carry.",
    },
    Setting {
        key: "nodeLabelValue",
        env: &["NODE_LABEL_VALUE"],
        kind: Kind::LabelValue,
        default: Some("SPOT"),
        help: "The value of that label.",
    },
    Setting {
        key: "tolerations",
        env: &["KIBERTAS_AUTOSCALER_TOLERATIONS"],
        kind: Kind::Tolerations,
        default: None,
        help: "Taints that the replicas tolerate, as KEY=VALUE:EFFECT, KEY:EFFECT or KEY, separated by commas; default: none, \
               as in the Go tool.",
    },
    Setting {
        key: "requestCpu",
        env: &["KIBERTAS_AUTOSCALER_REQUEST_CPU"],
        kind: Kind::Quantity,
        default: Some("10m"),
        help: "The CPU that each replica requests.",
    },
    Setting {
        key: "requestMemory",
        env: &["KIBERTAS_AUTOSCALER_REQUEST_MEMORY"],
        kind: Kind::Quantity,
        default: Some("16Mi"),
        help: "The memory that each replica requests.",
    },
    Setting {
        key: "priorityClass",
        env: &["KIBERTAS_AUTOSCALER_PRIORITY_CLASS"],
        kind: Kind::Text,
        default: None,
        help: "The PriorityClass of the replicas. One with preemptionPolicy Never spares over-provisioning pods; below -10, \
               Cluster Autoscaler adds no node.",
    },
    Setting {
        key: "maxNewNodes",
        env: &["KIBERTAS_AUTOSCALER_MAX_NEW_NODES"],
        kind: Kind::Integer { min: 1, max: 1000 },
        default: Some("3"),
        help: "The most new nodes under the label, a guard against cost: with more than that, the check stops as failed. One is needed, \
               and one more for each node that has no room for a replica.",
    },
    Setting {
        key: "instanceTypes",
        env: &["KIBERTAS_AUTOSCALER_INSTANCE_TYPES"],
        kind: Kind::List,
        default: None,
        help: "The instance types that new nodes may be of, separated by commas; a trailing * stands for any ending, as in m7g.*. \
               Default: any.",
    },
    Setting {
        key: "scaleIn",
        env: &["KIBERTAS_AUTOSCALER_SCALE_IN"],
        kind: Kind::Flag,
        default: Some("false"),
        help: "Whether the new node also has to go once nothing runs on it; takes as long as the autoscaler waits before it removes nodes.",
    },
    Setting {
        key: "scaleInTimeout",
        env: &["KIBERTAS_AUTOSCALER_SCALE_IN_TIMEOUT"],
        kind: Kind::Duration { max_seconds: MAX_SECONDS },
        default: Some("15m"),
        help: "The longest that the removal of the new node may take, on top of the check's timeout.",
    },
];

/// The settings, typed.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// `auto`, `karpenter` or `cluster-autoscaler`.
    pub(super) autoscaler: String,
    pub(super) label: Label,
    pub(super) tolerations: Vec<Toleration>,
    pub(super) cpu: String,
    /// `None`: the default, which is within the usual limit.
    pub(super) memory: Option<String>,
    pub(super) priority_class: Option<String>,
    pub(super) max_new_nodes: usize,
    pub(super) instance_types: Vec<String>,
    /// `None`: scale-in is not looked at.
    pub(super) scale_in: Option<Duration>,
}

/// The label of the nodes that are scaled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Label {
    pub(super) key: String,
    pub(super) value: String,
}

impl std::fmt::Display for Label {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}={}", self.key, self.value)
    }
}

impl Settings {
    pub(super) fn of(values: &Values) -> Self {
        Self {
            autoscaler: values.text_or_empty("autoscaler").to_owned(),
            label: Label {
                key: values.text_or_empty("nodeLabelKey").to_owned(),
                value: values.text_or_empty("nodeLabelValue").to_owned(),
            },
            tolerations: values.tolerations("tolerations"),
            cpu: values.text_or_empty("requestCpu").to_owned(),
            memory: values.is_given("requestMemory").then(|| values.text_or_empty("requestMemory").to_owned()),
            priority_class: values.text("priorityClass").map(str::to_owned),
            max_new_nodes: usize::try_from(values.integer("maxNewNodes")).unwrap_or(usize::MAX),
            instance_types: values.list("instanceTypes"),
            scale_in: scale_in(values),
        }
    }

    /// Whether a new node may be of this instance type; one without a type may not be where types are given.
    pub(super) fn allows_type(&self, instance_type: Option<&str>) -> bool {
        let allowed = |pattern: &String| {
            instance_type.is_some_and(|found| match pattern.strip_suffix('*') {
                Some(beginning) => found.starts_with(beginning),
                None => found == pattern,
            })
        };
        self.instance_types.is_empty() || self.instance_types.iter().any(allowed)
    }
}

/// How long the removal of the new node may take, if it is looked at.
pub(super) fn scale_in(values: &Values) -> Option<Duration> {
    values.flag("scaleIn").then(|| values.duration("scaleInTimeout")).flatten()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::config::Sources;

    /// The settings as given by `KEY=VALUE` each.
    pub(crate) fn settings(given: &[&str]) -> Settings {
        let mut sources = Sources::default();
        for assignment in given {
            sources.set(&format!("autoscaler.{assignment}")).unwrap();
        }
        let mut problems = Vec::new();
        let values = Values::resolve("autoscaler", SETTINGS, &sources, &mut problems);
        assert_eq!(problems, []);
        Settings::of(&values)
    }

    #[test]
    fn the_defaults_are_the_go_tools() {
        let settings = settings(&[]);
        assert_eq!(settings.label.to_string(), "eks.amazonaws.com/capacityType=SPOT");
        assert_eq!(settings.tolerations, []);
        assert_eq!(settings.scale_in, None);
    }

    #[test]
    fn instance_types_are_names_or_beginnings() {
        let some = settings(&["instanceTypes=m7g.large,c7g.*"]);
        for (found, allowed) in
            [("m7g.large", true), ("m7g.xlarge", false), ("c7g.2xlarge", true), ("c7gn.large", false)]
        {
            assert_eq!(some.allows_type(Some(found)), allowed, "{found}");
        }
        assert!(!some.allows_type(None), "a node that does not tell its type cannot be known to be allowed");
        assert!(settings(&[]).allows_type(None));
    }
}
