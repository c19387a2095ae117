//! Waits for a check's Deployment: available, or the reason why it never will be.

use std::collections::BTreeMap;
use std::convert::Infallible;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentStatus};
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::watcher;

use super::pods;
use super::wait::Look;
use crate::context::{Context, Step};
use crate::failure::{Failure, ObjectRef};

/// Waits until all replicas of a Deployment are available. `selector` selects its pods.
///
/// Its pods are watched as well: a Deployment says only after its progress deadline (ten minutes) what they know at once.
pub async fn available(cx: &Context, step: &Step, name: &str, selector: &str) -> Result<i32, Failure> {
    let deployments = cx.api::<Deployment>();
    let pods = cx.api::<Pod>();
    let selection = watcher::Config::default().labels(selector);
    let expected = "all replicas available";
    // Two watches at once are large; on the heap they do not make the caller's future so.
    let deployment = Box::pin(step.wait_for(&deployments, name, expected, look));
    let broken = Box::pin(step.wait_for_all(&pods, selection, expected, look_at_pods));
    tokio::select! {
        biased;
        deployment = deployment => deployment,
        broken = broken => broken.map(|never: Infallible| match never {}),
    }
}

/// What a Deployment's status says; an old status says nothing.
///
/// <https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#deployment-status>
/// Whether the API server will go on refusing a controller's pods. Quota, Pod Security and policies stay as they are; a webhook that
/// fails may come back, and a new namespace is given its service account a moment later.
pub(crate) fn is_lasting_refusal(message: &str) -> bool {
    let is_refused = message.contains("is forbidden") || message.contains("denied the request");
    is_refused && !message.contains("looking up service account")
}

fn look(deployment: Option<&Deployment>) -> Look<i32> {
    let Some(deployment) = deployment else { return Look::NotYet("there is no such Deployment".to_owned()) };
    let unknown = DeploymentStatus::default();
    let status = deployment.status.as_ref().unwrap_or(&unknown);
    if status.observed_generation < deployment.metadata.generation || status.observed_generation.is_none() {
        return Look::NotYet("the Deployment controller has not seen it yet".to_owned());
    }
    for condition in status.conditions.iter().flatten() {
        let reason = condition.reason.as_deref().unwrap_or_default();
        let message = condition.message.as_deref().unwrap_or_default();
        match (condition.type_.as_str(), condition.status.as_str()) {
            ("Progressing", "False") if reason == "ProgressDeadlineExceeded" => return Look::never(message),
            ("ReplicaFailure", "True") if is_lasting_refusal(message) => return Look::never(message),
            ("ReplicaFailure", "True") => return Look::NotYet(message.to_owned()),
            _ => {}
        }
    }
    let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1).max(1);
    let available = status.available_replicas.unwrap_or(0).min(status.updated_replicas.unwrap_or(0));
    if available >= wanted {
        Look::Found(available)
    } else {
        Look::NotYet(format!("{available} of {wanted} replicas available"))
    }
}

fn look_at_pods(pods: &BTreeMap<String, Pod>) -> Look<Infallible> {
    for pod in pods.values() {
        if let Some(why) = pods::broken(pod) {
            return Look::Never(Box::new(Failure::failed("").saw(why).on(ObjectRef::of(pod))));
        }
    }
    let states: Vec<String> = pods.values().filter(|pod| !pods::is_ready(pod)).map(state).collect();
    Look::NotYet(if pods.is_empty() { "no pods yet".to_owned() } else { states.join("; ") })
}

/// Why a pod is not ready yet, as far as its status tells.
pub fn state(pod: &Pod) -> String {
    let name = pod.metadata.name.as_deref().unwrap_or("?");
    let status = pod.status.clone().unwrap_or_default();
    let unscheduled = status.conditions.iter().flatten().find(|c| c.type_ == "PodScheduled" && c.status == "False");
    if let Some(message) = unscheduled.and_then(|c| c.message.as_deref()) {
        return format!("pod {name} is not scheduled: {message}");
    }
    let waiting = status.container_statuses.iter().flatten().find_map(|c| c.state.as_ref()?.waiting.as_ref());
    match waiting.and_then(|w| w.reason.as_deref()) {
        Some(reason) => format!("pod {name}: {reason}"),
        None => format!("pod {name}: {}, not ready", status.phase.as_deref().unwrap_or("Pending")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn deployment(status: &Value) -> Deployment {
        let object = json!({
            "metadata": {"name": "web", "generation": 2},
            "spec": {"replicas": 2, "selector": {}, "template": {}},
            "status": status,
        });
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn an_old_status_says_nothing() {
        let old = deployment(&json!({"observedGeneration": 1, "availableReplicas": 2, "updatedReplicas": 2}));
        assert!(matches!(look(Some(&old)), Look::NotYet(_)));
        let now = deployment(&json!({"observedGeneration": 2, "availableReplicas": 2, "updatedReplicas": 2}));
        assert!(matches!(look(Some(&now)), Look::Found(2)));
    }

    #[test]
    fn replicas_of_the_template_before_do_not_count() {
        let rolling = deployment(&json!({"observedGeneration": 2, "availableReplicas": 2, "updatedReplicas": 1}));
        assert!(matches!(look(Some(&rolling)), Look::NotYet(_)));
        assert!(matches!(look(None), Look::NotYet(_)));
    }

    #[test]
    fn quota_is_final_and_a_webhook_is_not() {
        let refused = |message: &str| {
            let condition =
                json!({"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message});
            deployment(&json!({"observedGeneration": 2, "conditions": [condition]}))
        };
        let quota = refused("pods \"web-1\" is forbidden: exceeded quota: small");
        let Look::Never(failure) = look(Some(&quota)) else { panic!("not final") };
        assert!(failure.seen.contains("exceeded quota"));
        let webhook = refused("failed calling webhook \"x\": connection refused");
        assert!(matches!(look(Some(&webhook)), Look::NotYet(_)));
        assert!(is_lasting_refusal("admission webhook \"labels\" denied the request: no team"));
        let early =
            "pods \"x\" is forbidden: error looking up service account n/default: serviceaccount \"default\" not found";
        assert!(!is_lasting_refusal(early));
    }

    #[test]
    fn a_broken_pod_ends_the_wait_and_is_named() {
        let pod = |status: Value| -> Pod {
            serde_json::from_value(json!({"metadata": {"name": "p", "namespace": "n"}, "status": status})).unwrap()
        };
        let waiting = |reason: &str| {
            let state = json!({"waiting": {"reason": reason, "message": "m"}});
            json!({"containerStatuses": [{"name": "c", "ready": false, "restartCount": 0, "image": "", "imageID": "", "state": state}]})
        };
        let all = |pod: Pod| BTreeMap::from([("n/p".to_owned(), pod)]);
        let Look::Never(failure) = look_at_pods(&all(pod(waiting("ImagePullBackOff")))) else { panic!("not final") };
        assert_eq!(failure.object, Some(ObjectRef::new("Pod", "n", "p")));
        let Look::NotYet(seen) = look_at_pods(&all(pod(waiting("ContainerCreating")))) else { panic!("final") };
        assert_eq!(seen, "pod p: ContainerCreating");
        let full = json!({"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/1 nodes"}]});
        let Look::NotYet(seen) = look_at_pods(&all(pod(full))) else { panic!("final") };
        assert_eq!(seen, "pod p is not scheduled: 0/1 nodes");
    }
}
