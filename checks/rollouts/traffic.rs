//! Weights through a traffic router: what it needs beside the Rollout, the way in, and the counting of replies.
//!
//! Another router is another arm here: the objects that carry its weights, what the Rollout says about them, and where it is reached.

use k8s_openapi::api::networking::v1::{
    HTTPIngressPath, HTTPIngressRuleValue, Ingress, IngressBackend, IngressRule, IngressServiceBackend, IngressSpec,
    ServiceBackendPort,
};
use serde_json::json;

use super::manifests::{Routed, service};
use super::replies::{Entry, Tally, bounds, tally};
use super::settings::RouterOptions;
use super::traefik;
use crate::cluster::Look;
use crate::cluster::scratch::named;
use crate::context::{Context, Step};
use crate::failure::{Failure, ObjectRef};

/// The port of the router where its address says none.
const HTTP: u16 = 80;

/// The names of what belongs to one weighted route.
pub(super) struct Names {
    /// The Rollout.
    pub(super) rollout: String,
    /// The Service of the canary pods.
    pub(super) canary: String,
    /// The Service of the stable pods.
    pub(super) stable: String,
    /// The router's own objects.
    pub(super) route: String,
}

/// A router that is ready to weigh.
pub(super) struct Router {
    names: Names,
    entry: Entry,
    requests: u32,
    /// What carries the weights, for errors.
    weighted: ObjectRef,
}

/// What the replies should be.
pub(super) struct Shares {
    /// The canary's share in percent.
    pub(super) percent: u32,
    /// The version that has this share.
    pub(super) canary: String,
    /// The version that has the rest.
    pub(super) stable: String,
}

impl Router {
    /// Creates the Services and the weighted route, and finds the way in. All of it has to be there before the Rollout: the controller
    /// looks again for what it misses only after 20 s.
    pub(super) async fn prepare(cx: &Context, step: &Step, options: &RouterOptions) -> Result<Self, Failure> {
        let names = Names {
            rollout: cx.scratch.name("routed"),
            canary: cx.scratch.name("canary"),
            stable: cx.scratch.name("stable"),
            route: cx.scratch.name("weighted"),
        };
        for name in [&names.stable, &names.canary] {
            cx.create(step, service(name, &names.rollout)).await?;
        }
        // A reserved top-level domain (RFC 2606): no DNS server will ever be told to serve it by mistake.
        let host = format!("{}.invalid", names.route);
        let weighted = traefik::create(cx, step, &names, &host).await?;
        let address = match &options.url {
            Some(url) => address_of_url(url).ok_or_else(|| {
                Failure::inconclusive("routerUrl to be http://HOST or http://HOST:PORT").saw(url.as_str())
            })?,
            None => address_of_class(cx, step, &options.class, &names, &host).await?,
        };
        step.evidence("address", &address);
        step.evidence("host", &host);
        let entry = Entry { address, host, nonce: cx.scratch.run.to_string() };
        Ok(Self { names, entry, requests: options.requests, weighted })
    }

    /// What the Rollout says about its traffic.
    pub(super) fn routed(&self) -> Routed {
        Routed {
            routing: traefik::routing(&self.names),
            canary_service: self.names.canary.clone(),
            stable_service: self.names.stable.clone(),
        }
    }

    /// Asks through the router until the replies are shared as they should be: it takes up new weights with a delay of its own.
    pub(super) async fn count(&self, step: &Step, shares: &Shares) -> Result<(), Failure> {
        let (least, greatest) = bounds(self.requests, shares.percent);
        let expected = format!(
            "{least} to {greatest} of {} replies from {}, the rest from {}, no failure",
            self.requests, shares.canary, shares.stable
        );
        let counted = step.poll(&expected, Some(self.weighted.clone()), async || {
            let tally = tally(&self.entry, self.requests).await;
            if fits(&tally, shares, self.requests) { Look::Found(tally) } else { Look::NotYet(tally.to_string()) }
        });
        let tally = counted.await.map_err(|failure| {
            failure.next(format!("curl -H 'Host: {}' http://{}/", self.entry.host, self.entry.address))
        })?;
        step.evidence("requests", self.requests);
        step.evidence("replies", &tally.versions);
        step.evidence("expectedPercent", json!({&shares.canary: shares.percent}));
        step.evidence(
            "tolerance",
            json!({"least": least, "greatest": greatest, "binomial": "one false alarm in 10,000"}),
        );
        Ok(())
    }
}

