//! The configuration: file, then environment, then what a target has for itself, then flags; the later wins.
//!
//! ```yaml
//! clusterName: blue
//! timeout: 15m
//! checks:
//!   ingress:
//!     host: kibertas.blue.example.com
//! ```

pub mod core;
mod file;
pub mod kubernetes;
mod masked;
pub mod overlay;
pub mod setting;
#[cfg(test)]
mod tests;
pub mod values;

use std::collections::BTreeMap;
use std::path::Path;

pub use self::core::Core;
pub use self::file::ConfigFile;
pub use self::overlay::Overlay;
pub use self::setting::{Kind, Setting};
pub use self::values::Values;

use crate::check::Check;

/// One wrong entry: the field, its value and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where it was given: a key of the file, an environment variable or a flag.
    pub field: String,
    /// The value as given; `None` for secrets and for what is missing.
    pub value: Option<String>,
    /// Completes "should be …".
    pub expected: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Enough to recognise it by; a whole file given by mistake would hide the message.
        let shown = |value: &str| match value.char_indices().nth(80) {
            Some((end, _)) => format!("{:?}…", &value[..end]),
            None => format!("{value:?}"),
        };
        match &self.value {
            Some(value) => write!(f, "{} is {}, but should be {}", self.field, shown(value), self.expected),
            None => write!(f, "{} should be {}", self.field, self.expected),
        }
    }
}

/// Everything that is wrong with the configuration, at once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the configuration is wrong:{}", .0.iter().map(|p| format!("\n  - {p}")).collect::<String>())]
pub struct ConfigError(pub Vec<Problem>);

impl ConfigError {
    /// An error of one problem.
    pub fn one(field: impl Into<String>, value: Option<String>, expected: impl Into<String>) -> Self {
        Self(vec![Problem { field: field.into(), value, expected: expected.into() }])
    }
}

/// Where values come from. Tests give their own environment.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The parsed configuration file.
    pub file: ConfigFile,
    /// The process's environment.
    pub env: BTreeMap<String, String>,
    /// What the target has for itself, where there are several.
    pub overlay: Option<Overlay>,
    /// Flags by scope and key; the harness's own settings have the empty scope.
    pub flags: BTreeMap<(String, String), Flag>,
    /// Flags that say something else about a setting than an earlier one.
    contradictions: Vec<Problem>,
}

/// A value given on the command line.
#[derive(Debug, Clone)]
pub struct Flag {
    /// The flag, as it is named in errors.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl Sources {
    /// Reads the file, if there is one, and the process's environment.
    pub fn gather(path: Option<&Path>) -> Result<Self, ConfigError> {
        let file = match path {
            Some(path) => ConfigFile::read(path)?,
            None => ConfigFile::default(),
        };
        Ok(Self { file, env: std::env::vars().collect(), ..Self::default() })
    }

    /// The same for one target.
    #[must_use]
    pub fn of_target(&self, overlay: Option<Overlay>) -> Self {
        Self { overlay, ..self.clone() }
    }

    /// Gives a flag's value to a setting. Of the same flag the last one wins; two flags must not say different things.
    pub fn flag(&mut self, name: &str, scope: &str, key: &str, value: impl Into<String>) {
        let flag = Flag { name: name.to_owned(), value: value.into() };
        let earlier = self.flags.insert((scope.to_owned(), key.to_owned()), flag.clone());
        if let Some(earlier) = earlier.filter(|earlier| earlier.name != flag.name && earlier.value != flag.value) {
            let expected = format!("left out, or agree with {}", earlier.name);
            self.contradictions.push(Problem { field: flag.name, value: None, expected });
        }
    }

    /// Takes `--set CHECK.KEY=VALUE` (or `KEY=VALUE` for the harness's own).
    pub fn set(&mut self, assignment: &str) -> Result<(), ConfigError> {
        let wrong = || ConfigError::one("--set", Some(assignment.to_owned()), "CHECK.KEY=VALUE or KEY=VALUE");
        let (path, value) = assignment.split_once('=').ok_or_else(wrong)?;
        let (scope, key) = path.rsplit_once('.').unwrap_or(("", path));
        if key.is_empty() {
            return Err(wrong());
        }
        self.flag(&format!("--set {path}"), scope, key, value);
        Ok(())
    }
}

/// The whole configuration, resolved and validated.
#[derive(Debug, Clone)]
pub struct Config {
    /// The harness's own settings.
    pub core: Core,
    /// The same as they were given, for the report.
    pub own: Values,
    /// The settings of each check, by its name.
    pub checks: BTreeMap<&'static str, Values>,
}

impl Config {
    /// Resolves the settings of the harness and of all checks; unknown keys and wrong values are all told at once.
    pub fn resolve(sources: &Sources, checks: &[&'static dyn Check]) -> Result<Self, ConfigError> {
        let mut problems = sources.contradictions.clone();
        let names: Vec<&str> = checks.iter().map(|c| c.about().name).collect();
        sources.file.unknown_checks(&names, &mut problems);
        if let Some(overlay) = &sources.overlay {
            overlay.unknown_checks(&names, &mut problems);
        }
        for ((scope, _), flag) in &sources.flags {
            if !scope.is_empty() && !names.contains(&scope.as_str()) {
                let expected = format!("for one of the checks {}", names.join(", "));
                // It may be a secret; nobody knows of which check.
                problems.push(Problem { field: flag.name.clone(), value: None, expected });
            }
        }
        let own = Values::resolve("", core::SETTINGS, sources, &mut problems);
        let values: BTreeMap<&'static str, Values> = checks
            .iter()
            .map(|check| {
                let name = check.about().name;
                (name, Values::resolve(name, check.settings(), sources, &mut problems))
            })
            .collect();
        if !problems.is_empty() {
            return Err(ConfigError(problems));
        }
        let core = Core::from_values(&own)?;
        let contradictions = checks.iter().flat_map(|check| check.contradictions(&values[check.about().name], &core));
        match contradictions.collect::<Vec<_>>() {
            problems if problems.is_empty() => Ok(Self { core, own, checks: values }),
            problems => Err(ConfigError(problems)),
        }
    }

    /// The harness's own settings alone, for commands that run no check: what a check reads or refuses must not keep the emergency
    /// button from working.
    pub fn of_harness(sources: &Sources) -> Result<Core, ConfigError> {
        let mut problems = sources.contradictions.clone();
        let own = Values::resolve("", core::SETTINGS, sources, &mut problems);
        if problems.is_empty() { Core::from_values(&own) } else { Err(ConfigError(problems)) }
    }

    /// Every secret, for the redactor.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.own).chain(self.checks.values()).flat_map(Values::secrets)
    }

    /// The values of one check.
    ///
    /// # Panics
    /// When the name is not of a registered check: an error of the program, not of its input.
    pub fn of(&self, check: &str) -> &Values {
        &self.checks[check]
    }
}
