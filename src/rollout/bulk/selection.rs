//! Which Rollouts: by name, by label, by Argo CD project, or all of them.

use std::collections::{BTreeMap, BTreeSet};

use super::board::{Board, Key, Scope};

/// Which Rollouts somebody asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// By name. What is named has to be there.
    pub names: Vec<Key>,
    /// The namespace to look in; `None`: all of them. Names have theirs.
    pub namespace: Option<String>,
    /// Those with these labels.
    pub labels: Option<String>,
    /// Those of an Argo CD project, as its Applications list them; resolved already.
    pub project: Option<BTreeSet<Key>>,
}

/// What a selection came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selected {
    /// The Rollouts that are there.
    pub found: Vec<Key>,
    /// Those that were named and are not there.
    pub missing: Vec<Key>,
}

impl Selection {
    /// Whether each Rollout was named, so that skipping one is not what was asked for.
    pub fn is_by_name(&self) -> bool {
        !self.names.is_empty()
    }

    /// The watches that show all of them, as few as can be.
    pub fn scopes(&self) -> Vec<Scope> {
        let keys: Vec<&Key> = match &self.project {
            Some(project) => project.iter().filter(|key| self.takes_namespace(key)).collect(),
            None => self.names.iter().collect(),
        };
        if keys.is_empty() && self.project.is_none() {
            return vec![Scope { namespace: self.namespace.clone(), labels: self.labels.clone(), name: None }];
        }
        let mut by_namespace: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for key in keys {
            by_namespace.entry(&key.namespace).or_default().insert(&key.name);
        }
        let scope = |(namespace, names): (&str, BTreeSet<&str>)| Scope {
            namespace: Some(namespace.to_owned()),
            labels: self.labels.clone(),
            name: names.first().filter(|_| names.len() == 1).map(|name| (*name).to_owned()),
        };
        by_namespace.into_iter().map(scope).collect()
    }

    /// What of it is there.
    pub fn of(&self, board: &Board) -> Selected {
        let there = board.keys();
        if self.is_by_name() {
            let mut names = BTreeSet::new();
            let wanted = self.names.iter().filter(|key| names.insert(*key));
            let (found, missing) = wanted.cloned().partition(|key| there.contains(key));
            return Selected { found, missing };
        }
        let wanted = |key: &Key| self.project.as_ref().is_none_or(|project| project.contains(key));
        Selected { found: there.into_iter().filter(wanted).collect(), missing: Vec::new() }
    }

    fn takes_namespace(&self, key: &Key) -> bool {
        self.namespace.as_ref().is_none_or(|namespace| *namespace == key.namespace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(namespace: Option<&str>, name: Option<&str>) -> Scope {
        Scope { namespace: namespace.map(str::to_owned), labels: None, name: name.map(str::to_owned) }
    }

    #[test]
    fn one_watch_a_namespace() {
        let names = vec![Key::new("a", "x"), Key::new("a", "y"), Key::new("b", "z")];
        let selection = Selection { names, ..Selection::default() };
        assert_eq!(selection.scopes(), [scope(Some("a"), None), scope(Some("b"), Some("z"))]);
        assert_eq!(Selection::default().scopes(), [scope(None, None)]);
    }

    #[test]
    fn a_project_is_seen_through_the_namespace_that_was_given() {
        let project = Some(BTreeSet::from([Key::new("a", "x"), Key::new("b", "y")]));
        let selection = Selection { project, namespace: Some("b".into()), ..Selection::default() };
        assert_eq!(selection.scopes(), [scope(Some("b"), Some("y"))]);
        let empty = Selection { project: Some(BTreeSet::new()), ..Selection::default() };
        assert_eq!(empty.scopes(), [] as [Scope; 0], "a project without Rollouts is not all Rollouts");
    }
}
