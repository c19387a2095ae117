//! The revisions of a Rollout, and the way back to one of them.
//!
//! The same as `kubectl argo rollouts undo`
//! (<https://github.com/argoproj/argo-rollouts/blob/v1.10.1/pkg/kubectl-argo-rollouts/cmd/undo/undo.go>), except that it leaves no
//! canary or stable labels of the controller's in the template, which would make a new revision of an old one.

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use kube::api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::Rollout;
use super::api::{POD_HASH_LABEL, REVISION, WORKLOAD_GENERATION};
use super::operation::{Effect, OperationError};
use super::plan::Refusal;
use super::status::State;
use crate::cluster::call::{Action, Answer, FIELD_MANAGER, retry};

/// Where the controller notes the labels and annotations that it has added to a ReplicaSet's template.
const EPHEMERAL: &str = "rollout.argoproj.io/ephemeral-metadata";

/// One template that a Rollout has had.
#[derive(Debug, Clone, PartialEq)]
pub struct Revision {
    /// Its number; it grows with every change.
    pub number: i64,
    /// The template's hash.
    pub hash: String,
    /// The template, as it was in the Rollout.
    pub template: Value,
}

impl Revision {
    /// Reads a ReplicaSet; `None` where it is none of a Rollout.
    fn of(replica_set: &DynamicObject) -> Option<Self> {
        let number = replica_set.annotations().get(REVISION)?.parse().ok()?;
        let hash = replica_set.labels().get(POD_HASH_LABEL)?.clone();
        let mut template = replica_set.data.pointer("/spec/template")?.clone();
        let added = replica_set.annotations().get(EPHEMERAL).and_then(|text| serde_json::from_str(text).ok());
        let added: Value = added.unwrap_or_default();
        for kind in ["labels", "annotations"] {
            let Some(there) = template.pointer_mut(&format!("/metadata/{kind}")).and_then(Value::as_object_mut) else {
                continue;
            };
            there.remove(POD_HASH_LABEL);
            for key in added.get(kind).and_then(Value::as_object).into_iter().flat_map(Map::keys) {
                there.remove(key);
            }
        }
        Some(Self { number, hash, template })
    }

    /// The images of its containers.
    pub fn images(&self) -> Vec<String> {
        let containers = self.template.pointer("/spec/containers").and_then(Value::as_array);
        let images = containers.into_iter().flatten().filter_map(|container| container["image"].as_str());
        images.map(str::to_owned).collect()
    }
}

/// The revisions that are still kept, newest first.
pub async fn revisions(client: &Client, rollout: &Rollout, deadline: Instant) -> Result<Vec<Revision>, OperationError> {
    let namespace = rollout.namespace().unwrap_or_default();
    let api: Api<DynamicObject> =
        Api::namespaced_with(client.clone(), &namespace, &ApiResource::erase::<ReplicaSet>(&()));
    let action = Action::on::<ReplicaSet>("list", &namespace, &rollout.name_any());
    let params = ListParams::default().labels(POD_HASH_LABEL);
    let all = retry(deadline, async || api.list(&params).await).await;
    let all = all.map_err(|answer| OperationError::Call { action, answer })?;
    let owned = |object: &&DynamicObject| {
        object.owner_references().iter().any(|owner| Some(&owner.uid) == rollout.metadata.uid.as_ref())
    };
    let mut revisions: Vec<Revision> = all.items.iter().filter(owned).filter_map(Revision::of).collect();
    revisions.sort_by_key(|revision| std::cmp::Reverse(revision.number));
    Ok(revisions)
}

/// The revision to go back to: the one of this number, else the one before the newest.
pub fn choose(rollout: &Rollout, revisions: Vec<Revision>, number: Option<i64>) -> Result<Revision, Refusal> {
    let state = State::of(rollout);
    let impossible = |reason: String| Refusal::Impossible { reason, instead: None };
    let kept = revisions.iter().map(|revision| revision.number.to_string()).collect::<Vec<_>>().join(", ");
    let chosen = match number {
        Some(number) => revisions.into_iter().find(|revision| revision.number == number).ok_or_else(|| {
            impossible(format!(
                "it has no revision {number}; kept are {}",
                if kept.is_empty() { "none" } else { &kept }
            ))
        })?,
        None => revisions.into_iter().nth(1).ok_or_else(|| impossible("it has no earlier revision".to_owned()))?,
    };
    if state.currency.is_observed() && chosen.hash == state.current_hash {
        return Err(Refusal::Already(format!("its template is that of revision {} already", chosen.number)));
    }
    match &rollout.spec.workload_ref {
        Some(workload) if workload.kind != "Deployment" => {
            Err(impossible(format!("its template lives in a {}, which is not undone", workload.kind)))
        }
        _ => Ok(chosen),
    }
}

