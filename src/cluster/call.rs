//! Calls of the API server that outlast short faults: a restart, an overload, a webhook that is not there yet.
//!
//! The client itself retries 429, 503 and 504 by `Retry-After`. Here everything transient is tried again until the step's deadline;
//! what is final (no permission, refused by admission, invalid) ends at once with words of its own.

use std::fmt::Debug;
use std::time::Duration;

use k8s_openapi::NamespaceResourceScope;
use kube::api::{Patch, PatchParams, PostParams};
use kube::core::Status;
use kube::{Api, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;

use super::connect::innermost;
use crate::aws::eks::EksError;
use crate::context::{Context, Step};
use crate::failure::{Certainty, Failure, ObjectRef, Origin};

/// The field manager of our patches.
pub const FIELD_MANAGER: &str = "kibertas-rs";

/// What an answer means for the one who asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It may work the next time: overload, restart, connection lost.
    Transient(String),
    /// The credentials lack a permission.
    Forbidden(String),
    /// The credentials are not accepted (any more).
    Unauthorized(String),
    /// The object, its namespace or its whole kind is not there.
    NotFound(String),
    /// It is there already, or has changed in between.
    Conflict(String),
    /// The cluster refuses: admission, quota, validation.
    Refused(String),
}

impl Answer {
    /// What the API server said, or what became of the connection to it.
    pub fn text(&self) -> &str {
        match self {
            Self::Transient(text)
            | Self::Forbidden(text)
            | Self::Unauthorized(text)
            | Self::NotFound(text)
            | Self::Conflict(text)
            | Self::Refused(text) => text,
        }
    }
}

/// Sorts an error of the client.
pub fn answer_of(error: &kube::Error) -> Answer {
    match error {
        kube::Error::Api(status) => answer_of_status(status),
        kube::Error::Auth(error) => Answer::Unauthorized(innermost(error)),
        // No token can be made any more, such as after the session has ended.
        kube::Error::Service(error) if error.downcast_ref::<EksError>().is_some_and(|error| !error.passes()) => {
            Answer::Unauthorized(error.to_string())
        }
        other => Answer::Transient(innermost(other)),
    }
}

fn answer_of_status(status: &Status) -> Answer {
    let text = status.message.trim().to_owned();
    match status.code {
        401 => Answer::Unauthorized(text),
        // RBAC says `… is forbidden: User "x" cannot create resource "y"`; admission, quota and Pod Security also answer 403,
        // and an admission webhook may use any words of its own.
        403 if text.contains("User \"") && text.contains(" cannot ") => Answer::Forbidden(text),
        404 => Answer::NotFound(text),
        409 => Answer::Conflict(text),
        410 | 429 | 500..=599 => Answer::Transient(format!("{} ({})", text, status.code)),
        _ => Answer::Refused(text),
    }
}

/// What a call is about, for its error text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// The verb of the API, such as `create`.
    pub verb: &'static str,
    /// The resource with its group, such as `ingresses.networking.k8s.io`.
    pub resource: String,
    /// The object.
    pub object: ObjectRef,
}

impl Action {
    /// An action on a typed object.
    pub fn on<K: Resource<DynamicType = ()>>(verb: &'static str, namespace: &str, name: &str) -> Self {
        let (group, plural) = (K::group(&()), K::plural(&()));
        let resource = if group.is_empty() { plural.into_owned() } else { format!("{plural}.{group}") };
        Self { verb, resource, object: ObjectRef::new(&K::kind(&()), namespace, name) }
    }

