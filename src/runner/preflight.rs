//! Asks the API server for every permission that a check declares, before anything is created.
//!
//! <https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access>

use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use kube::api::PostParams;
use kube::{Api, Client};

use crate::check::{Check, EVENTS_GRANT, Grant, Scope, all_grants};
use crate::cluster::call::{Action, call};
use crate::context::{Context, Step};
use crate::failure::{Certainty, Failure, ObjectRef, Origin};

/// One verb on one resource.
struct Question {
    verb: &'static str,
    grant: &'static Grant,
}

/// Asks for the grants of `check`. A missing one makes the check Inconclusive and is named.
pub async fn permissions(cx: &Context, step: &Step, check: &dyn Check) -> Result<(), Failure> {
    let grants = all_grants(check).filter(|grant| grant.is_needed(&cx.values, &cx.core));
    let questions: Vec<Question> =
        grants.flat_map(|grant| grant.verbs.iter().map(move |verb| Question { verb, grant })).collect();
    let answers = futures::future::try_join_all(questions.iter().map(|question| ask(cx, step, question))).await?;
    let missing: Vec<&Question> =
        questions.iter().zip(&answers).filter(|(_, allowed)| !**allowed).map(|(question, _)| question).collect();
    step.evidence("asked", questions.len());
    if missing.is_empty() {
        return Ok(());
    }
    let named = |question: &&Question| format!("{} {}", question.verb, question.grant.qualified());
    let list = missing.iter().map(named).collect::<Vec<_>>().join(", ");
    let whys = missing.iter().map(|q| format!("{}: {}", named(q), q.grant.why)).collect();
    let first = missing[0];
    let place = match first.grant.scope {
        Scope::Namespace => format!(" -n {}", cx.scratch.namespace),
        Scope::Cluster => " -A".to_owned(),
        Scope::Object { namespace, name } => format!("/{name} -n {namespace}"),
    };
    Err(Failure::inconclusive("the permissions that the check declares")
        .saw(format!("not allowed: {list}"))
        .because(Certainty::Certain, Origin::Harness, format!("the credentials of this run may not {list}"))
        .detail("what they are for", whys)
        .next(format!("kubectl auth can-i {} {}{place}", first.verb, first.grant.qualified()))
        .next("grant them to the run's user or ServiceAccount; `kibertas-rs list` prints what each check needs"))
}

/// What somebody should know before a run that is to leave Events in `namespace`: that it may not. No verdict depends on it, and where
/// the API server does not say, the attempt will.
pub async fn of_events(client: &Client, namespace: &str) -> Option<String> {
    let question = Question { verb: EVENTS_GRANT.verbs[0], grant: &EVENTS_GRANT };
    let api: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let answer = api.create(&PostParams::default(), &review(&question, Some(namespace.to_owned()), None)).await.ok()?;
    let right = format!("{} {}", question.verb, EVENTS_GRANT.qualified());
    (!answer.status?.allowed).then(|| {
        format!(
            "no Events will be left in namespace {namespace}: the credentials of this run may not {right} there; \
             kubectl auth can-i {right} -n {namespace}"
        )
    })
}

async fn ask(cx: &Context, step: &Step, question: &Question) -> Result<bool, Failure> {
    let api: Api<SelfSubjectAccessReview> = Api::all(cx.client.clone());
    let grant = question.grant;
    let (namespace, name) = match grant.scope {
        Scope::Namespace => (Some(cx.scratch.namespace.clone()), None),
        Scope::Cluster => (None, None),
        Scope::Object { namespace, name } => (Some(namespace.to_owned()), Some(name.to_owned())),
    };
    let review = review(question, namespace, name);
    let action = Action {
        verb: "create",
        resource: "selfsubjectaccessreviews.authorization.k8s.io".to_owned(),
        object: ObjectRef::cluster_scoped("SelfSubjectAccessReview", &grant.qualified()),
    };
    let answer = call(step, &action, async || api.create(&PostParams::default(), &review).await).await?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}

fn review(question: &Question, namespace: Option<String>, name: Option<String>) -> SelfSubjectAccessReview {
    let grant = question.grant;
    let (resource, subresource) = match grant.resource.split_once('/') {
        Some((resource, sub)) => (resource, Some(sub.to_owned())),
        None => (grant.resource, None),
    };
    SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                group: Some(grant.group.to_owned()),
                resource: Some(resource.to_owned()),
                subresource,
                verb: Some(question.verb.to_owned()),
                namespace,
                name,
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    }
}
