//! What is said about pods, as events.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Event, EventSource, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, Client, Resource, ResourceExt};

/// The component that Cluster Autoscaler's events come from.
const COMPONENT: &str = "cluster-autoscaler";

/// An event to be.
///
/// <https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/FAQ.md#what-events-are-emitted-by-ca>
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) kind: &'static str,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

impl Word {
    pub(crate) fn triggered(group: &str, before: usize, after: usize, max: usize) -> Self {
        let message = format!("pod triggered scale-up: [{{{group} {before}->{after} (max: {max})}}]");
        Self { kind: "Normal", reason: "TriggeredScaleUp", message }
    }

    /// `refusals` counts the groups by their reason.
    pub(crate) fn not_triggered(refusals: &BTreeMap<String, usize>) -> Self {
        let reasons: Vec<String> = refusals.iter().map(|(reason, groups)| format!("{groups} {reason}")).collect();
        let message = format!("pod didn't trigger scale-up: {}", reasons.join(", "));
        Self { kind: "Normal", reason: "NotTriggerScaleUp", message }
    }
}

/// Says each thing once about each pod. The real one repeats itself, and counts.
pub(crate) struct Speaker {
    client: Client,
    said: BTreeSet<(String, String)>,
}

impl Speaker {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, said: BTreeSet::new() }
    }

    pub(crate) async fn say(&mut self, pod: &Pod, word: &Word) -> kube::Result<()> {
        let key = (pod.uid().unwrap_or_default(), word.message.clone());
        if self.said.contains(&key) {
            return Ok(());
        }
        let namespace = pod.namespace().unwrap_or_default();
        let now = Some(Time(Timestamp::now()));
        let event = Event {
            metadata: ObjectMeta {
                generate_name: Some(format!("{}.", pod.name_any())),
                namespace: Some(namespace.clone()),
                ..ObjectMeta::default()
            },
            involved_object: pod.object_ref(&()),
            reason: Some(word.reason.to_owned()),
            message: Some(word.message.clone()),
            type_: Some(word.kind.to_owned()),
            source: Some(EventSource { component: Some(COMPONENT.to_owned()), host: None }),
            first_timestamp: now.clone(),
            last_timestamp: now,
            count: Some(1),
            ..Event::default()
        };
        match Api::<Event>::namespaced(self.client.clone(), &namespace).create(&PostParams::default(), &event).await {
            Ok(_) => {}
            // The pod's namespace is on its way out.
            Err(kube::Error::Api(status)) if matches!(status.code, 403 | 404) => {}
            Err(error) => return Err(error),
        }
        self.said.insert(key);
        Ok(())
    }
}
