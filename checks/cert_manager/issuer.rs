//! Who issues: the CA that this run makes, or an issuer that is there already.

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Resource, ResourceExt};

use super::objects::{
    CLUSTER_ISSUER, CaIssuer, ClusterIssuer, Condition, Conditions, GROUP, ISSUER, Issuer, IssuerRef, IssuerSpec,
};
use super::readiness::IssuerState;
use super::refusal;
use super::root_ca::RootCa;
use super::settings::Options;
use super::stored::{certificates, fingerprint};
use super::verify::Trust;
use crate::clock;
use crate::cluster::call::{Action, call};
use crate::cluster::scratch::named;
use crate::context::{Context, Step};
use crate::failure::{Certainty, Failure, ObjectRef, Origin};

/// How long an existing issuer has to have been not ready, by its own word, for that to be believed at first sight, in seconds.
const STALE_SECONDS: i64 = 10;

/// The issuer of this run's Certificates, and the CA that is believed.
pub(super) struct Provided {
    /// How Certificates name it.
    pub(super) reference: IssuerRef,
    /// Which CA is believed.
    pub(super) trust: Trust,
}

/// Makes the run's own CA and Issuer.
pub(super) async fn own(cx: &Context, step: &Step, options: &Options) -> Result<Provided, Failure> {
    let common_name = format!("kibertas-rs root CA {}", cx.scratch.run);
    let ca = RootCa::make(&common_name, clock::now(), options.duration.unwrap_or_default()).map_err(|error| {
        Failure::inconclusive("a root CA of this run").saw(error.to_string()).because(
            Certainty::Certain,
            Origin::Harness,
            "a defect of kibertas-rs; please report it",
        )
    })?;
    step.evidence("subject", &common_name);
    step.evidence("sha256", fingerprint(&ca.certificate()));
    let (secret_name, name) = (cx.scratch.name("root-ca"), cx.scratch.name("issuer"));
    cx.create::<Secret>(step, ca.secret(secret_name.clone())).await?;
    let spec = IssuerSpec { ca: Some(CaIssuer { secret_name }) };
    let issuer = Issuer { metadata: named(&name), spec, status: None };
    if let Err(failure) = cx.create(step, issuer).await {
        return Err(refusal::explain(cx, failure).await);
    }
    step.evidence("issuer", &name);
    let reference = IssuerRef { name, kind: ISSUER.to_owned(), group: GROUP.to_owned() };
    Ok(Provided { reference, trust: Trust::Own(ca.certificate()) })
}

/// Looks at an issuer that is there already. One that has been not ready for some time ends the check at once.
pub(super) async fn existing(
    cx: &Context,
    step: &Step,
    options: &Options,
    reference: IssuerRef,
) -> Result<Provided, Failure> {
    let roots = match &options.ca_file {
        None => Vec::new(),
        Some(path) => {
            let unreadable = |seen: String| {
                Failure::inconclusive(format!("certificates in caFile {}", path.display())).saw(seen).because(
                    Certainty::Certain,
                    Origin::Harness,
                    "the setting caFile does not name a PEM file with CA certificates",
                )
            };
            let pem = tokio::fs::read(path).await.map_err(|error| unreadable(error.to_string()))?;
            certificates("caFile", &pem).map_err(|defect| unreadable(defect.to_string()))?
        }
    };
    let state = if reference.kind == CLUSTER_ISSUER {
        let object = ObjectRef::cluster_scoped(CLUSTER_ISSUER, &reference.name);
        look(cx, step, &Api::<ClusterIssuer>::all(cx.client.clone()), object).await?
    } else {
        let object = ObjectRef::new(ISSUER, &cx.scratch.namespace, &reference.name);
        look(cx, step, &cx.api::<Issuer>(), object).await?
    };
    step.evidence("issuer", state.object.to_string());
    step.evidence("ready", state.ready.as_ref().map(|ready| ready.status.as_str()));
    step.evidence("roots", roots.iter().map(fingerprint).collect::<Vec<_>>());
    if let Some(why) = state.refusal().filter(|why| is_stale(why)) {
        let failure = state.failure(why);
        return Err(Failure { expected: "the issuer to be Ready=True".to_owned(), ..failure });
    }
    Ok(Provided { reference, trust: Trust::Existing(roots) })
}

async fn look<K>(cx: &Context, step: &Step, api: &Api<K>, object: ObjectRef) -> Result<IssuerState, Failure>
where
    K: Resource<DynamicType = ()> + Conditions + ResourceExt + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let action = Action { verb: "get", resource: format!("{}.{GROUP}", K::plural(&())), object };
    match call(step, &action, async || api.get(&action.object.name).await).await {
        Ok(issuer) => Ok(IssuerState::of(&issuer)),
        Err(failure) => Err(refusal::explain(cx, failure).await),
    }
}

/// Whether a condition is older than a moment in which an issuer may still come up. One without a readable time is not.
fn is_stale(condition: &Condition) -> bool {
    let since = condition.last_transition_time.as_ref().and_then(|time| time.parse::<jiff::Timestamp>().ok());
    since.is_some_and(|since| clock::now().as_second() - since.as_second() >= STALE_SECONDS)
}
