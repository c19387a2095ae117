//! Turns what the API server answered into evidence: smaller, without secrets, each event once.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::controllers;
use super::evidence::{EventSeen, LeaseSeen, Workload, text_of};
use super::kinds::Story;
use super::wording::clean;

/// The most events that are kept, the latest of them.
const EVENTS: usize = 100;
/// The longest event text that is kept, in characters.
const MESSAGE: usize = 1000;

/// The text at a JSON pointer; empty where there is none.
pub(super) fn text_at<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// An object without what explains nothing or is nobody's business.
pub(super) fn trimmed(mut item: Value, kind: &str) -> Value {
    strip(&mut item);
    if let Some(object) = item.as_object_mut() {
        object.insert("kind".to_owned(), Value::from(kind));
    }
    item
}

fn strip(value: &mut Value) {
    /// Environment variables may hold secrets; the others are only of use to machines.
    const NEEDLESS: &[&str] = &[
        "env",
        "managedFields",
        "uid",
        "resourceVersion",
        "images",
        "imageID",
        "containerID",
        "kubectl.kubernetes.io/last-applied-configuration",
    ];
    match value {
        Value::Object(map) => {
            map.retain(|key, _| !NEEDLESS.contains(&key.as_str()));
            map.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// An event as it is kept.
pub(super) fn event_seen(event: &Value) -> EventSeen {
    // Old and new recorders write different fields: https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
    let times =
        ["/series/lastObservedTime", "/lastTimestamp", "/eventTime", "/firstTimestamp", "/metadata/creationTimestamp"];
    let count = ["/series/count", "/count"].iter().find_map(|at| event.pointer(at).and_then(Value::as_u64));
    let message = text_of(event, "message");
    let message = message.strip_prefix("(combined from similar events): ").unwrap_or(message);
    EventSeen {
        at: times.iter().map(|at| text_at(event, at)).find(|text| !text.is_empty()).unwrap_or_default().to_owned(),
        type_: text_of(event, "type").to_owned(),
        reason: clean(text_of(event, "reason"), 80),
        kind: text_at(event, "/involvedObject/kind").to_owned(),
        name: text_at(event, "/involvedObject/name").to_owned(),
        message: clean(message, MESSAGE),
        count: count.unwrap_or(1).max(1),
    }
}

/// Events in order of time, those that say the same once, the latest of them.
pub(super) fn condensed(mut events: Vec<EventSeen>) -> Vec<EventSeen> {
    let time = |event: &EventSeen| event.at.parse::<Timestamp>().ok();
    events.sort_by_key(time);
    let mut latest: BTreeMap<(String, String, String, String), EventSeen> = BTreeMap::new();
    for mut event in events {
        // A controller that is refused tries each time with a new name.
        let said =
            event.message.split_once("is forbidden:").map_or(event.message.as_str(), |(_, said)| said).to_owned();
        let key = (event.kind.clone(), event.name.clone(), event.reason.clone(), said);
        event.count += latest.remove(&key).map_or(0, |earlier| earlier.count);
        latest.insert(key, event);
    }
    let mut events: Vec<EventSeen> = latest.into_values().collect();
    events.sort_by_key(time);
    events.split_off(events.len().saturating_sub(EVENTS))
}

/// A controller's workload; `None` where its label names no known controller.
pub(super) fn workload_of(kind: &str, workload: &Value) -> Option<Workload> {
    let controller = controllers::by_label(text_at(workload, "/metadata/labels/app.kubernetes.io~1name"))?;
    let number = |at: &str| workload.pointer(at).and_then(Value::as_i64);
    let (wanted, ready) = match kind {
        "Deployment" => (number("/spec/replicas"), number("/status/readyReplicas")),
        _ => (number("/status/desiredNumberScheduled"), number("/status/numberReady")),
    };
    Some(Workload {
        addon: controller.addon.to_owned(),
        kind: kind.to_owned(),
        namespace: text_at(workload, "/metadata/namespace").to_owned(),
        name: text_at(workload, "/metadata/name").to_owned(),
        wanted: wanted.unwrap_or_default(),
        ready: ready.unwrap_or_default(),
    })
}

/// A controller's lease; `None` where it is none of these stories'. `now`: the API server's clock, in seconds.
pub(super) fn lease_of(lease: &Value, stories: &[Story], now: i64) -> Option<LeaseSeen> {
    let controller = controllers::by_lease(text_at(lease, "/metadata/name"))?;
    let renewed: Timestamp = text_at(lease, "/spec/renewTime").parse().ok()?;
    stories.contains(&controller.story).then(|| LeaseSeen {
        addon: controller.addon.to_owned(),
        namespace: text_at(lease, "/metadata/namespace").to_owned(),
        name: text_at(lease, "/metadata/name").to_owned(),
        holder: text_at(lease, "/spec/holderIdentity").to_owned(),
        renewed_ago_s: now - renewed.as_second(),
        duration_s: lease.pointer("/spec/leaseDurationSeconds").and_then(Value::as_i64).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_in_environment_variables_are_not_kept() {
        let pod = serde_json::json!({"metadata": {"uid": "u"}, "spec": {"containers": [{"name": "c", "env": [{"name": "A", "value": "s3cret"}]}]}});
        let kept = trimmed(pod, "Pod").to_string();
        assert!(!kept.contains("s3cret") && !kept.contains("uid"), "{kept}");
    }

    #[test]
    fn refusals_under_ever_new_names_are_one_event() {
        let refused = |name: &str, second: u8| EventSeen {
            at: format!("2026-01-01T00:00:{second:02}Z"),
            reason: "FailedCreate".into(),
            message: format!("Error creating: pods \"web-{name}\" is forbidden: exceeded quota: small"),
            count: 1,
            ..EventSeen::default()
        };
        let events = condensed(vec![refused("b", 9), refused("a", 3), refused("c", 5)]);
        assert_eq!(events.len(), 1);
        assert_eq!((events[0].count, events[0].at.as_str()), (3, "2026-01-01T00:00:09Z"));
    }

    #[test]
    fn only_the_latest_events_are_kept_in_order() {
        let event = |n: usize| EventSeen {
            at: format!("2026-01-01T00:{:02}:{:02}Z", n / 60, n % 60),
            message: n.to_string(),
            count: 1,
            ..EventSeen::default()
        };
        let events = condensed((0..150).rev().map(event).collect());
        assert_eq!(events.len(), EVENTS);
        assert_eq!((events[0].message.as_str(), events[99].message.as_str()), ("50", "149"));
    }

    #[test]
    fn event_texts_lose_their_escapes() {
        let event = serde_json::json!({"message": "\u{1b}[2Jboo\nhoo", "reason": "X", "count": 0});
        let seen = event_seen(&event);
        assert_eq!((seen.message.as_str(), seen.count), ("boo hoo", 1));
    }
}
