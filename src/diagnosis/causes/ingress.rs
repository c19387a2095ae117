//! The Ingress does not become an address, or its Service has nothing behind it.

use super::{Cause, Finding};
use crate::diagnosis::containers::is_well;
use crate::diagnosis::controllers;
use crate::diagnosis::evidence::{Evidence, Object};
use crate::diagnosis::wording::{quoted, shell_word};
use crate::failure::{Certainty, Failure, Origin};

/// The causes, the more specific first.
pub(super) static CAUSES: &[Cause] = &[
    Cause {
        id: "ingress-class-missing",
        about: "The Ingress names an IngressClass that the cluster does not have.",
        sign: "The class in its spec is not among all IngressClasses.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: class_missing,
    },
    Cause {
        id: "ingress-class-unset",
        about: "The Ingress names no class, and the cluster has no default one.",
        sign: "No class in its spec, and no IngressClass is marked as default.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: class_unset,
    },
    Cause {
        id: "ingress-controller-refuses",
        about: "The ingress controller says why it does not take the Ingress over.",
        sign: "A Warning event about the Ingress.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: controller_refuses,
    },
    Cause {
        id: "ingress-controller-down",
        about: "The controller of the Ingress's class does not act.",
        sign: "The Ingress has no address, and the controller's workload has no ready pod or its lease is not renewed.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: controller_down,
    },
    Cause {
        id: "service-selects-nothing",
        about: "The Service's selector fits no pod.",
        sign: "No pod of the namespace has the labels of the selector.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: selects_nothing,
    },
    Cause {
        id: "service-port-unknown",
        about: "The Service's target port has a name that no container's port has.",
        sign: "A named targetPort that none of the selected pods has.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: port_unknown,
    },
    Cause {
        id: "service-without-endpoints",
        about: "The Service has no endpoint that is ready, because none of its pods is.",
        sign: "Every endpoint of its EndpointSlices is not ready, as are its pods.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: no_endpoints,
    },
    Cause {
        id: "ingress-address-unwritten",
        about: "Nobody writes an address into the Ingress's status.",
        sign: "The class exists, time has passed, and the status is empty without a word of a controller.",
        certainty: Certainty::Likely,
        origin: Origin::Cluster,
        find: address_unwritten,
    },
];

fn names(objects: impl Iterator<Item = String>) -> String {
    let names: Vec<String> = objects.take(8).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// The Ingress that has no address yet.
fn without_address(evidence: &Evidence) -> Option<&Object> {
    evidence.of_kind("Ingress").find(|ingress| ingress.list("/status/loadBalancer/ingress").is_empty())
}

fn class_missing(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let ingress = without_address(evidence).filter(|_| evidence.has_all("IngressClass"))?;
    let class = ingress.at("/spec/ingressClassName").as_str()?;
    evidence.object("IngressClass", class).is_none().then(|| {
        let there =
            names(evidence.of_kind("IngressClass").map(|c| format!("{} ({})", c.name(), c.text("/spec/controller"))));
        Finding::new(format!("there is no IngressClass {}; the cluster has: {there}", quoted(class)))
            .next("kubectl get ingressclasses")
            .next("set INGRESS_CLASS_NAME to one of them, or install the controller that is missing")
    })
}

fn class_unset(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let ingress = without_address(evidence).filter(|_| evidence.has_all("IngressClass"))?;
    let old_way = ingress.text("/metadata/annotations/kubernetes.io~1ingress.class");
    let default =
        |class: &Object| class.text("/metadata/annotations/ingressclass.kubernetes.io~1is-default-class") == "true";
    let unset = ingress.text("/spec/ingressClassName").is_empty() && old_way.is_empty();
    (unset && !evidence.of_kind("IngressClass").any(default)).then(|| {
        Finding::new("the Ingress names no IngressClass, and the cluster has no default one")
            .next("kubectl get ingressclasses")
            .next("set INGRESS_CLASS_NAME")
    })
}

fn controller_refuses(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let ingress = without_address(evidence)?;
    let about = |event: &&crate::diagnosis::evidence::EventSeen| {
        event.kind == "Ingress" && event.name == ingress.name() && event.type_ == "Warning"
    };
    let event = evidence.events.iter().rev().find(about)?;
    Some(
        Finding::new(format!(
            "the ingress controller does not take the Ingress over: {}: {}",
            event.reason,
            quoted(&event.message)
        ))
        .next("kubectl get events -A --field-selector involvedObject.kind=Ingress,type=Warning")
        .next("see the controller's log"),
    )
}

/// The add-on that a class's controller is, by the name that the class gives it.
fn addon_of(class: &Object) -> Option<&'static str> {
    match class.text("/spec/controller") {
        "traefik.io/ingress-controller" => Some("Traefik"),
        "k8s.io/ingress-nginx" => Some("ingress-nginx"),
        "ingress.k8s.aws/alb" | "eks.amazonaws.com/alb" => Some("AWS Load Balancer Controller"),
        _ => None,
    }
}

