//! What a check is. A new one is a folder below `checks/` and a line in its registry.

use std::time::Duration;

use futures::future::LocalBoxFuture;
use serde::Serialize;

use crate::config::setting::parse_flag;
use crate::config::{Core, Problem, Setting, Values};
use crate::context::Context;
use crate::failure::Failure;

/// One capability of a cluster that can be proved.
pub trait Check: Sync {
    /// Its name and what it proves.
    fn about(&self) -> &'static About;

    /// Its settings.
    fn settings(&self) -> &'static [Setting] {
        &[]
    }

    /// What it may do in the cluster: the preflight, `list` and the chart's RBAC come from here alone.
    fn grants(&self) -> &'static [Grant];

    /// Whether the settings suffice to run. Inside `all` a check that is not configured is skipped with the reason; asked for
    /// by name, the same reason is an error of the configuration.
    fn configured(&self, _values: &Values) -> Result<(), NotConfigured> {
        Ok(())
    }

    /// Whether the check works in a namespace. One that only asks an outside service creates none and needs no permission.
    fn works_in_namespace(&self) -> bool {
        true
    }

    /// Waits that last by nature, such as for a node to be removed again: what they take comes on top of the timeout.
    fn long_waits(&self) -> &'static [LongWait] {
        &[]
    }

    /// Time that the check may take beyond the configured timeout: that of its [long waits](Check::long_waits). The chart derives
    /// its Jobs' deadlines from those, so declare them there rather than here.
    fn beyond_timeout(&self, values: &Values) -> Duration {
        self.long_waits().iter().map(|wait| wait.time(values)).sum()
    }

    /// Settings that are right one by one but contradict each other. They are told like every other error of the configuration,
    /// before anything is created.
    fn contradictions(&self, _values: &Values, _core: &Core) -> Vec<Problem> {
        Vec::new()
    }

    /// Proves the capability, step by step. Whatever is created through the context is removed afterwards.
    fn run<'a>(&'a self, cx: &'a Context) -> LocalBoxFuture<'a, Result<(), Failure>>;
}

/// How a check introduces itself.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct About {
    /// The name in commands, configuration and reports.
    pub name: &'static str,
    /// Other names that mean the same, such as the Go tool's.
    pub aliases: &'static [&'static str],
    /// What it proves, in one line.
    pub summary: &'static str,
    /// The claims that a pass makes, one a line.
    pub proves: &'static [&'static str],
}

/// A wait that lasts by nature.
#[derive(Debug, Clone, Copy)]
pub struct LongWait {
    /// The flag that asks for it; `None`: it is always waited for.
    pub flag: Option<&'static str>,
    /// The setting that says how long it may last; where it has no value there is no such wait.
    pub limit: &'static str,
    /// What the check needs beside the wait itself.
    pub besides: Duration,
}

impl LongWait {
    /// The time that the wait may take under these settings.
    pub fn time(&self, values: &Values) -> Duration {
        match values.duration(self.limit).filter(|_| self.flag.is_none_or(|flag| values.flag(flag))) {
            Some(limit) => limit + self.besides,
            None => Duration::ZERO,
        }
    }
}

/// Why a check cannot run as it is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotConfigured {
    /// The setting that is missing, with its environment variable.
    pub setting: String,
    /// What it should be.
    pub expected: String,
}

/// Where a grant is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Scope {
    /// In the namespace that the check works in.
    Namespace,
    /// In the whole cluster: cluster-scoped resources, or a list over all namespaces.
    Cluster,
    /// On this one object alone, in a namespace that is not the check's.
    Object {
        /// The object's namespace.
        namespace: &'static str,
        /// The object's name.
        name: &'static str,
    },
}

/// The harness's setting that makes checks work in a namespace that is there already; as a grant's condition its value is `*`.
pub const RESOURCE_NAMESPACE: &str = "resourceNamespace";

/// Verbs on one resource that a check needs.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Grant {
    /// The API group; empty for the core group.
    pub group: &'static str,
    /// The resource in the plural, with its subresource if any: `pods/log`.
    pub resource: &'static str,
    /// The verbs.
    pub verbs: &'static [&'static str],
    /// Where.
    pub scope: Scope,
    /// Needed only where this setting of the check has this value, or where [`RESOURCE_NAMESPACE`] is set at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only_when: Option<(&'static str, &'static str)>,
    /// Whether the check can do without: it then sees less, but its verdict stands.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
    /// Not needed where this setting has this value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unless: Option<(&'static str, &'static str)>,
    /// What for.
    pub why: &'static str,
}

