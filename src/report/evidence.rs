//! Evidence in words: what a step saw, short enough for a line.

use std::collections::BTreeMap;

use serde_json::Value;

use super::printable::{one_line, shortened};

/// The most characters that one value takes in a line.
const VALUE: usize = 60;
/// The most items of a list that are shown in a line.
const ITEMS: usize = 4;

/// What a step saw, in one line: single values first, as they say the most in the least room.
/// A value that is called like the step needs no name.
pub(crate) fn in_a_line(step: &str, evidence: &BTreeMap<String, Value>) -> String {
    let mut shown: Vec<(&String, &Value)> = evidence.iter().filter(|(_, value)| !is_empty(value)).collect();
    shown.sort_by_key(|(_, value)| match value {
        Value::Object(_) => 2,
        Value::Array(_) => 1,
        _ => 0,
    });
    let shown = shown.into_iter().map(|(key, value)| match briefly(value) {
        value if key == step => value,
        value => format!("{} {value}", one_line(key)),
    });
    shown.collect::<Vec<_>>().join(" · ")
}

/// A value in a few words; long lists say how much more there is.
pub(crate) fn briefly(value: &Value) -> String {
    let text = match value {
        Value::Array(items) if !items.is_empty() => {
            let first = items.iter().take(ITEMS).map(plainly).collect::<Vec<_>>().join(", ");
            match items.len().saturating_sub(ITEMS) {
                0 => first,
                // What follows the list says how long it is, so it must not be cut off.
                more => return format!("{} and {more} more", shortened(&first, VALUE)),
            }
        }
        other => plainly(other),
    };
    shortened(&text, VALUE).into_owned()
}

/// A value without the quotes and brackets that are for machines, whole, in one line.
pub(crate) fn plainly(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => one_line(text).into_owned(),
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Array(items) => items.iter().map(plainly).collect::<Vec<_>>().join(", "),
        Value::Object(map) => {
            let fields = map.iter().map(|(key, value)| format!("{} {}", one_line(key), plainly(value)));
            fields.collect::<Vec<_>>().join(", ")
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        // An empty list is a sight of its own: nothing was there.
        Value::Array(_) | Value::Bool(_) | Value::Number(_) => false,
        Value::Object(map) => map.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn line(value: Value) -> String {
        in_a_line("step", &serde_json::from_value(value).unwrap())
    }

    #[test]
    fn single_values_come_before_lists() {
        let seen = json!({"addresses": ["10.0.0.1", "10.0.0.2"], "host": "a.example.com", "ready": true, "weights": {"canary": 25}});
        assert_eq!(line(seen), "host a.example.com · ready yes · addresses 10.0.0.1, 10.0.0.2 · weights canary 25");
    }

    #[test]
    fn long_lists_and_texts_say_that_there_is_more() {
        assert_eq!(line(json!({"nodes": ["a", "b", "c", "d", "e", "f"]})), "nodes a, b, c, d and 2 more");
        let long = line(json!({"message": "x".repeat(500)}));
        assert_eq!(long.chars().count(), "message ".len() + VALUE);
        assert!(long.ends_with('…'));
    }

    #[test]
    fn an_empty_list_is_told_and_an_empty_text_is_not() {
        assert_eq!(line(json!({"addresses": [], "reason": "", "more": null})), "addresses none");
    }

    #[test]
    fn text_of_the_cluster_stays_in_its_line() {
        assert_eq!(line(json!({"step": "itself"})), "itself");
        assert_eq!(line(json!({"k\n": "a\nb\u{1b}[2J"})), "k a ⏎ b");
    }
}
