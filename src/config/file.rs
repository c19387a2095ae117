//! The configuration file: YAML, every key known.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::{ConfigError, Kind, Problem};

/// The file's content, keys not yet matched with the settings.
#[derive(Debug, Clone, Default)]
pub struct ConfigFile {
    /// Where it was read from; empty where there is none.
    pub path: PathBuf,
    top: Map<String, Value>,
    checks: BTreeMap<String, Map<String, Value>>,
    notify: Vec<Map<String, Value>>,
    targets: Vec<Map<String, Value>>,
}

impl ConfigFile {
    /// Reads a file; `-` is standard input.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = if path == Path::new("-") {
            std::io::read_to_string(std::io::stdin())
        } else {
            std::fs::read_to_string(path)
        };
        let text = text.map_err(|e| {
            ConfigError::one("--config", Some(path.display().to_string()), format!("a file that can be read ({e})"))
        })?;
        Self::parse(path, &text)
    }

    /// Parses the text of a file; `path` only names it in errors.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let wrong = |value: Option<String>, expected: String| {
            Err(ConfigError::one(path.display().to_string(), value, expected))
        };
        let document: Value = match serde_saphyr::from_str(text) {
            Ok(document) => document,
            Err(error) => return wrong(None, format!("YAML ({error})")),
        };
        let mut top = match document {
            Value::Null => Map::new(),
            Value::Object(map) => map,
            other => return wrong(Some(other.to_string()), "a mapping of settings".to_owned()),
        };
        let checks = checks_of("checks", top.remove("checks"))?;
        let notify = list_of("notify", top.remove("notify"), "a list of mappings, each with a service")?;
        let targets = list_of("targets", top.remove("targets"), "a list of mappings, each with a name")?;
        Ok(Self { path: path.to_owned(), top, checks, notify, targets })
    }

    /// The entries of `notify`, in order.
    pub fn notify(&self) -> &[Map<String, Value>] {
        &self.notify
    }

    /// The entries of `targets`, in order.
    pub fn targets(&self) -> &[Map<String, Value>] {
        &self.targets
    }

    /// The mapping of one scope: the top level for the empty one, else that check's.
    pub(super) fn scope(&self, scope: &str) -> Option<&Map<String, Value>> {
        if scope.is_empty() { Some(&self.top) } else { self.checks.get(scope) }
    }

    /// Tells checks that do not exist.
    pub(super) fn unknown_checks(&self, known: &[&str], problems: &mut Vec<Problem>) {
        problems.extend(unknown_of("checks", &self.checks, known));
    }
}

fn list_of(key: &str, value: Option<Value>, expected: &'static str) -> Result<Vec<Map<String, Value>>, ConfigError> {
    // The value itself is not shown: somebody may have put a secret there.
    let wrong = |field: String| ConfigError::one(field, None, expected);
    match value {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(items)) => {
            let mapping = |(index, item)| match item {
                Value::Object(map) => Ok(map),
                _ => Err(wrong(format!("{key}[{index}]"))),
            };
            items.into_iter().enumerate().map(mapping).collect()
        }
        Some(_) => Err(wrong(key.to_owned())),
    }
}

/// The mappings of `checks`, by the check's name; `field` is where they stand.
pub(super) fn checks_of(
    field: &str,
    value: Option<Value>,
) -> Result<BTreeMap<String, Map<String, Value>>, ConfigError> {
    let map = match value {
        None | Some(Value::Null) => return Ok(BTreeMap::new()),
        Some(Value::Object(map)) => map,
        Some(other) => {
            return Err(ConfigError::one(field, Some(other.to_string()), "a mapping from check to settings"));
        }
    };
    let mut checks = BTreeMap::new();
    for (name, value) in map {
        match value {
            Value::Object(settings) => drop(checks.insert(name, settings)),
            Value::Null => {}
            other => {
                let expected = "a mapping of the check's settings";
                return Err(ConfigError::one(format!("{field}.{name}"), Some(other.to_string()), expected));
            }
        }
    }
    Ok(checks)
}

/// What to say of checks that do not exist; `field` is where they stand.
pub(super) fn unknown_of(
    field: &str,
    checks: &BTreeMap<String, Map<String, Value>>,
    known: &[&str],
) -> impl Iterator<Item = Problem> {
    let unknown = checks.keys().filter(|name| !known.contains(&name.as_str()));
    unknown.map(move |name| Problem {
        field: format!("{field}.{name}"),
        value: Some(name.clone()),
        expected: format!("one of the checks {}", known.join(", ")),
    })
}

/// A value of the file as the text that a flag would carry; `None` for mappings, unless pairs are what the setting takes.
pub(super) fn as_text(value: &Value, kind: Kind) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::Array(items) => {
            items.iter().map(|item| as_text(item, kind)).collect::<Option<Vec<_>>>().map(|items| items.join(","))
        }
        Value::Object(pairs) if kind == Kind::Pairs => {
            let texts = pairs.iter().map(|(key, value)| Some((key, as_text(value, Kind::Text)?)));
            serde_json::to_string(&texts.collect::<Option<BTreeMap<_, _>>>()?).ok()
        }
        Value::Null | Value::Object(_) => None,
    }
}