impl Grant {
    /// A grant in the check's own namespace.
    pub const fn namespaced(
        group: &'static str,
        resource: &'static str,
        verbs: &'static [&'static str],
        why: &'static str,
    ) -> Self {
        Self { group, resource, verbs, scope: Scope::Namespace, only_when: None, optional: false, unless: None, why }
    }

    /// A grant in the whole cluster.
    pub const fn cluster(
        group: &'static str,
        resource: &'static str,
        verbs: &'static [&'static str],
        why: &'static str,
    ) -> Self {
        Self { group, resource, verbs, scope: Scope::Cluster, only_when: None, optional: false, unless: None, why }
    }

    /// A grant on one object of another namespace, named as `(namespace, name)`.
    pub const fn object(
        group: &'static str,
        resource: &'static str,
        verbs: &'static [&'static str],
        (namespace, name): (&'static str, &'static str),
        why: &'static str,
    ) -> Self {
        Self {
            group,
            resource,
            verbs,
            scope: Scope::Object { namespace, name },
            only_when: None,
            optional: false,
            unless: None,
            why,
        }
    }

    /// The same grant, needed only where a setting has a value.
    #[must_use]
    pub const fn when(mut self, key: &'static str, value: &'static str) -> Self {
        self.only_when = Some((key, value));
        self
    }

    /// The same grant, without which the check still runs: the preflight does not ask for it.
    #[must_use]
    pub const fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// The same grant, not needed where a setting has a value.
    #[must_use]
    pub const fn unless(mut self, key: &'static str, value: &'static str) -> Self {
        self.unless = Some((key, value));
        self
    }

    /// The same grant, needed only in a namespace that is given: a check's own namespace takes its objects along when it goes,
    /// while elsewhere they are removed one by one.
    #[must_use]
    pub const fn in_given_namespace(self) -> Self {
        self.when(RESOURCE_NAMESPACE, "*")
    }

    /// Whether the grant is needed under these settings of the check and of the harness.
    pub fn is_needed(&self, values: &Values, core: &Core) -> bool {
        let holds = |(key, value)| match key {
            RESOURCE_NAMESPACE => core.resource_namespace.is_some(),
            // A flag may be spelled in several ways.
            key => values.text(key).is_some_and(|text| {
                text == value || parse_flag(value).is_some_and(|flag| parse_flag(text) == Some(flag))
            }),
        };
        !self.optional && self.only_when.is_none_or(holds) && !self.unless.is_some_and(holds)
    }

    /// The resource with its group, as `kubectl auth can-i` takes it.
    pub fn qualified(&self) -> String {
        match (self.group, self.resource.split_once('/')) {
            ("", _) => self.resource.to_owned(),
            (group, Some((resource, sub))) => format!("{resource}.{group}/{sub}"),
            (group, None) => format!("{}.{group}", self.resource),
        }
    }
}

/// What a run needs beside its checks in the namespace that the setting `events` names: without it, no Events are left there, and
/// nothing else changes.
pub static EVENTS_GRANT: Grant =
    Grant::namespaced("events.k8s.io", "events", &["create"], "the Events of each run's outcome");

/// All grants of a check: what every one needs, where it works in a namespace, and its own.
pub fn all_grants(check: &dyn Check) -> impl Iterator<Item = &'static Grant> {
    let common = if check.works_in_namespace() { COMMON_GRANTS } else { &[] };
    common.iter().chain(check.grants())
}

/// What every check needs that works in a namespace: its own namespace, and the reading that explains a failure.
pub static COMMON_GRANTS: &[Grant] = &[
    Grant::cluster(
        "",
        "namespaces",
        &["get", "list", "watch", "create", "delete"],
        "the check's own namespace, and sweeping",
    )
    .unless(RESOURCE_NAMESPACE, "*"),
    Grant::namespaced("", "namespaces", &["get"], "whether the given namespace is there").in_given_namespace(),
    Grant::namespaced("", "events", &["list"], "to explain a failure"),
    Grant::namespaced("", "pods", &["get", "list", "watch"], "to wait for the check's own pods"),
    Grant::namespaced("", "pods/log", &["get"], "the tail of a crashing pod's log"),
];
