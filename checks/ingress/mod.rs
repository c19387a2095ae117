//! Proves that traffic comes in: an Ingress gets an address, the address serves the host, the name leads to the address.

mod controller;
mod http;
mod objects;
mod record;
mod reply;
mod settings;
mod standing;

use std::collections::BTreeMap;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::runtime::watcher;

use self::http::Requests;
use self::objects::Names;
use self::record::Record;
use self::settings::Settings;
use crate::check::{About, Check, Grant, NotConfigured};
use crate::cluster::{Look, deployments};
use crate::config::{Core, Problem, Setting, Values};
use crate::context::{Context, Step};
use crate::dns::Target;
use crate::failure::Failure;

/// The check.
pub struct Ingress;

impl Check for Ingress {
    fn about(&self) -> &'static About {
        static ABOUT: About = About {
            name: "ingress",
            aliases: &[],
            summary: "Traffic comes in: an Ingress gets an address, serves its host, and its name leads there.",
            proves: &[
                "the ingress controller gives a new Ingress an address",
                "every address serves this run's back end for the host, known by a nonce that only it has",
                "the host's DNS record leads to these addresses, at the zone's own servers and through resolvers",
                "the back end is reached by name, with https over a verified certificate",
            ],
        };
        &ABOUT
    }

    fn settings(&self) -> &'static [Setting] {
        settings::ALL
    }

    fn grants(&self) -> &'static [Grant] {
        static MAKE: &[&str] = &["get", "list", "create"];
        static REMOVE: &[&str] = &["watch", "delete"];
        static GRANTS: &[Grant] = &[
            Grant::namespaced("apps", "deployments", &["get", "list", "watch", "create"], "the back end"),
            Grant::namespaced("apps", "deployments", &["delete"], "to remove the back end").in_given_namespace(),
            Grant::namespaced("", "services", MAKE, "the back end's Service"),
            Grant::namespaced("", "services", REMOVE, "to remove the Service").in_given_namespace(),
            Grant::namespaced(
                "networking.k8s.io",
                "ingresses",
                &["get", "list", "watch", "create", "delete"],
                "the Ingress under test, which goes before everything else",
            ),
            Grant::namespaced(
                "discovery.k8s.io",
                "endpointslices",
                &["list", "watch"],
                "whether the Service has endpoints",
            ),
            Grant::cluster(
                "networking.k8s.io",
                "ingressclasses",
                &["get", "list"],
                "to tell at once that there is no such class",
            )
            .optional(),
        ];
        GRANTS
    }

    fn configured(&self, values: &Values) -> Result<(), NotConfigured> {
        settings::configured(values)
    }

    fn contradictions(&self, values: &Values, _core: &Core) -> Vec<Problem> {
        settings::contradictions(values)
    }

    fn run<'a>(&'a self, cx: &'a Context) -> LocalBoxFuture<'a, Result<(), Failure>> {
        prove(cx).boxed_local()
    }
}

async fn prove(cx: &Context) -> Result<(), Failure> {
    let settings = &Settings::read(&cx.values, &cx.scratch.run)?;
    let requests = &Requests { settings, nonce: objects::nonce(cx) };

    let class = cx.step("ingress class", async |step| controller::class_exists(cx, step, &settings.class).await);
    let before = async {
        Ok(match &settings.dns {
            Some(dns) if !settings.host_is_new => standing::told_before(&settings.host, &dns.resolvers).await,
            _ => None,
        })
    };
    let ((), before) = futures::try_join!(class, before)?;
    let names = &cx.step("objects created", async |step| objects::create(cx, step, settings).await).await?;
    let ((), target) = futures::try_join!(back_end(cx, names), entrance(cx, names, settings))?;
    let target = &target;

    // Address and name are looked at side by side, and to the end: which of the two is broken is half of the diagnosis.
    let at_address =
        cx.step("http at the address", async |step| requests.until_served(step, &target.addresses, names).await);
    let Some(dns) = &settings.dns else { return at_address.await };
    let record = &Record::new(settings, dns, target, names, before.as_deref())?;
    let at_zone = cx.step("dns record", async |step| record.at_its_zone(step).await);
    let (served, found) = futures::join!(at_address, at_zone);
    let found = both(served, found)?;

    let addresses = if found.resolvers_to_ask() {
        cx.step("dns through resolvers", async |step| record.at_resolvers(step, &found).await).await?
    } else {
        found.addresses
    };
    cx.step("http by name", async |step| requests.until_served(step, &addresses, names).await).await
}

