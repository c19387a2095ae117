//! The objects that the stories are about.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{PodTemplateSpec, Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::{Value, json};

use crate::cluster::pods::{APP_LABEL, HTTP_PORT, pod_spec};
use crate::cluster::scratch::named;
use crate::context::Context;
use crate::probe::{NONCE_ENV, VERSION_ENV};
use crate::rollout::Rollout;
use crate::rollout::api::{Canary, CanaryStep, PodMetadata, RolloutSpec, Strategy, TrafficRouting};

/// The label by which canary and stable pods are told apart; the controller puts it on and takes it off.
pub(super) const ROLE_LABEL: &str = "kibertas.dev/role";
/// The value of [`ROLE_LABEL`] on canary pods.
pub(super) const CANARY: &str = "canary";
/// The value of [`ROLE_LABEL`] on stable pods.
pub(super) const STABLE: &str = "stable";

/// The canary's weights at which an update stops, in percent, in this order.
pub(super) const WEIGHTS: [i32; 2] = [25, 50];

/// The version that pods tell: `v1` is deployed first.
pub(super) fn version(number: u32) -> String {
    format!("v{number}")
}

/// The steps of an update: each weight, and a stop after it.
pub(super) fn stops() -> Vec<CanaryStep> {
    WEIGHTS.iter().flat_map(|&weight| [CanaryStep::weight(weight), CanaryStep::pause()]).collect()
}

/// What a Rollout is made of, beyond what all of them share.
pub(super) struct Plan {
    /// Its name.
    pub(super) name: String,
    /// The number of pods.
    pub(super) replicas: i32,
    /// The steps of an update.
    pub(super) steps: Vec<CanaryStep>,
    /// What weighs its traffic.
    pub(super) routed: Option<Routed>,
}

/// What weighs the traffic of a Rollout.
pub(super) struct Routed {
    pub(super) routing: TrafficRouting,
    pub(super) canary_service: String,
    pub(super) stable_service: String,
}

/// A Rollout of our own image at version 1.
pub(super) fn rollout(cx: &Context, plan: Plan) -> Rollout {
    let role = |value: &str| PodMetadata {
        labels: [(ROLE_LABEL.to_owned(), value.to_owned())].into(),
        ..PodMetadata::default()
    };
    let (routing, canary_service, stable_service) = match plan.routed {
        Some(routed) => (Some(routed.routing), Some(routed.canary_service), Some(routed.stable_service)),
        None => (None, None, None),
    };
    // With a router the controller would keep pods for 30 s; a few seconds let the router forget them first.
    let delay = routing.is_some().then_some(2);
    let canary = Canary {
        canary_service,
        stable_service,
        steps: plan.steps,
        traffic_routing: routing,
        // All missing pods are started at once, and none is taken away before another one serves.
        max_surge: Some(IntOrString::String("100%".to_owned())),
        max_unavailable: Some(IntOrString::Int(0)),
        canary_metadata: Some(role(CANARY)),
        stable_metadata: Some(role(STABLE)),
        scale_down_delay_seconds: delay,
        abort_scale_down_delay_seconds: delay,
    };
    let labels = pod_labels(cx, &plan.name);
    let selector: BTreeMap<String, String> = [(APP_LABEL.to_owned(), plan.name.clone())].into();
    let patience = i32::try_from(cx.core.step_timeout.as_secs()).unwrap_or(i32::MAX).max(1);
    let spec = RolloutSpec {
        replicas: Some(plan.replicas),
        selector: Some(LabelSelector { match_labels: Some(selector), ..LabelSelector::default() }),
        template: Some(PodTemplateSpec {
            metadata: Some(ObjectMeta { labels: Some(labels), ..ObjectMeta::default() }),
            spec: Some(pod_spec(
                &cx.core.image,
                &["probe", "http"],
                &[(NONCE_ENV, cx.scratch.run.as_str()), (VERSION_ENV, &version(1))],
                true,
            )),
        }),
        strategy: Strategy { canary: Some(canary), blue_green: None },
        progress_deadline_seconds: Some(patience),
        ..RolloutSpec::default()
    };
    let mut rollout = Rollout::new(&plan.name, spec);
    rollout.metadata = named(&plan.name);
    rollout
}

fn pod_labels(cx: &Context, name: &str) -> BTreeMap<String, String> {
    let mut labels = cx.scratch.labels();
    labels.insert(APP_LABEL.to_owned(), name.to_owned());
    labels
}

/// The merge patch that gives a Rollout another template: the same pods, telling another version.
pub(super) fn template_of(rollout: &Rollout, version: &str) -> Value {
    let mut template = rollout.spec.template.clone().unwrap_or_default();
    let containers = template.spec.iter_mut().flat_map(|spec| spec.containers.iter_mut());
    for variable in containers.flat_map(|container| container.env.iter_mut().flatten()) {
        if variable.name == VERSION_ENV {
            variable.value = Some(version.to_owned());
        }
    }
    json!({"spec": {"template": template}})
}

/// A Service in front of a Rollout's pods. The controller narrows its selector to the canary or the stable ones.
pub(super) fn service(name: &str, rollout: &str) -> Service {
    Service {
        metadata: named(name),
        spec: Some(ServiceSpec {
            selector: Some([(APP_LABEL.to_owned(), rollout.to_owned())].into()),
            ports: Some(vec![ServicePort {
                name: Some("http".to_owned()),
                port: 80,
                target_port: Some(IntOrString::Int(HTTP_PORT)),
                ..ServicePort::default()
            }]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}
