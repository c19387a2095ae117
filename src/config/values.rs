//! The resolved values of one scope: the harness or one check.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use k8s_openapi::api::core::v1::Toleration;

use super::kubernetes::parse_tolerations;
use super::setting::{parse_duration, parse_flag, parse_pairs, parse_resolvers};
use super::{Kind, Problem, Setting, Sources, file};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The setting's default.
    Default,
    /// The configuration file.
    File,
    /// This environment variable.
    Env(&'static str),
    /// What the target of this name has for itself.
    Target(String),
    /// A flag.
    Flag,
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File => f.write_str("file"),
            Self::Env(name) => write!(f, "environment {name}"),
            Self::Target(name) => write!(f, "target {name}"),
            Self::Flag => f.write_str("flag"),
        }
    }
}

/// One value with its origin. The text is valid for the setting's kind.
#[derive(Clone)]
struct Resolved {
    text: String,
    source: Source,
    kind: Kind,
}

impl std::fmt::Debug for Resolved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = if self.kind == Kind::Secret { "***" } else { &self.text };
        write!(f, "{text:?} ({})", self.source)
    }
}

/// The values of one scope. Every getter takes a declared key; an undeclared one is an error of the program.
#[derive(Debug, Clone, Default)]
pub struct Values {
    declared: Vec<&'static str>,
    values: BTreeMap<&'static str, Resolved>,
}

impl Values {
    /// Resolves `settings` from all sources and tells every problem.
    pub fn resolve(scope: &str, settings: &'static [Setting], sources: &Sources, problems: &mut Vec<Problem>) -> Self {
        let prefix = if scope.is_empty() { String::new() } else { format!("checks.{scope}.") };
        Self::read(&prefix, sources.file.scope(scope), Some(scope), settings, sources, problems)
    }

    /// Resolves the settings of one entry of a list in the file, such as `notify[0]`, and of the environment; it has no flags.
    pub fn of_entry(
        name: &str,
        entry: &serde_json::Map<String, serde_json::Value>,
        settings: &'static [Setting],
        sources: &Sources,
        problems: &mut Vec<Problem>,
    ) -> Self {
        Self::read(&format!("{name}."), Some(entry), None, settings, sources, problems)
    }

    fn read(
        prefix: &str,
        in_file: Option<&serde_json::Map<String, serde_json::Value>>,
        scope: Option<&str>,
        settings: &'static [Setting],
        sources: &Sources,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let dotted = |key: &str| format!("{prefix}{key}");
        let known = settings.iter().map(|s| s.key).collect::<Vec<_>>();
        let unknown = |field: String| Problem {
            field,
            value: None,
            expected: match (known.as_slice(), scope) {
                ([], _) => "left out: there are no settings at all".to_owned(),
                (known, Some("")) => format!("one of {}, or stand under checks:", known.join(", ")),
                (known, _) => format!("one of {}", known.join(", ")),
            },
        };
        let strange = |map: &'_ serde_json::Map<String, serde_json::Value>| {
            map.keys().filter(|key| !known.contains(&key.as_str())).cloned().collect::<Vec<_>>()
        };
        problems.extend(in_file.map(strange).into_iter().flatten().map(|key| unknown(dotted(&key))));
        // An entry of a list is not a scope: no target has anything of it for itself.
        let of_target = scope.and_then(|scope| {
            let overlay = sources.overlay.as_ref()?;
            Some((overlay, scope, overlay.scope(scope)?))
        });
        if let Some((overlay, scope, map)) = of_target {
            problems.extend(strange(map).iter().map(|key| unknown(overlay.field(scope, key))));
        }
        let flags = sources.flags.iter().filter(|((s, _), _)| scope == Some(s));
        for (_, flag) in flags.filter(|((_, k), _)| !known.contains(&k.as_str())) {
            problems.push(unknown(flag.name.clone()));
        }

