//! Why a step did not pass: what was expected, what was seen, on which object, and what to do next.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::verdict::Verdict;

/// An object of the cluster, named so that a command can be built from it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectRef {
    /// The kind, such as `Ingress`.
    pub kind: String,
    /// The namespace; absent for cluster-scoped objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The object's name.
    pub name: String,
}

impl ObjectRef {
    /// Names a namespaced object.
    pub fn new(kind: &str, namespace: &str, name: &str) -> Self {
        Self { kind: kind.to_owned(), namespace: Some(namespace.to_owned()), name: name.to_owned() }
    }

    /// Names a cluster-scoped object.
    pub fn cluster_scoped(kind: &str, name: &str) -> Self {
        Self { kind: kind.to_owned(), namespace: None, name: name.to_owned() }
    }

    /// Names a typed object; a missing name is shown as its `generateName`, else as `?`.
    pub fn of<K: kube::Resource<DynamicType = ()>>(object: &K) -> Self {
        let meta = object.meta();
        let name = meta.name.as_ref().or(meta.generate_name.as_ref()).map_or("?", String::as_str);
        Self { kind: K::kind(&()).into_owned(), namespace: meta.namespace.clone(), name: name.to_owned() }
    }

    /// The arguments by which kubectl names the object: `-n NAMESPACE KIND NAME`.
    pub fn kubectl_args(&self) -> String {
        let kind = self.kind.to_lowercase();
        match &self.namespace {
            Some(namespace) => format!("-n {namespace} {kind} {}", self.name),
            None => format!("{kind} {}", self.name),
        }
    }
}

impl std::fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind, self.name),
            None => write!(f, "{} {}", self.kind, self.name),
        }
    }
}

/// How sure a named cause is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Certainty {
    /// The cluster itself says so.
    Certain,
    /// What was seen fits this and hardly anything else.
    Likely,
    /// One of several explanations.
    Possible,
}

/// Whose fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The cluster or one of its add-ons.
    Cluster,
    /// This harness, its permissions or its configuration.
    Harness,
    /// A service outside the cluster.
    Outside,
}

/// The likely cause of a failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cause {
    /// What broke, in one sentence.
    pub text: String,
    /// How sure that is.
    pub certainty: Certainty,
    /// Whose fault it is.
    pub origin: Origin,
}

/// Something seen that helps to understand the failure: events, conditions, the tail of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Detail {
    /// What the lines are, such as `events of Ingress x/y`.
    pub title: String,
    /// The lines, oldest first.
    pub lines: Vec<String>,
}

/// Why a step, and with it its check, did not pass.
///
/// Built like a sentence: `Failure::failed("…").saw("…").on(object).because(…).next("kubectl …")`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// `failed`, `inconclusive` or `cancelled`.
    pub verdict: Verdict,
    /// What had to be so.
    pub expected: String,
    /// What was seen last instead.
    pub seen: String,
    /// The object that it was expected of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectRef>,
    /// The likely cause; absent where nothing points to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// Commands or actions to take next, most useful first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub next: Vec<String>,
    /// Evidence for a human reader.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<Detail>,
}

impl Failure {
    fn new(verdict: Verdict, expected: impl Into<String>) -> Self {
        Self {
            verdict,
            expected: expected.into(),
            seen: String::new(),
            object: None,
            cause: None,
            next: Vec::new(),
            details: Vec::new(),
        }
    }

    /// The cluster broke the expectation.
    pub fn failed(expected: impl Into<String>) -> Self {
        Self::new(Verdict::Failed, expected)
    }

    /// The harness could not tell whether the expectation holds.
    pub fn inconclusive(expected: impl Into<String>) -> Self {
        Self::new(Verdict::Inconclusive, expected)
    }

    /// Somebody ended the run before an answer was found.
    pub fn cancelled(expected: impl Into<String>) -> Self {
        Self::new(Verdict::Cancelled, expected)
    }

    /// What was seen last.
    #[must_use]
    pub fn saw(mut self, seen: impl Into<String>) -> Self {
        self.seen = seen.into();
        self
    }

    /// The object that the expectation is about.
    #[must_use]
    pub fn on(mut self, object: ObjectRef) -> Self {
        self.object = Some(object);
        self
    }

    /// The cause, where the check itself knows it. Diagnosis does not overwrite it.
    #[must_use]
    pub fn because(mut self, certainty: Certainty, origin: Origin, text: impl Into<String>) -> Self {
        self.cause = Some(Cause { text: text.into(), certainty, origin });
        self
    }

    /// Adds what to run or do next.
    #[must_use]
    pub fn next(mut self, command: impl Into<String>) -> Self {
        self.next.push(command.into());
        self
    }

    /// Adds evidence; nothing where there are no lines.
    #[must_use]
    pub fn detail(mut self, title: impl Into<String>, lines: Vec<String>) -> Self {
        if !lines.is_empty() {
            self.details.push(Detail { title: title.into(), lines });
        }
        self
    }

    /// Fills in the expectation and the object where the failure does not say them itself.
    #[must_use]
    pub fn completed(mut self, expected: &str, object: Option<&ObjectRef>) -> Self {
        if self.expected.is_empty() {
            expected.clone_into(&mut self.expected);
        }
        if self.object.is_none() {
            self.object = object.cloned();
        }
        self
    }

    /// One line: expectation, what was seen, the object.
    pub fn summary(&self) -> String {
        let mut line = format!("expected {}", self.expected);
        if !self.seen.is_empty() {
            line.push_str(", saw ");
            line.push_str(&self.seen);
        }
        if let Some(object) = &self.object {
            line.push_str(" on ");
            line.push_str(&object.to_string());
        }
        line
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.summary())
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_names_expectation_sight_and_object() {
        let failure = Failure::failed("an address in the status")
            .saw("none")
            .on(ObjectRef::new("Ingress", "scratch", "web"))
            .next("kubectl …");
        assert_eq!(failure.summary(), "expected an address in the status, saw none on Ingress scratch/web");
    }

    #[test]
    fn empty_evidence_is_not_shown() {
        assert!(Failure::failed("x").detail("events", vec![]).details.is_empty());
    }
}
