//! What one target of several has set for itself, such as its host name. It wins over environment and file, which are for all of
//! them; flags win over it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::file::{checks_of, unknown_of};
use super::{ConfigError, Problem, Setting, core};

/// The settings of the harness that are the same for all targets of a command.
const OF_THE_COMMAND: &[&str] = &[
    "baselines",
    "baselinesKept",
    "publish",
    "publishUrl",
    "s3Endpoint",
    "s3Region",
    "s3PathStyle",
    "pushgateway",
    "events",
    "notifyTimeout",
];

/// The settings of the harness that a target may have for itself.
pub fn own_settings() -> impl Iterator<Item = &'static Setting> {
    core::SETTINGS.iter().filter(|setting| !OF_THE_COMMAND.contains(&setting.key))
}

/// The settings of one target.
#[derive(Debug, Clone, Default)]
pub struct Overlay {
    /// The target's name.
    pub target: String,
    place: String,
    own: Map<String, Value>,
    checks: BTreeMap<String, Map<String, Value>>,
}

impl Overlay {
    /// The settings that a target's entry has; `place` is where it stands, such as `targets[0]`. The cluster is called as the target,
    /// unless the entry says otherwise.
    pub fn parse(
        target: &str,
        place: &str,
        settings: Option<Value>,
        checks: Option<Value>,
    ) -> Result<Self, ConfigError> {
        let field = format!("{place}.settings");
        let mut own = match settings {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(map)) => map,
            Some(other) => return Err(ConfigError::one(field, Some(other.to_string()), "a mapping of settings")),
        };
        if let Some(key) = own.keys().find(|key| OF_THE_COMMAND.contains(&key.as_str())) {
            let expected = "left out, or at the top of the file: it is the same for all targets";
            return Err(ConfigError::one(format!("{field}.{key}"), None, expected));
        }
        own.entry("clusterName").or_insert_with(|| Value::String(target.to_owned()));
        let checks = checks_of(&format!("{place}.checks"), checks)?;
        Ok(Self { target: target.to_owned(), place: place.to_owned(), own, checks })
    }

    /// The same settings for one cluster of several that the entry stands for.
    #[must_use]
    pub fn for_cluster(&self, name: &str) -> Self {
        let mut own = self.own.clone();
        own.insert("clusterName".to_owned(), Value::String(name.to_owned()));
        Self { target: name.to_owned(), own, ..self.clone() }
    }

    /// The mapping of one scope: the harness's own for the empty one, else that check's.
    pub(super) fn scope(&self, scope: &str) -> Option<&Map<String, Value>> {
        if scope.is_empty() { Some(&self.own) } else { self.checks.get(scope) }
    }

    /// Where a setting of a scope stands.
    pub(super) fn field(&self, scope: &str, key: &str) -> String {
        if scope.is_empty() {
            format!("{}.settings.{key}", self.place)
        } else {
            format!("{}.checks.{scope}.{key}", self.place)
        }
    }

    /// Tells checks that do not exist.
    pub(super) fn unknown_checks(&self, known: &[&str], problems: &mut Vec<Problem>) {
        problems.extend(unknown_of(&format!("{}.checks", self.place), &self.checks, known));
    }
}
