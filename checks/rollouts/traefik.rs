//! Traefik: a weighted `TraefikService`, and an `IngressRoute` that leads to it.
//!
//! <https://argo-rollouts.readthedocs.io/en/stable/features/traffic-management/traefik/>

use kube::CustomResource;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::traffic::Names;
use crate::cluster::scratch::named;
use crate::context::{Context, Step};
use crate::failure::{Failure, ObjectRef};
use crate::rollout::api::TrafficRouting;

/// The API group of Traefik's resources.
pub(super) const GROUP: &str = "traefik.io";

/// A service that shares requests among others.
#[derive(CustomResource, Debug, Clone, Default, Serialize, Deserialize)]
#[kube(group = "traefik.io", version = "v1alpha1", kind = "TraefikService", namespaced, schema = "disabled")]
pub(super) struct TraefikServiceSpec {
    /// By weights.
    weighted: Weighted,
}

/// Shares by weights.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Weighted {
    services: Vec<Target>,
}

/// A service that a route or a share leads to.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Target {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    weight: Option<i32>,
}

/// A route from outside to a service.
#[derive(CustomResource, Debug, Clone, Default, Serialize, Deserialize)]
#[kube(group = "traefik.io", version = "v1alpha1", kind = "IngressRoute", namespaced, schema = "disabled")]
pub(super) struct IngressRouteSpec {
    /// The rules with their services.
    routes: Vec<Route>,
}

/// One rule.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Route {
    #[serde(rename = "match")]
    rule: String,
    kind: String,
    services: Vec<Target>,
}

/// Creates the weighted service, all of it stable, and the route to it. Returns what carries the weights.
pub(super) async fn create(cx: &Context, step: &Step, names: &Names, host: &str) -> Result<ObjectRef, Failure> {
    let share = |name: &str, weight| Target {
        name: name.to_owned(),
        port: Some(80),
        weight: Some(weight),
        ..Target::default()
    };
    let weighted = Weighted { services: vec![share(&names.stable, 100), share(&names.canary, 0)] };
    let mut service = TraefikService::new(&names.route, TraefikServiceSpec { weighted });
    service.metadata = named(&names.route);
    let service = cx.create(step, service).await?;
    let to = Target { name: names.route.clone(), kind: Some("TraefikService".to_owned()), ..Target::default() };
    let rule = Route { rule: format!("Host(`{host}`)"), kind: "Rule".to_owned(), services: vec![to] };
    let mut route = IngressRoute::new(&names.route, IngressRouteSpec { routes: vec![rule] });
    route.metadata = named(&names.route);
    cx.create(step, route).await?;
    Ok(ObjectRef::of(&service))
}

/// What the Rollout says about it.
pub(super) fn routing(names: &Names) -> TrafficRouting {
    let traefik = json!({"weightedTraefikServiceName": names.route});
    TrafficRouting { routers: [("traefik".to_owned(), traefik)].into_iter().collect(), ..TrafficRouting::default() }
}