        let mut values = BTreeMap::new();
        for setting in settings {
            let flag = scope.and_then(|scope| sources.flags.get(&(scope.to_owned(), setting.key.to_owned())));
            let given = flag.map(|flag| (flag.name.clone(), Some(flag.value.clone()), Source::Flag));
            let given = given.or_else(|| {
                let (overlay, scope, map) = of_target?;
                let value = map.get(setting.key).filter(|value| !value.is_null())?;
                let source = Source::Target(overlay.target.clone());
                Some((overlay.field(scope, setting.key), file::as_text(value, setting.kind), source))
            });
            let given = given.or_else(|| {
                setting.env.iter().find_map(|name| {
                    let text = sources.env.get(*name).filter(|text| !text.is_empty())?;
                    Some(((*name).to_owned(), Some(text.clone()), Source::Env(name)))
                })
            });
            let given = given.or_else(|| {
                let value = in_file?.get(setting.key).filter(|value| !value.is_null())?;
                Some((dotted(setting.key), file::as_text(value, setting.kind), Source::File))
            });
            let (field, text, source) = match given {
                Some((field, Some(text), source)) => (field, text, source),
                Some((field, None, _)) => {
                    problems.push(Problem { field, value: None, expected: setting.kind.expectation() });
                    continue;
                }
                None => match setting.default {
                    Some(text) => (dotted(setting.key), text.to_owned(), Source::Default),
                    None => continue,
                },
            };
            if setting.kind.accepts(&text) {
                values.insert(setting.key, Resolved { text, source, kind: setting.kind });
            } else {
                let value = (setting.kind != Kind::Secret).then(|| setting.kind.shown(&text).into_owned());
                problems.push(Problem { field, value, expected: setting.kind.expectation() });
            }
        }
        Self { declared: known, values }
    }

    fn get(&self, key: &str) -> Option<&Resolved> {
        debug_assert!(self.declared.contains(&key), "setting {key} is not declared");
        self.values.get(key)
    }

    /// The text of a setting, if it is set or has a default.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.get(key).map(|v| v.text.as_str())
    }

    /// The text of a setting that has a default; empty otherwise.
    pub fn text_or_empty(&self, key: &str) -> &str {
        self.text(key).unwrap_or_default()
    }

    /// Whether a flag is on; unset is off.
    pub fn flag(&self, key: &str) -> bool {
        self.text(key).and_then(parse_flag).unwrap_or_default()
    }

    /// A whole number; 0 where unset.
    pub fn integer(&self, key: &str) -> u64 {
        self.text(key).and_then(|text| text.parse().ok()).unwrap_or_default()
    }

    /// A time, if it is set.
    pub fn duration(&self, key: &str) -> Option<Duration> {
        self.text(key).and_then(parse_duration)
    }

    /// The words of a list; empty where unset.
    pub fn list(&self, key: &str) -> Vec<String> {
        let words = self.text_or_empty(key).split(',').map(str::trim).filter(|word| !word.is_empty());
        words.map(str::to_owned).collect()
    }

    /// The pairs of a setting; empty where unset.
    pub fn pairs(&self, key: &str) -> BTreeMap<String, String> {
        self.text(key).and_then(parse_pairs).unwrap_or_default()
    }

    /// The resolvers of a setting; empty where unset.
    pub fn resolvers(&self, key: &str) -> Vec<SocketAddr> {
        self.text(key).and_then(parse_resolvers).unwrap_or_default()
    }

    /// The tolerations of a setting; empty where unset.
    pub fn tolerations(&self, key: &str) -> Vec<Toleration> {
        self.text(key).and_then(parse_tolerations).unwrap_or_default()
    }

    /// Where a value came from, if there is one.
    pub fn source(&self, key: &str) -> Option<&Source> {
        self.get(key).map(|v| &v.source)
    }

    /// Whether somebody gave the value, rather than the default.
    pub fn is_given(&self, key: &str) -> bool {
        self.source(key).is_some_and(|source| *source != Source::Default)
    }

    /// Every secret, for the redactor; also what a URL brings to log in with.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        self.values.values().filter_map(|value| value.kind.secret_of(&value.text))
    }

    /// Keys, values as they may be shown, and where each came from.
    pub fn origins(&self) -> impl Iterator<Item = (&'static str, Cow<'_, str>, &Source)> {
        self.values.iter().map(|(key, v)| (*key, v.kind.shown(&v.text), &v.source))
    }

    /// Keys and values as they may be shown; secrets are masked.
    pub fn shown(&self) -> BTreeMap<String, String> {
        self.values.iter().map(|(key, v)| ((*key).to_owned(), v.kind.shown(&v.text).into_owned())).collect()
    }
}
