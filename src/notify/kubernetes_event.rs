//! Kubernetes Events of a run's outcome: seen by `kubectl get events`, and by whatever exports events.
//!
//! <https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/>

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::Api;
use kube::api::PostParams;
use tokio::time::Instant;

use super::delivery::Undelivered;
use super::message::{Line, Part, word};
use crate::clock;
use crate::cluster::call::{Answer, retry};
use crate::report::printable::shortened;

/// Who reports: `kubectl get events -o wide` shows it.
pub const CONTROLLER: &str = "kibertas.dev/kibertas-rs";
/// The most bytes of a note; the API server refuses more.
const MOST_OF_NOTE: usize = 1024;
/// The most checks with an Event of their own.
const MOST_CHECKS: usize = 30;

/// Writes one Event for the run, and one for each check that is not OK. `namespace` has to exist.
pub async fn write(client: &kube::Client, namespace: &str, part: &Part, deadline: Instant) -> Result<u32, Undelivered> {
    let api: Api<Event> = Api::namespaced(client.clone(), namespace);
    for event in events(part, namespace) {
        match retry(deadline, async || api.create(&PostParams::default(), &event).await).await {
            // Its name is the run's: a try whose answer was lost has written it.
            Ok(_) | Err(Answer::Conflict(_)) => {}
            Err(
                Answer::Transient(text)
                | Answer::Forbidden(text)
                | Answer::Unauthorized(text)
                | Answer::NotFound(text)
                | Answer::Refused(text),
            ) => {
                return Err(Undelivered { reason: text, tries: 1 });
            }
        }
    }
    Ok(1)
}

/// The Events of one cluster's run, the run's own first.
pub fn events(part: &Part, namespace: &str) -> Vec<Event> {
    let report = part.report.as_deref().map(|report| format!("; report: {report}")).unwrap_or_default();
    let took = clock::human(part.duration_ms);
    let note = format!("{}: {} in {took}, {}, run {}{report}", part.title(), part.counts, part.versions(), part.run);
    let ok = part.verdict == crate::verdict::Verdict::Passed;
    let mut events =
        vec![event(part, namespace, "run", ok, if ok { "ChecksPassed" } else { "ChecksNotPassed" }, &note)];
    let bad = part.checks.iter().filter(|check| check.trouble.is_some()).take(MOST_CHECKS);
    events.extend(bad.enumerate().map(|(index, check)| {
        event(part, namespace, &format!("check-{index}"), false, "CheckNotPassed", &note_of(part, check))
    }));
    events
}

fn note_of(part: &Part, check: &Line) -> String {
    let mut note = format!("{} {} in {}", word(check.verdict), check.name, part.cluster);
    if let Some(trouble) = &check.trouble {
        let step = trouble.step.as_deref().map(|step| format!("{step}: ")).unwrap_or_default();
        let next = trouble.next.as_deref().map(|next| format!("; next: {next}")).unwrap_or_default();
        note = format!("{note}: {step}{}{next}", trouble.reason);
    }
    note
}

fn event(part: &Part, namespace: &str, what: &str, normal: bool, reason: &str, note: &str) -> Event {
    let run: String = part.run.chars().filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-').collect();
    Event {
        metadata: ObjectMeta {
            name: Some(format!("kibertas-{}.{what}", shortened(&run, 60).trim_end_matches('…'))),
            namespace: Some(namespace.to_owned()),
            ..ObjectMeta::default()
        },
        event_time: Some(MicroTime(clock::now())),
        reporting_controller: Some(CONTROLLER.to_owned()),
        reporting_instance: Some(shortened(&format!("run-{}", part.run), 100).into_owned()),
        action: Some("Test".to_owned()),
        reason: Some(reason.to_owned()),
        type_: Some(if normal { "Normal" } else { "Warning" }.to_owned()),
        note: Some(within(note, MOST_OF_NOTE)),
        // An Event lies in the namespace of what it is about.
        regarding: Some(ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Namespace".to_owned()),
            name: Some(namespace.to_owned()),
            namespace: Some(namespace.to_owned()),
            ..ObjectReference::default()
        }),
        ..Event::default()
    }
}

/// A text cut to so many bytes, with `…` where something is missing.
fn within(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    let fits = |end: &usize| *end + '…'.len_utf8() <= bytes;
    let end = text.char_indices().map(|(start, _)| start).take_while(fits).last().unwrap_or_default();
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::sample;

    #[test]
    fn the_events_of_every_verdict() {
        let events = events(&sample::of_every_verdict().parts[0], "ops");
        let told = |event: &Event| {
            let name = event.metadata.name.as_deref().unwrap_or_default();
            let text = |field: &Option<String>| field.clone().unwrap_or_default();
            format!("{name} {} {}\n  {}", text(&event.type_), text(&event.reason), text(&event.note))
        };
        insta::assert_snapshot!(events.iter().map(told).collect::<Vec<_>>().join("\n"));
    }

    #[test]
    fn a_pass_is_one_normal_event() {
        let events = events(&sample::ok().parts[0], "ops");
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].type_.as_deref(), Some("Normal"));
    }

    #[test]
    fn notes_keep_the_limit_in_bytes() {
        for event in events(&sample::oversized().parts[0], "ops") {
            let note = event.note.unwrap();
            assert!(note.len() <= MOST_OF_NOTE && note.ends_with('…'), "{}", note.len());
        }
        assert_eq!(within("クラスタ", 12), "クラスタ");
        assert_eq!(within("クラスタ", 11), "クラ…");
    }
}