/// Whether a tally is within the binomial bounds of its shares and nothing failed.
fn fits(tally: &Tally, shares: &Shares, requests: u32) -> bool {
    let (least, greatest) = bounds(requests, shares.percent);
    let canary = tally.of(&shares.canary);
    requests > 0 && (least..=greatest).contains(&canary) && canary + tally.of(&shares.stable) == requests
}

/// `HOST:PORT` of a URL.
fn address_of_url(url: &str) -> Option<String> {
    let uri: http::Uri = url.parse().ok()?;
    let host = uri.host().filter(|host| !host.is_empty())?;
    Some(format!("{host}:{}", uri.port_u16().unwrap_or(HTTP)))
}

/// The address that the router writes into the status of an Ingress of its class.
async fn address_of_class(
    cx: &Context,
    step: &Step,
    class: &str,
    names: &Names,
    host: &str,
) -> Result<String, Failure> {
    let name = cx.scratch.name("address");
    let mut ingress = Ingress {
        metadata: named(&name),
        spec: Some(IngressSpec {
            ingress_class_name: Some(class.to_owned()),
            rules: Some(vec![IngressRule {
                host: Some(format!("address.{host}")),
                http: Some(HTTPIngressRuleValue {
                    paths: vec![HTTPIngressPath {
                        path: Some("/".to_owned()),
                        path_type: "Prefix".to_owned(),
                        backend: IngressBackend {
                            service: Some(IngressServiceBackend {
                                name: names.stable.clone(),
                                port: Some(ServiceBackendPort { number: Some(i32::from(HTTP)), name: None }),
                            }),
                            ..IngressBackend::default()
                        },
                    }],
                }),
            }]),
            ..IngressSpec::default()
        }),
        ..Ingress::default()
    };
    // external-dns leaves objects alone that name another controller.
    ingress.metadata.annotations =
        Some([("external-dns.alpha.kubernetes.io/controller".to_owned(), "none".to_owned())].into());
    let created = cx.create(step, ingress).await?;
    cx.scratch.remove_first(&created);
    let expected = format!("the router of the class {class} to write its address into the Ingress status");
    let ingresses = cx.api::<Ingress>();
    let address = step.wait_for(&ingresses, &name, &expected, |ingress| {
        let status = ingress.and_then(|i| i.status.as_ref()?.load_balancer.as_ref()?.ingress.as_ref());
        match status.into_iter().flatten().find_map(|entry| entry.ip.clone().or_else(|| entry.hostname.clone())) {
            Some(address) => Look::Found(address),
            None => Look::NotYet("no address in the status".to_owned()),
        }
    });
    let address = address
        .await
        .map_err(|failure| failure.next("say where it is reached: KIBERTAS_ROLLOUTS_ROUTER_URL=http://…"))?;
    let host = if address.contains(':') { format!("[{address}]") } else { address };
    Ok(format!("{host}:{HTTP}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(versions: &[(&str, u32)], failures: &[(&str, u32)]) -> Tally {
        let owned = |pairs: &[(&str, u32)]| pairs.iter().map(|&(what, count)| (what.to_owned(), count)).collect();
        Tally { versions: owned(versions), failures: owned(failures) }
    }

    fn shares(percent: u32) -> Shares {
        Shares { percent, canary: "v2".into(), stable: "v1".into() }
    }

    #[test]
    fn a_share_has_to_fit_and_nothing_may_fail() {
        assert!(fits(&tally(&[("v1", 300), ("v2", 100)], &[]), &shares(25), 400));
        assert!(!fits(&tally(&[("v1", 200), ("v2", 200)], &[]), &shares(25), 400), "twice the weight");
        assert!(!fits(&tally(&[("v1", 400)], &[]), &shares(25), 400), "no canary at all");
        assert!(!fits(&tally(&[("v1", 299), ("v2", 100)], &[("HTTP 502", 1)]), &shares(25), 400), "one failure");
        assert!(!fits(&tally(&[("v1", 200), ("v2", 100), ("v3", 100)], &[]), &shares(25), 400), "somebody else");
        assert!(fits(&tally(&[("v1", 400)], &[]), &shares(0), 400));
        assert!(!fits(&tally(&[("v1", 399), ("v2", 1)], &[]), &shares(0), 400), "one is one too many");
        assert!(!fits(&tally(&[], &[("HTTP 404", 400)]), &shares(0), 400), "no reply is no proof");
    }

    #[test]
    fn addresses_of_urls() {
        assert_eq!(address_of_url("http://10.0.0.2").unwrap(), "10.0.0.2:80");
        assert_eq!(address_of_url("http://[fd00::1]:8080/").unwrap(), "[fd00::1]:8080");
        assert_eq!(address_of_url("http://"), None);
    }
}
