//! Secrets never show: whatever leaves the program passes here first.

use std::borrow::Cow;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What stands in a secret's place.
pub(crate) const MASK: &str = "***";

/// A secret shorter than this would mask ordinary words.
const SHORTEST: usize = 4;

/// Masks known secrets.
#[derive(Clone, Default)]
pub struct Redactor {
    /// Longest first, so that a secret that contains another is masked whole.
    secrets: Vec<String>,
}

impl Redactor {
    /// A redactor of these secrets.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut secrets: Vec<String> =
            secrets.into_iter().map(str::trim).filter(|s| s.len() >= SHORTEST).map(str::to_owned).collect();
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets.dedup();
        Self { secrets }
    }

    /// A text without secrets.
    pub fn clean_text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut text = Cow::Borrowed(text);
        for secret in &self.secrets {
            if text.contains(secret.as_str()) {
                text = Cow::Owned(text.replace(secret.as_str(), MASK));
            }
        }
        text
    }

    /// A value with every text in it cleaned.
    pub fn clean<T: Serialize + DeserializeOwned>(&self, value: T) -> T {
        if self.secrets.is_empty() {
            return value;
        }
        let Ok(mut json) = serde_json::to_value(&value) else { return value };
        self.clean_json(&mut json);
        serde_json::from_value(json).unwrap_or(value)
    }

    fn clean_json(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Cow::Owned(clean) = self.clean_text(text) {
                    *text = clean;
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.clean_json(item)),
            Value::Object(map) => map.values_mut().for_each(|item| self.clean_json(item)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Redactor({} secrets)", self.secrets.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longer_secrets_first_and_short_ones_never() {
        let redactor = Redactor::new(["abcd", "abcdef", "ok", " \n"]);
        assert_eq!(redactor.clean_text("ok abcdef abcd"), "ok *** ***");
    }

    #[test]
    fn nested_values_are_cleaned() {
        let redactor = Redactor::new(["s3cret"]);
        let value = serde_json::json!({"a": ["x s3cret y", {"b": "s3cret"}], "n": 1});
        assert_eq!(redactor.clean(value), serde_json::json!({"a": ["x *** y", {"b": "***"}], "n": 1}));
    }
}
