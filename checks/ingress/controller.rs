//! What the ingress controller does for the Ingress: its class is there, and it writes an address into the status.

use std::collections::BTreeSet;
use std::net::IpAddr;

use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use kube::{Api, ResourceExt};

use super::objects::Names;
use super::settings::Settings;
use crate::cluster::Look;
use crate::cluster::call::{Action, Answer, try_call};
use crate::context::{Context, Step};
use crate::dns::{self, Target, resolve, system};
use crate::failure::{Certainty, Failure, ObjectRef, Origin};

/// Looks for the class. That it is not there is known at once, where waiting for an address would take minutes.
pub(super) async fn class_exists(cx: &Context, step: &Step, class: &str) -> Result<(), Failure> {
    step.expects(format!("the IngressClass {class}"));
    let classes: Api<IngressClass> = Api::all(cx.client.clone());
    let object = ObjectRef::cluster_scoped("IngressClass", class);
    let action =
        Action { verb: "get", resource: "ingressclasses.networking.k8s.io".to_owned(), object: object.clone() };
    match try_call(step, &action, async || classes.get(class).await).await {
        Ok(found) => {
            step.evidence("controller", found.spec.and_then(|spec| spec.controller));
            Ok(())
        }
        Err(Answer::Forbidden(_)) => {
            step.evidence("notAsked", "the credentials of this run may not get ingressclasses.networking.k8s.io");
            Ok(())
        }
        Err(Answer::NotFound(_)) => {
            let list = Action { verb: "list", ..action };
            let all = try_call(step, &list, async || classes.list(&kube::api::ListParams::default()).await).await;
            let there: Vec<String> =
                all.map(|list| list.iter().map(ResourceExt::name_any).collect()).unwrap_or_default();
            Err(no_class(class, &there).on(object))
        }
        Err(answer) => Err(action.failure(answer)),
    }
}

fn no_class(class: &str, there: &[String]) -> Failure {
    let seen = match there {
        [] => "there is no IngressClass at all".to_owned(),
        there => format!("the cluster has only {}", there.join(", ")),
    };
    Failure::failed(format!("the IngressClass {class}"))
        .saw(seen)
        .because(
            Certainty::Certain,
            Origin::Cluster,
            format!(
                "no ingress controller serves the class {class}: it is not installed, or its class has another name"
            ),
        )
        .next("kubectl get ingressclasses")
        .next("give the class by INGRESS_CLASS_NAME or --ingress-class-name")
}

/// Waits for the addresses that the controller publishes.
pub(super) async fn address(cx: &Context, step: &Step, names: &Names, settings: &Settings) -> Result<Target, Failure> {
    let ingresses = cx.api::<Ingress>();
    let found = step.wait_for(&ingresses, &names.web, "an address in the status of the Ingress", |ingress| {
        let target = ingress.map(published).unwrap_or_default();
        if target == Target::default() { Look::NotYet("no address".to_owned()) } else { Look::Found(target) }
    });
    let target = found.await.map_err(|failure| match failure.cause {
        Some(_) => failure,
        None => failure
            .because(
                Certainty::Likely,
                Origin::Cluster,
                format!(
                    "the ingress controller of class {} does not run, has not taken the Ingress, or cannot make \
                     its load balancer",
                    settings.class
                ),
            )
            .next(format!("kubectl describe {}", names.ingress().kubectl_args()))
            .next(format!("kubectl get ingressclass {} -o jsonpath='{{.spec.controller}}'", settings.class)),
    })?;
    step.evidence("address", target.to_string());
    Ok(target)
}

/// The addresses and host names in an Ingress's status.
fn published(ingress: &Ingress) -> Target {
    let entries = ingress.status.as_ref().and_then(|s| s.load_balancer.as_ref()).and_then(|lb| lb.ingress.as_ref());
    let mut target = Target::default();
    for entry in entries.into_iter().flatten() {
        target.addresses.extend(entry.ip.as_ref().and_then(|ip| ip.parse::<IpAddr>().ok()));
        let host = entry.hostname.as_deref().map(|host| host.trim_end_matches('.').to_lowercase());
        target.hosts.extend(host.filter(|host| !host.is_empty()));
    }
    target
}

/// Resolves the load balancer's host names; a new one takes a while to be in DNS.
pub(super) async fn resolve_hosts(
    step: &Step,
    names: &Names,
    settings: &Settings,
    target: Target,
) -> Result<Target, Failure> {
    let given = settings.dns.as_ref().map(|dns| dns.resolvers.clone()).unwrap_or_default();
    let resolvers = if given.is_empty() { system::resolvers() } else { given };
    let expected = format!("addresses of {target}");
    let addresses = step.poll(&expected, Some(names.ingress()), async || {
        let mut all = BTreeSet::new();
        for host in &target.hosts {
            let Some(name) = dns::name(host) else { return Look::never(format!("{host:?}, which is no DNS name")) };
            match resolve::addresses_of(&resolvers, &name).await {
                Ok(addresses) => all.extend(addresses),
                Err(answer) => return Look::NotYet(format!("{answer} for {host}")),
            }
        }
        Look::Found(all)
    });
    let addresses = addresses.await.map_err(|failure| {
        failure.because(
            Certainty::Likely,
            Origin::Outside,
            "the load balancer's own name is not in DNS: it is still being made, or its making has failed",
        )
    })?;
    step.evidence("addresses", addresses.iter().map(ToString::to_string).collect::<Vec<_>>());
    Ok(Target { addresses: target.addresses.iter().copied().chain(addresses).collect(), ..target })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn addresses_and_host_names_are_read_and_emptiness_is_no_address() {
        let ingress = |entries: serde_json::Value| -> Ingress {
            serde_json::from_value(json!({"metadata": {}, "status": {"loadBalancer": {"ingress": entries}}})).unwrap()
        };
        let target = published(&ingress(json!([{"ip": "192.0.2.1"}, {"hostname": "LB.example.com."}])));
        assert_eq!(target.to_string(), "lb.example.com, 192.0.2.1");
        assert_eq!(published(&ingress(json!([{"hostname": ""}, {"ip": ""}]))), Target::default());
        assert_eq!(published(&Ingress::default()), Target::default());
    }

    #[test]
    fn a_missing_class_names_those_that_are_there() {
        let failure = no_class("alb", &["nginx".to_owned(), "traefik".to_owned()]);
        assert_eq!(failure.summary(), "expected the IngressClass alb, saw the cluster has only nginx, traefik");
        assert!(no_class("alb", &[]).seen.contains("no IngressClass at all"));
    }
}
