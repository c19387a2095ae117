//! The pod that writes the lines.

use futures::{AsyncBufReadExt, TryStreamExt};
use k8s_openapi::api::core::v1::{Pod, PodSpec};
use kube::api::LogParams;
use tokio::time::Instant;

use super::lines::Wanted;
use crate::cluster::call::{Action, Answer, answer_of};
use crate::cluster::pods::{APP_LABEL, broken, pod_spec};
use crate::cluster::scratch::named;
use crate::cluster::{Look, deployments};
use crate::context::{Context, Step};
use crate::failure::{Failure, ObjectRef};
use crate::probe::NONCE_ENV;

/// What was written, by whom, and when the last line was seen in the pod's own log.
pub(super) struct Written {
    pub(super) pod: ObjectRef,
    pub(super) at: Instant,
}

/// Has a pod write the lines, and waits until all of them are in its own log: from there on they are the shipper's matter.
pub(super) async fn write(cx: &Context, step: &Step, wanted: &Wanted) -> Result<Written, Failure> {
    let pod = cx.create(step, pod(cx, wanted)).await?;
    let object = ObjectRef::of(&pod);
    step.evidence("nonce", &wanted.nonce);
    step.evidence("pod", &object.name);
    let pods = cx.api::<Pod>();
    let node = step.wait_for(&pods, &object.name, "the writing pod started", started).await?;
    step.evidence("node", node);
    let params = LogParams { follow: true, ..LogParams::default() };
    let expected = format!("{} lines in the log of the pod that writes them", wanted.lines + 1);
    let at = step.poll(&expected, Some(object.clone()), async || match pods.log_stream(&object.name, &params).await {
        Ok(log) => last_line_in(log, wanted).await,
        Err(error) => match answer_of(&error) {
            Answer::Transient(text) | Answer::NotFound(text) | Answer::Conflict(text) | Answer::Refused(text) => {
                Look::NotYet(text)
            }
            answer => {
                let mut action = Action::on::<Pod>("get", &cx.scratch.namespace, &object.name);
                "pods/log".clone_into(&mut action.resource);
                Look::Never(Box::new(action.failure(answer)))
            }
        },
    });
    let at = at.await?;
    step.evidence("lines", wanted.lines + 1);
    Ok(Written { pod: object, at })
}

fn pod(cx: &Context, wanted: &Wanted) -> Pod {
    let (lines, length) = (wanted.lines.to_string(), wanted.length.to_string());
    let args = ["probe", "log", "--lines", &lines, "--length", &length];
    let name = cx.scratch.name("log");
    let mut metadata = named(&name);
    metadata.labels = Some([(APP_LABEL.to_owned(), name)].into());
    let spec = pod_spec(&cx.core.image, &args, &[(NONCE_ENV, &wanted.nonce)], false);
    // A container that is started again would write the lines again.
    let spec = PodSpec { restart_policy: Some("Never".to_owned()), ..spec };
    Pod { metadata, spec: Some(spec), ..Pod::default() }
}

/// The node that the pod's container runs on.
fn started(pod: Option<&Pod>) -> Look<String> {
    let Some(pod) = pod else { return Look::NotYet("there is no such pod".to_owned()) };
    if let Some(why) = broken(pod) {
        return Look::never(why);
    }
    let status = pod.status.as_ref();
    if status.and_then(|status| status.phase.as_deref()) == Some("Failed") {
        let why = status.and_then(|status| status.message.as_deref().or(status.reason.as_deref()));
        return Look::never(format!("the pod failed: {}", why.unwrap_or("its container ended")));
    }
    let containers = status.and_then(|status| status.container_statuses.as_deref()).unwrap_or_default();
    let runs = containers.iter().any(|c| c.state.as_ref().is_some_and(|state| state.running.is_some()));
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
    match node.filter(|_| runs) {
        Some(node) => Look::Found(node),
        None => Look::NotYet(deployments::state(pod)),
    }
}

async fn last_line_in(log: impl AsyncBufReadExt, wanted: &Wanted) -> Look<Instant> {
    let last = wanted.last_line();
    let mut lines = std::pin::pin!(log.lines());
    let mut count = 0;
    loop {
        match lines.try_next().await {
            Ok(Some(line)) if line == last => return Look::Found(Instant::now()),
            Ok(Some(_)) => count += 1,
            Ok(None) => return Look::NotYet(format!("{count} of {} lines", wanted.lines + 1)),
            Err(error) => return Look::NotYet(format!("{count} lines, then {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(status: &Value) -> Pod {
        let object = json!({"metadata": {"name": "p"}, "spec": {"nodeName": "n", "containers": []}, "status": status});
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn only_a_running_container_has_started() {
        let container = |state: Value| {
            json!({"phase": "Running", "containerStatuses": [
                {"name": "c", "ready": true, "restartCount": 0, "image": "", "imageID": "", "state": state},
            ]})
        };
        assert!(matches!(started(None), Look::NotYet(_)));
        assert!(matches!(started(Some(&pod(&json!({"phase": "Pending"})))), Look::NotYet(_)));
        assert!(matches!(started(Some(&pod(&container(json!({"running": {}}))))), Look::Found(node) if node == "n"));
        let waiting = container(json!({"waiting": {"reason": "ImagePullBackOff", "message": "m"}}));
        assert!(matches!(started(Some(&pod(&waiting))), Look::Never(_)));
        let failed = pod(&json!({"phase": "Failed", "reason": "Evicted"}));
        let Look::Never(failure) = started(Some(&failed)) else { panic!("not final") };
        assert_eq!(failure.seen, "the pod failed: Evicted");
    }

    #[tokio::test]
    async fn the_log_is_whole_with_its_last_line() {
        let wanted = Wanted { nonce: "n".to_owned(), lines: 2, length: 0 };
        let all = format!("{}\n{}\n{}\n", wanted.line(0), wanted.line(1), wanted.line(2));
        assert!(matches!(last_line_in(all.as_bytes(), &wanted).await, Look::Found(_)));
        let part = &all.as_bytes()[..all.len() - 5];
        assert!(matches!(last_line_in(part, &wanted).await, Look::NotYet(seen) if seen == "3 of 3 lines"));
    }
}