/// The back end: its pod is ready and the Service sends requests to it.
async fn back_end(cx: &Context, names: &Names) -> Result<(), Failure> {
    cx.step("back end ready", async |step| {
        let available = deployments::available(cx, step, &names.web, &names.pods()).await?;
        step.evidence("available", available);
        Ok(())
    })
    .await?;
    cx.step("service endpoints", async |step| endpoints(cx, step, names).await).await
}

async fn endpoints(cx: &Context, step: &Step, names: &Names) -> Result<(), Failure> {
    let slices = cx.api::<EndpointSlice>();
    let selection = watcher::Config::default().labels(&format!("kubernetes.io/service-name={}", names.web));
    let ready =
        step.wait_for_all(&slices, selection, "a ready endpoint of the Service", |slices| {
            match ready_addresses(slices) {
                ready if ready.is_empty() => Look::NotYet("no ready endpoint".to_owned()),
                ready => Look::Found(ready),
            }
        });
    step.evidence("endpoints", ready.await.map_err(|failure| failure.on(names.service()))?);
    Ok(())
}

/// The addresses of ready endpoints; one that does not say counts as ready.
///
/// <https://kubernetes.io/docs/reference/kubernetes-api/service-resources/endpoint-slice-v1/>
fn ready_addresses(slices: &BTreeMap<String, EndpointSlice>) -> Vec<String> {
    let endpoints = slices.values().flat_map(|slice| &slice.endpoints);
    let ready = endpoints.filter(|e| e.conditions.as_ref().and_then(|c| c.ready).unwrap_or(true));
    ready.flat_map(|endpoint| endpoint.addresses.clone()).collect()
}

/// The entrance: the addresses that the controller publishes, and those of its host names.
async fn entrance(cx: &Context, names: &Names, settings: &Settings) -> Result<Target, Failure> {
    let target =
        cx.step("load balancer address", async |step| controller::address(cx, step, names, settings).await).await?;
    if target.hosts.is_empty() {
        return Ok(target);
    }
    cx.step("load balancer name", async |step| controller::resolve_hosts(step, names, settings, target).await).await
}

/// Both outcomes, each failure with what is known about the other half.
fn both<T>(served: Result<(), Failure>, record: Result<T, Failure>) -> Result<T, Failure> {
    match (served, record) {
        (Ok(()), Ok(found)) => Ok(found),
        (Err(address), Ok(_)) => {
            Err(address.detail("the name", vec!["its record is right; only the address is broken".to_owned()]))
        }
        (Ok(()), Err(name)) => {
            Err(name.detail("the address", vec!["it serves the host; only the name is broken".to_owned()]))
        }
        (Err(address), Err(name)) => {
            // A verdict that could not be reached does not hide one that was.
            let (first, title, other) = if address.verdict >= name.verdict {
                (address, "the name is broken as well", name)
            } else {
                (name, "the address is broken as well", address)
            };
            Err(first.detail(title, vec![other.summary()]))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Verdict;
    use serde_json::json;

    #[test]
    fn an_endpoint_that_is_not_ready_is_none() {
        let slices = |ready: serde_json::Value| {
            let endpoint = json!({"addresses": ["10.0.0.7"], "conditions": ready});
            let slice = json!({"metadata": {}, "addressType": "IPv4", "ports": [], "endpoints": [endpoint]});
            BTreeMap::from([("n/s".to_owned(), serde_json::from_value(slice).unwrap())])
        };
        assert_eq!(ready_addresses(&slices(json!({"ready": true}))), ["10.0.0.7"]);
        assert_eq!(ready_addresses(&slices(json!({}))), ["10.0.0.7"]);
        assert!(ready_addresses(&slices(json!({"ready": false}))).is_empty());
        assert!(ready_addresses(&BTreeMap::new()).is_empty());
    }

    #[test]
    fn a_failure_says_how_the_other_half_is() {
        let only_name = both(Ok(()), Err::<(), _>(Failure::failed("a record"))).unwrap_err();
        assert_eq!(only_name.details[0].lines, ["it serves the host; only the name is broken"]);
        let only_address = both(Err(Failure::failed("200")), Ok(())).unwrap_err();
        assert_eq!(only_address.details[0].lines, ["its record is right; only the address is broken"]);
        let unknown = Failure::inconclusive("200");
        let both_broken = both(Err(unknown), Err::<(), _>(Failure::failed("a record"))).unwrap_err();
        assert_eq!((both_broken.verdict, both_broken.expected.as_str()), (Verdict::Failed, "a record"));
        assert_eq!(both_broken.details[0].title, "the address is broken as well");
    }
}
