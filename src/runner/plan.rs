//! Which checks run, and which are skipped with a reason.

use crate::check::{Check, NotConfigured};
use crate::config::Config;

/// One check of the plan.
#[derive(Clone)]
pub struct Planned {
    /// The check.
    pub check: &'static dyn Check,
    /// Why it does not run, if so.
    pub skipped: Option<String>,
}

/// The checks of a run, in the registry's order, each once.
#[derive(Clone)]
pub struct Plan {
    /// The checks.
    pub checks: Vec<Planned>,
}

/// Why no plan can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// There is no such check.
    #[error("unknown check {name:?}: should be all or one of {known}{}", .near.as_ref().map(|n| format!("; did you mean {n:?}?")).unwrap_or_default())]
    Unknown {
        /// As given.
        name: String,
        /// What there is.
        known: String,
        /// The one that was probably meant.
        near: Option<String>,
    },
    /// A check that was asked for by name is not configured.
    #[error("the check {check} is not configured: {setting} should be {expected}")]
    NotConfigured {
        /// The check.
        check: &'static str,
        /// The setting that is missing.
        setting: String,
        /// What it should be.
        expected: String,
    },
}

impl Plan {
    /// Plans the checks of these names or aliases; none, or `all`, means every check.
    pub fn make(names: &[String], registry: &[&'static dyn Check], config: &Config) -> Result<Self, PlanError> {
        let all = names.is_empty() || names.iter().any(|name| name == "all");
        for name in names.iter().filter(|name| *name != "all") {
            if !registry.iter().any(|check| is_named(*check, name)) {
                return Err(unknown(name, registry));
            }
        }
        let mut checks = Vec::new();
        for &check in registry {
            let by_name = names.iter().any(|name| is_named(check, name));
            if !all && !by_name {
                continue;
            }
            let about = check.about();
            let skipped = match check.configured(config.of(about.name)) {
                Ok(()) => None,
                Err(NotConfigured { setting, expected }) if by_name => {
                    return Err(PlanError::NotConfigured { check: about.name, setting, expected });
                }
                Err(NotConfigured { setting, expected }) => Some(format!("{setting} should be {expected}")),
            };
            checks.push(Planned { check, skipped });
        }
        Ok(Self { checks })
    }

    /// The names of the checks that will run.
    pub fn running(&self) -> Vec<String> {
        let running = self.checks.iter().filter(|planned| planned.skipped.is_none());
        running.map(|planned| planned.check.about().name.to_owned()).collect()
    }
}

fn is_named(check: &dyn Check, name: &str) -> bool {
    check.about().name == name || check.about().aliases.contains(&name)
}

fn unknown(name: &str, registry: &[&'static dyn Check]) -> PlanError {
    let names = registry
        .iter()
        .flat_map(|check| std::iter::once(check.about().name).chain(check.about().aliases.iter().copied()));
    let near = names
        .map(|known| (distance(name, known), known))
        .min()
        .filter(|(distance, known)| *distance <= known.len() / 3)
        .map(|(_, known)| known.to_owned());
    let known = registry.iter().map(|check| check.about().name).collect::<Vec<_>>().join(", ");
    PlanError::Unknown { name: name.to_owned(), known, near }
}

/// The number of letters to insert, remove or replace to make one word of another.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in to.iter().enumerate() {
            let replace = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replace.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        assert_eq!(distance("rollout", "rollouts"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
