//! What there is to see of a Rollout at one moment: its state and its pods.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use serde::Serialize;

use super::manifests::{CANARY, ROLE_LABEL, STABLE};
use crate::cluster::pods::is_ready;
use crate::cluster::scratch::is_terminating;
use crate::rollout::State;
use crate::rollout::api::POD_HASH_LABEL;

/// A Rollout and its pods.
pub(super) struct View<'a> {
    pub(super) state: State,
    pub(super) pods: &'a BTreeMap<String, Pod>,
}

/// The pods of one template, as evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Pods {
    /// The template's hash.
    pub(super) hash: String,
    /// Those that are ready, by name, with their UIDs.
    pub(super) ready: BTreeMap<String, String>,
    /// The number of those that are not.
    pub(super) unready: usize,
}

impl View<'_> {
    /// Pods that are there to stay, of one template.
    fn living<'v>(&'v self, hash: &'v str) -> impl Iterator<Item = &'v Pod> {
        self.pods.values().filter(move |pod| !is_terminating(*pod) && label(pod, POD_HASH_LABEL) == Some(hash))
    }

    /// The pods of one template.
    pub(super) fn of(&self, hash: &str) -> Pods {
        let (ready, unready): (Vec<&Pod>, Vec<&Pod>) = self.living(hash).partition(|pod| is_ready(pod));
        let uid = |pod: &&Pod| (pod.name_any(), pod.uid().unwrap_or_default());
        Pods { hash: hash.to_owned(), ready: ready.iter().map(uid).collect(), unready: unready.len() }
    }

    /// Whether exactly `count` pods of a template are there, all of them ready and of one role. None of none is no proof, so
    /// `count` has to be above 0.
    pub(super) fn has(&self, hash: &str, count: i32, role: &str) -> bool {
        let pods: Vec<&Pod> = self.living(hash).collect();
        count > 0
            && i32::try_from(pods.len()) == Ok(count)
            && pods.iter().all(|pod| is_ready(pod) && label(pod, ROLE_LABEL) == Some(role))
    }

    /// How many pods that are there to stay belong to another template than this one.
    pub(super) fn others(&self, hash: &str) -> usize {
        let other = |pod: &&Pod| !is_terminating(*pod) && label(pod, POD_HASH_LABEL) != Some(hash);
        self.pods.values().filter(other).count()
    }

    /// How many pods that are there to stay carry the canary's label.
    pub(super) fn canaries(&self) -> usize {
        self.pods.values().filter(|pod| !is_terminating(*pod) && label(pod, ROLE_LABEL) == Some(CANARY)).count()
    }

    /// One line: the Rollout, and its pods by role.
    pub(super) fn line(&self) -> String {
        let ready = |role: &str| {
            let of_role = |pod: &&Pod| !is_terminating(*pod) && label(pod, ROLE_LABEL) == Some(role);
            let pods: Vec<&Pod> = self.pods.values().filter(of_role).collect();
            format!("{}/{} {role}", pods.iter().filter(|pod| is_ready(pod)).count(), pods.len())
        };
        let mut line = format!("{}; pods ready: {}, {}", self.state, ready(STABLE), ready(CANARY));
        if let Some(routed) = self.state.weights.as_ref().and_then(|weights| weights.routed) {
            line.push_str("; weight ");
            line.push_str(&routed.to_string());
        }
        line
    }
}

fn label<'a>(pod: &'a Pod, key: &str) -> Option<&'a str> {
    pod.metadata.labels.as_ref()?.get(key).map(String::as_str)
}

/// How many canary and how many stable pods come nearest to a weight in percent, above 0 and below 100, where the numbers of pods alone
/// make it and one pod more than `replicas` is allowed.
///
/// The controller takes at least one pod of each, and one more in all where that comes nearer
/// (<https://github.com/argoproj/argo-rollouts/blob/v1.10.1/utils/replicaset/canary.go>, `CalculateReplicaCountsForBasicCanary`).
pub(super) fn split(replicas: i32, weight: i32) -> (i32, i32) {
    let share = replicas * weight;
    let (fewer, more) = (share / 100, (share + 99) / 100);
    let candidates = [(more, replicas), (fewer, replicas), (more, replicas + 1), (fewer, replicas + 1)];
    let possible = candidates.into_iter().filter(|&(canary, total)| canary >= 1 && canary < total);
    // Distances from the weight, with a common denominator; the first of equals wins.
    let distance = |&(canary, total): &(i32, i32)| (canary * 100 - weight * total).abs() * (2 * replicas + 1 - total);
    let (canary, total) = possible.min_by_key(distance).unwrap_or((1, replicas + 1));
    (canary, total - canary)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::Rollout;
    use serde_json::json;

    fn pod(name: &str, hash: &str, role: &str, ready: bool, going: bool) -> (String, Pod) {
        let pod = serde_json::from_value(json!({
            "metadata": {"name": name, "uid": format!("u-{name}"), "labels": {POD_HASH_LABEL: hash, ROLE_LABEL: role},
                         "deletionTimestamp": going.then_some("2026-01-01T00:00:00Z")},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }}]},
        }));
        (name.to_owned(), pod.unwrap())
    }

    fn state() -> State {
        State::of(&Rollout::new("web", crate::rollout::api::RolloutSpec::default()))
    }

    #[test]
    fn no_pods_are_never_enough() {
        let pods = BTreeMap::new();
        let view = View { state: state(), pods: &pods };
        assert!(!view.has("a", 0, STABLE));
    }

    #[test]
    fn only_ready_pods_of_the_role_that_stay_count() {
        let pods: BTreeMap<String, Pod> =
            [pod("1", "a", STABLE, true, false), pod("2", "a", STABLE, true, true), pod("3", "b", CANARY, true, false)]
                .into();
        let view = View { state: state(), pods: &pods };
        assert!(view.has("a", 1, STABLE));
        assert!(!view.has("a", 2, STABLE), "a terminating pod is no stable pod");
        assert!(view.has("b", 1, CANARY));
        assert!(!view.has("b", 1, STABLE));
        assert_eq!((view.others("a"), view.canaries()), (1, 1));
        assert_eq!(view.of("a").ready, BTreeMap::from([("1".to_owned(), "u-1".to_owned())]));

        let unready: BTreeMap<String, Pod> =
            [pod("1", "a", STABLE, true, false), pod("2", "a", STABLE, false, false)].into();
        let view = View { state: state(), pods: &unready };
        assert!(!view.has("a", 2, STABLE), "running is not ready");
        assert!(!view.has("a", 1, STABLE), "one too many");
    }

    #[test]
    fn weights_in_whole_pods() {
        assert_eq!(split(4, 25), (1, 3));
        assert_eq!(split(4, 50), (2, 2));
        assert_eq!(split(2, 25), (1, 2), "a third is nearer to a quarter than a half");
        assert_eq!(split(3, 50), (2, 2), "one pod more makes it exact");
        assert_eq!(split(10, 25), (3, 8), "3 of 11 are nearer than 2 or 3 of 10");
        assert_eq!(split(100, 25), (25, 75));
        for replicas in 1..=100 {
            for weight in super::super::manifests::WEIGHTS {
                let (canary, stable) = split(replicas, weight);
                assert!(canary >= 1 && stable >= 1 && (replicas..=replicas + 1).contains(&(canary + stable)));
            }
        }
    }
}