fn controller_down(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let ingress = without_address(evidence)?;
    let class = evidence.object("IngressClass", ingress.text("/spec/ingressClassName"))?;
    let (addon, standing) = controllers::silent(evidence, &[addon_of(class)?])?;
    Some(
        Finding::new(format!("{addon}, the controller of IngressClass {}, {}", class.name(), standing.trouble))
            .next(standing.next),
    )
}

fn address_unwritten(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let ingress = without_address(evidence)?;
    let class = evidence.object("IngressClass", ingress.text("/spec/ingressClassName"))?;
    let controller = class.text("/spec/controller");
    Some(
        Finding::new(format!(
            "the controller {} of IngressClass {} has written no address into the Ingress: it does not run, does not watch this \
             namespace, or has no load balancer to give",
            quoted(controller),
            class.name()
        ))
        .next(match addon_of(class) {
            Some(addon) => format!("kubectl get deployments,daemonsets -A | grep -i {}", shell_word(addon.rsplit(' ').next().unwrap_or(addon)).to_lowercase()),
            None => format!("kubectl get deployments,daemonsets -A   # which one is {}?", quoted(controller)),
        })
        .next("see the controller's log for the name of the Ingress"),
    )
}

/// The check's Service with the pods that its selector fits.
fn selected<'a>(failure: &Failure, evidence: &'a Evidence) -> Option<(&'a Object, Vec<&'a Object>)> {
    let own = evidence.referred(failure.object.as_ref()).filter(|object| object.kind() == "Service");
    let service =
        own.or_else(|| evidence.of_kind("Service").find(|service| service.at("/spec/selector").is_object()))?;
    let selector = service.at("/spec/selector").as_object()?;
    let fits = |pod: &&Object| {
        let labels = pod.at("/metadata/labels");
        selector.iter().all(|(key, value)| labels.get(key) == Some(value))
    };
    Some((service, evidence.of_kind("Pod").filter(fits).collect()))
}

fn selects_nothing(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let (service, pods) = selected(failure, evidence).filter(|_| evidence.has_all("Pod"))?;
    // Without any pod the question is why there is none.
    (pods.is_empty() && evidence.of_kind("Pod").next().is_some()).then(|| {
        let selector = service.at("/spec/selector").to_string();
        Finding::new(format!("the selector of Service {} fits no pod: {}", service.name(), quoted(&selector)))
            .next("see what changes the labels of pods or the selector: a mutating webhook, a policy")
    })
}

fn port_unknown(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let (service, pods) = selected(failure, evidence).filter(|(_, pods)| !pods.is_empty())?;
    let port = service.list("/spec/ports").iter().find_map(|port| port.get("targetPort")?.as_str())?;
    let has = |pod: &&Object| {
        let containers = pod.list("/spec/containers").iter();
        let ports = containers.filter_map(|c| c.get("ports")?.as_array()).flatten();
        ports.into_iter().any(|p| p.get("name").and_then(serde_json::Value::as_str) == Some(port))
    };
    (!pods.iter().any(has)).then(|| {
        Finding::new(format!(
            "Service {} sends to the port {}, and no container of its pods has a port of that name",
            service.name(),
            quoted(port)
        ))
        .next("give targetPort the name or number of a container's port")
    })
}

fn no_endpoints(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let (service, pods) = selected(failure, evidence).filter(|(_, pods)| !pods.is_empty())?;
    let slices: Vec<&Object> = evidence.of_kind("EndpointSlice").collect();
    let ready = slices
        .iter()
        .flat_map(|slice| slice.list("/endpoints"))
        .any(|endpoint| endpoint.pointer("/conditions/ready").and_then(serde_json::Value::as_bool) != Some(false));
    let asked = matches!(
        failure.object.as_ref().map(|o| o.kind.as_str()),
        None | Some("Service" | "EndpointSlice" | "Ingress")
    );
    (asked && evidence.has_all("EndpointSlice") && !ready && !pods.iter().any(|pod| is_well(pod))).then(|| {
        let list = names(pods.iter().map(|pod| pod.name().to_owned()));
        Finding::new(format!(
            "Service {} has no endpoint that is ready, because none of its pods is: {list}",
            service.name()
        ))
        .next(format!(
            "kibertas-rs test {} --keep, then: kubectl describe pods -A -l app.kubernetes.io/managed-by=kibertas-rs",
            evidence.check
        ))
    })
}