/// Brings a revision's template back, under the condition that nobody has changed the Rollout's spec, or the workload's where the
/// template lives there, since `rollout` was seen.
pub async fn undo(
    client: &Client,
    rollout: &Rollout,
    revision: &Revision,
    deadline: Instant,
) -> Result<Effect, OperationError> {
    let namespace = rollout.namespace().unwrap_or_default();
    let name = rollout.name_any();
    let mut steps = Vec::new();
    let (resource, action, name) = match &rollout.spec.workload_ref {
        None => {
            steps.push(json!({"op": "test", "path": "/metadata/generation", "value": rollout.metadata.generation}));
            (ApiResource::erase::<Rollout>(&()), Action::on::<Rollout>("patch", &namespace, &name), name)
        }
        Some(workload) => {
            let seen = rollout.annotations().get(WORKLOAD_GENERATION).and_then(|text| text.parse::<i64>().ok());
            if let Some(generation) = seen {
                steps.push(json!({"op": "test", "path": "/metadata/generation", "value": generation}));
            }
            let action = Action::on::<Deployment>("patch", &namespace, &workload.name);
            (ApiResource::erase::<Deployment>(&()), action, workload.name.clone())
        }
    };
    steps.push(json!({"op": "replace", "path": "/spec/template", "value": revision.template}));
    let patch = serde_json::from_value(Value::Array(steps))
        .map_err(|error| OperationError::Call { action: action.clone(), answer: Answer::Refused(error.to_string()) })?;
    let patch: Patch<Rollout> = Patch::Json(patch);
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &namespace, &resource);
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let patched = retry(deadline, async || api.patch(&name, &params, &patch).await).await;
    let patched = patched.map_err(|answer| OperationError::Call { action: action.clone(), answer })?;
    match rollout.spec.workload_ref {
        // What was patched is the workload; the Rollout follows.
        Some(_) => Ok(Effect::Patched(Box::new(rollout.clone()))),
        None => patched
            .try_parse()
            .map(|rollout| Effect::Patched(Box::new(rollout)))
            .map_err(|error| OperationError::Call { action, answer: Answer::Refused(error.to_string()) }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::recorded::rollout;
    use super::*;

    fn replica_set(number: &str, hash: &str) -> DynamicObject {
        serde_json::from_value(json!({
            "apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": {
                "name": format!("web-{hash}"),
                "labels": {POD_HASH_LABEL: hash},
                "annotations": {REVISION: number, EPHEMERAL: r#"{"labels":{"role":"stable"},"annotations":{"note":"x"}}"#},
            },
            "spec": {"template": {
                "metadata": {"labels": {"app": "web", "role": "stable", POD_HASH_LABEL: hash}, "annotations": {"note": "x", "own": "y"}},
                "spec": {"containers": [{"name": "c", "image": "example.com/web:1"}], "aFieldOfTheFuture": 1},
            }},
        }))
        .unwrap()
    }

    fn kept() -> Vec<Revision> {
        [("3", "84cbc6975c"), ("2", "8cb4c578b"), ("1", "old")]
            .iter()
            .filter_map(|(number, hash)| Revision::of(&replica_set(number, hash)))
            .collect()
    }

    /// What the controller has added for canary and stable pods would make another hash, and so a new revision.
    #[test]
    fn a_template_comes_back_as_it_was_in_the_rollout() {
        let revision = Revision::of(&replica_set("2", "8cb4c578b")).unwrap();
        assert_eq!(revision.template["metadata"], json!({"labels": {"app": "web"}, "annotations": {"own": "y"}}));
        assert_eq!(revision.template["spec"]["aFieldOfTheFuture"], 1);
        assert_eq!(revision.images(), ["example.com/web:1"]);
    }

    #[test]
    fn the_one_before_the_newest_or_the_one_that_was_named() {
        let paused = rollout("paused");
        assert_eq!(choose(&paused, kept(), None).unwrap().number, 2);
        assert_eq!(choose(&paused, kept(), Some(1)).unwrap().hash, "old");
        let refusal = |number| choose(&paused, kept(), Some(number)).unwrap_err().to_string();
        assert_eq!(refusal(9), "it has no revision 9; kept are 3, 2, 1");
        assert_eq!(refusal(3), "its template is that of revision 3 already");
        assert_eq!(choose(&paused, Vec::new(), None).unwrap_err().to_string(), "it has no earlier revision");
    }
}
