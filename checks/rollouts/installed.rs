//! Whether the API server serves what Argo Rollouts is made of.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResourceList;

use super::{GROUP, traefik};
use crate::cluster::call::{Action, Answer, try_call};
use crate::context::{Context, Step};
use crate::failure::{Certainty, Failure, ObjectRef, Origin};

/// Proves that the resources are there. The group alone says nothing: Argo CD and Argo Workflows share it.
pub(super) async fn prove(cx: &Context, step: &Step, with_traefik: bool) -> Result<(), Failure> {
    let of_rollouts = &["rollouts", "rollouts/status", "analysistemplates", "analysisruns"];
    let served = served(cx, step, GROUP).await?;
    if let Some(failure) = missing(GROUP, of_rollouts, &served, "Argo Rollouts") {
        return Err(failure);
    }
    step.evidence("served", of_rollouts);
    if with_traefik {
        let of_traefik = &["traefikservices", "ingressroutes"];
        let served = self::served(cx, step, traefik::GROUP).await?;
        if let Some(failure) = missing(traefik::GROUP, of_traefik, &served, "Traefik") {
            return Err(failure);
        }
        step.evidence("servedByRouter", of_traefik);
    }
    Ok(())
}

/// The resources of `GROUP/v1alpha1`; none if there is no such group.
async fn served(cx: &Context, step: &Step, group: &str) -> Result<Vec<String>, Failure> {
    let version = format!("{group}/v1alpha1");
    let action =
        Action { verb: "discover", resource: version.clone(), object: ObjectRef::cluster_scoped("APIGroup", &version) };
    match try_call(step, &action, async || cx.client.list_api_group_resources(&version).await).await {
        Ok(APIResourceList { resources, .. }) => Ok(resources.into_iter().map(|resource| resource.name).collect()),
        Err(Answer::NotFound(_)) => Ok(Vec::new()),
        Err(answer) => Err(action.failure(answer)),
    }
}

/// The failure that a resource which is not served is.
fn missing(group: &str, wanted: &[&str], served: &[String], product: &str) -> Option<Failure> {
    let missing: Vec<&str> = wanted.iter().copied().filter(|name| !served.iter().any(|s| s == name)).collect();
    let first = missing.first()?;
    let definition = format!("{}.{group}", first.split('/').next().unwrap_or(first));
    let failure = Failure::failed(format!("the resources of {product} in {group}/v1alpha1"))
        .saw(format!("the API server does not serve {}", missing.join(", ")))
        .on(ObjectRef::cluster_scoped("CustomResourceDefinition", &definition))
        .because(
            Certainty::Certain,
            Origin::Cluster,
            format!("{product} is not installed in this cluster, or its CRDs are missing or too old"),
        )
        .next(format!("kubectl get crd {definition}"));
    Some(failure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_of_argo_cd_is_not_argo_rollouts() {
        let served = ["applications".to_owned(), "appprojects".to_owned()];
        let failure = missing("argoproj.io", &["rollouts", "rollouts/status"], &served, "Argo Rollouts").unwrap();
        assert_eq!(failure.seen, "the API server does not serve rollouts, rollouts/status");
        assert_eq!(failure.next, ["kubectl get crd rollouts.argoproj.io"]);
        assert!(failure.cause.unwrap().text.starts_with("Argo Rollouts is not installed"));
    }

    #[test]
    fn all_there_is_enough() {
        assert_eq!(missing("g", &["a"], &["a".to_owned(), "b".to_owned()], "X"), None);
    }
}
