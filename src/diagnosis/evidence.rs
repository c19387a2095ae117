//! What the cluster said about a failure, as plain data: causes are pure functions of it, and a fixture is one in YAML.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::failure::ObjectRef;

/// Everything that was gathered about one failure. What is missing in it is no proof of absence, unless `listed` says so.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Evidence {
    /// The check whose step failed.
    pub check: String,
    /// The step that failed.
    pub step: String,
    /// The namespace that the check works in.
    pub namespace: String,
    /// The objects of the story, in the order of their kinds; Secrets and `ConfigMaps` are never among them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<Object>,
    /// Events, oldest first, each once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<EventSeen>,
    /// The ends of the logs of containers that are in trouble.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<LogTail>,
    /// The controllers of the add-ons that the check is about, as workloads of the cluster.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub controllers: Vec<Workload>,
    /// The leader elections of controllers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub leases: Vec<LeaseSeen>,
    /// Kinds of which `objects` holds all that there are: in the namespace, or in the cluster for a kind without namespace. With
    /// `Namespace`, the check's own namespace is meant.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub listed: BTreeSet<String>,
    /// Kinds that the API server does not know: their `CustomResourceDefinition` is not there.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub unknown_kinds: BTreeSet<String>,
    /// How far the API server's clock is ahead of ours, in seconds; negative if it is behind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock_ahead_s: Option<i64>,
    /// What could not be read, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<String>,
}

/// An object as the API server gave it, without what explains nothing (managed fields, uids, environment variables).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Object(pub Value);

/// One event, or several that say the same.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct EventSeen {
    /// When it was seen last (RFC 3339, UTC).
    pub at: String,
    /// `Normal` or `Warning`.
    #[serde(rename = "type")]
    pub type_: String,
    /// The machine's word for it, such as `FailedScheduling`.
    pub reason: String,
    /// The kind of the object that it is about.
    pub kind: String,
    /// The name of the object that it is about.
    pub name: String,
    /// The text.
    pub message: String,
    /// How often it was seen.
    pub count: u64,
}

/// The end of a container's log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct LogTail {
    /// The pod.
    pub pod: String,
    /// The container.
    pub container: String,
    /// Whether it is the log of the run before the last restart.
    pub previous: bool,
    /// The last lines, oldest first.
    pub lines: Vec<String>,
}

/// A Deployment or `DaemonSet` of an add-on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Workload {
    /// The add-on, by the name of the table of controllers.
    pub addon: String,
    /// `Deployment` or `DaemonSet`.
    pub kind: String,
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
    /// The number of pods that it should have.
    pub wanted: i64,
    /// The number of pods that are ready.
    pub ready: i64,
}

/// A leader election.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct LeaseSeen {
    /// The add-on, by the name of the table of controllers.
    pub addon: String,
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
    /// Who holds it; empty if it was given up.
    pub holder: String,
    /// How long ago its holder renewed it, in seconds of the API server's clock.
    pub renewed_ago_s: i64,
    /// How long a holder may be silent before another one takes over, in seconds.
    pub duration_s: i64,
}

/// A condition of an object's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Condition<'a> {
    /// Such as `Ready`.
    pub type_: &'a str,
    /// `True`, `False` or `Unknown`.
    pub status: &'a str,
    /// The machine's word for it.
    pub reason: &'a str,
    /// The text.
    pub message: &'a str,
}

impl Object {
    /// What is at a JSON pointer; `null` where there is nothing.
    pub fn at(&self, pointer: &str) -> &Value {
        self.0.pointer(pointer).unwrap_or(&Value::Null)
    }

    /// The text at a JSON pointer; empty where there is none.
    pub fn text(&self, pointer: &str) -> &str {
        self.at(pointer).as_str().unwrap_or_default()
    }

    /// The whole number at a JSON pointer; 0 where there is none.
    pub fn number(&self, pointer: &str) -> i64 {
        self.at(pointer).as_i64().unwrap_or_default()
    }

    /// The list at a JSON pointer; empty where there is none.
    pub fn list(&self, pointer: &str) -> &[Value] {
        self.at(pointer).as_array().map_or(&[], Vec::as_slice)
    }

    /// The kind.
    pub fn kind(&self) -> &str {
        self.text("/kind")
    }

    /// The name.
    pub fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    /// The object, named.
    pub fn reference(&self) -> ObjectRef {
        let namespace = self.at("/metadata/namespace").as_str().map(str::to_owned);
        ObjectRef { kind: self.kind().to_owned(), namespace, name: self.name().to_owned() }
    }

    /// Whether its deletion was asked for.
    pub fn is_terminating(&self) -> bool {
        self.at("/metadata/deletionTimestamp").is_string()
    }

    /// The conditions of its status.
    pub fn conditions(&self) -> impl Iterator<Item = Condition<'_>> {
        self.list("/status/conditions").iter().map(|condition| Condition {
            type_: text_of(condition, "type"),
            status: text_of(condition, "status"),
            reason: text_of(condition, "reason"),
            message: text_of(condition, "message"),
        })
    }

    /// The condition of a type.
    pub fn condition(&self, type_: &str) -> Option<Condition<'_>> {
        self.conditions().find(|condition| condition.type_ == type_)
    }

    /// Whether a condition is there and has this status.
    pub fn has_condition(&self, type_: &str, status: &str) -> bool {
        self.condition(type_).is_some_and(|condition| condition.status == status)
    }
}

/// The text of a field; empty where there is none.
pub(super) fn text_of<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

impl Evidence {
    /// The objects of a kind.
    pub fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Object> {
        self.objects.iter().filter(move |object| object.kind() == kind)
    }

    /// The object of a kind and name.
    pub fn object(&self, kind: &str, name: &str) -> Option<&Object> {
        self.objects.iter().find(|object| object.kind() == kind && object.name() == name)
    }

    /// The object that a reference means.
    pub fn referred(&self, reference: Option<&ObjectRef>) -> Option<&Object> {
        let reference = reference?;
        self.object(&reference.kind, &reference.name)
    }

    /// Whether all objects of a kind are known, so that one that is not among them is not there.
    pub fn has_all(&self, kind: &str) -> bool {
        self.listed.contains(kind)
    }

    /// The events with one of these reasons, latest first.
    pub fn events_with<'a>(&'a self, reasons: &'a [&'a str]) -> impl Iterator<Item = &'a EventSeen> {
        self.events.iter().rev().filter(move |event| reasons.contains(&event.reason.as_str()))
    }
}