    /// The failure that an answer is.
    pub fn failure(&self, answer: Answer) -> Failure {
        let expected = format!("to {} {}", self.verb, self.object);
        let resource = &self.resource;
        match answer {
            Answer::Forbidden(text) => Failure::inconclusive(expected)
                .saw(text)
                .because(
                    Certainty::Certain,
                    Origin::Harness,
                    format!("the credentials of this run may not {} {resource}", self.verb),
                )
                .next(format!(
                    "kubectl auth can-i {} {resource}{}",
                    self.verb,
                    self.object.namespace.as_ref().map(|n| format!(" -n {n}")).unwrap_or_default()
                )),
            // A webhook that fails is the cluster's fault; an API server that is away tells nothing about the add-on.
            Answer::Transient(text) if text.contains("webhook") => Failure::failed(expected).saw(text),
            // Why is for the diagnosis to say: an expired token, a clock, a server that is down.
            Answer::Unauthorized(text) | Answer::Transient(text) => Failure::inconclusive(expected).saw(text),
            Answer::NotFound(text) | Answer::Conflict(text) | Answer::Refused(text) => {
                Failure::failed(expected).saw(text)
            }
        }
        .on(self.object.clone())
    }
}

/// Delays between tries: 50 ms, doubled up to 2 s.
pub fn backoff() -> impl Iterator<Item = Duration> + Send {
    std::iter::successors(Some(Duration::from_millis(50)), |delay| Some((*delay * 2).min(Duration::from_secs(2))))
}

/// Makes a call, again and again while the fault is transient, until the step's deadline.
pub async fn call<T>(step: &Step, action: &Action, attempt: impl AsyncFn() -> kube::Result<T>) -> Result<T, Failure> {
    match try_call(step, action, attempt).await {
        Ok(value) => Ok(value),
        Err(answer) => Err(action.failure(answer)),
    }
}

/// The same, with the final answer as it is, for callers to whom, say, "not found" is an answer.
pub async fn try_call<T>(
    step: &Step,
    action: &Action,
    attempt: impl AsyncFn() -> kube::Result<T>,
) -> Result<T, Answer> {
    retry_telling(step.deadline, attempt, |text| step.sees(format!("{} {}: {text}", action.verb, action.object))).await
}

/// Makes a call until it succeeds, the answer is final, or `deadline` has come; for those who have no step.
pub async fn retry<T>(deadline: Instant, attempt: impl AsyncFn() -> kube::Result<T>) -> Result<T, Answer> {
    retry_telling(deadline, attempt, |_| {}).await
}

async fn retry_telling<T>(
    deadline: Instant,
    attempt: impl AsyncFn() -> kube::Result<T>,
    tell: impl Fn(&str),
) -> Result<T, Answer> {
    let mut delays = backoff();
    loop {
        let answer = match tokio::time::timeout_at(deadline, attempt()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => answer_of(&error),
            Err(_elapsed) => return Err(Answer::Transient("no answer in time".to_owned())),
        };
        let Answer::Transient(text) = &answer else { return Err(answer) };
        tell(text);
        let delay = delays.next().unwrap_or(Duration::from_secs(2));
        if Instant::now() + delay >= deadline {
            return Err(answer);
        }
        tokio::time::sleep(delay).await;
    }
}

impl Context {
    /// An API of the check's namespace.
    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), &self.scratch.namespace)
    }

    /// Creates an object in the check's namespace. Its namespace, labels and expiry are set, and it is removed after the check.
    pub async fn create<K>(&self, step: &Step, mut object: K) -> Result<K, Failure>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + Serialize + DeserializeOwned,
    {
        let ticket = self.scratch.enter(&mut object);
        let name = object.meta().name.clone().unwrap_or_default();
        let action = Action::on::<K>("create", &self.scratch.namespace, &name);
        let api = self.api::<K>();
        let created = match try_call(step, &action, async || api.create(&PostParams::default(), &object).await).await {
            // A try whose answer was lost has created it already. Only an object of this very run is taken for ours.
            Err(Answer::Conflict(text)) => {
                let existing =
                    call(step, &Action { verb: "get", ..action.clone() }, async || api.get(&name).await).await?;
                if !self.scratch.is_ours(existing.meta()) {
                    return Err(action.failure(Answer::Conflict(text)));
                }
                existing
            }
            Err(answer) => return Err(action.failure(answer)),
            Ok(created) => created,
        };
        self.scratch.created(ticket, created.meta());
        Ok(created)
    }

    /// Reads an object of the check's namespace.
    pub async fn get<K>(&self, step: &Step, name: &str) -> Result<K, Failure>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    {
        let api = self.api::<K>();
        let action = Action::on::<K>("get", &self.scratch.namespace, name);
        call(step, &action, async || api.get(name).await).await
    }

    /// Merges a patch into an object of the check's namespace.
    pub async fn patch<K>(&self, step: &Step, name: &str, patch: &Value) -> Result<K, Failure>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    {
        let api = self.api::<K>();
        let action = Action::on::<K>("patch", &self.scratch.namespace, name);
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        call(step, &action, async || api.patch(name, &params, &Patch::Merge(patch)).await).await
    }

    /// Merges a patch into an object's status.
    pub async fn patch_status<K>(&self, step: &Step, name: &str, patch: &Value) -> Result<K, Failure>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    {
        let api = self.api::<K>();
        let action = Action::on::<K>("patch", &self.scratch.namespace, name);
        let action = Action { resource: format!("{}/status", action.resource), ..action };
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        call(step, &action, async || api.patch_status(name, &params, &Patch::Merge(patch)).await).await
    }

    /// Deletes an object that the check created, before the clean-up would.
    pub async fn delete<K>(&self, step: &Step, name: &str) -> Result<(), Failure>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    {
        let api = self.api::<K>();
        let action = Action::on::<K>("delete", &self.scratch.namespace, name);
        match try_call(step, &action, async || api.delete(name, &kube::api::DeleteParams::default()).await).await {
            Ok(_) | Err(Answer::NotFound(_)) => Ok(()),
            Err(answer) => Err(action.failure(answer)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: u16, message: &str) -> kube::Error {
        kube::Error::Api(Box::new(Status { code, message: message.to_owned(), ..Status::default() }))
    }

    #[test]
    fn rbac_is_told_from_admission() {
        let rbac = r#"ingresses.networking.k8s.io is forbidden: User "x" cannot create resource "ingresses""#;
        assert!(matches!(answer_of(&status(403, rbac)), Answer::Forbidden(_)));
        let quota = "pods \"x\" is forbidden: exceeded quota: small";
        assert!(matches!(answer_of(&status(403, quota)), Answer::Refused(_)));
        let webhook = "admission webhook \"policy\" denied the request: a Certificate cannot have this name";
        assert!(matches!(answer_of(&status(403, webhook)), Answer::Refused(_)));
    }

    #[test]
    fn a_missing_permission_names_verb_and_resource() {
        let action = Action {
            verb: "create",
            resource: "ingresses.networking.k8s.io".into(),
            object: ObjectRef::new("Ingress", "ns", "web"),
        };
        let failure = action.failure(Answer::Forbidden("cannot".into()));
        assert_eq!(failure.verdict, crate::verdict::Verdict::Inconclusive);
        assert_eq!(failure.next, ["kubectl auth can-i create ingresses.networking.k8s.io -n ns"]);
        assert!(failure.cause.unwrap().text.contains("may not create ingresses.networking.k8s.io"));
    }

    #[test]
    fn a_token_that_cannot_be_made_is_final_and_one_that_can_later_is_not() {
        let of = |error: EksError| answer_of(&kube::Error::Service(error.into()));
        assert!(matches!(of(EksError::Expired { said: "x".into() }), Answer::Unauthorized(_)));
        let away = EksError::Unanswered { server: "x".into(), reason: "y".into() };
        assert!(matches!(of(away), Answer::Transient(_)));
    }

    #[test]
    fn overload_restart_and_expiry_are_tried_again() {
        for code in [410, 429, 500, 502, 503, 504] {
            assert!(matches!(answer_of(&status(code, "x")), Answer::Transient(_)), "{code}");
        }
        for code in [400, 422] {
            assert!(matches!(answer_of(&status(code, "x")), Answer::Refused(_)), "{code}");
        }
    }

    #[test]
    fn delays_grow_and_stay_bounded() {
        let delays: Vec<u128> = backoff().take(8).map(|d| d.as_millis()).collect();
        assert_eq!(delays, [50, 100, 200, 400, 800, 1600, 2000, 2000]);
    }
}
