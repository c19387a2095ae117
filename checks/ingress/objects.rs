//! The objects that the check creates: a back end, its Service, and the Ingress.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec};
use k8s_openapi::api::core::v1::{PodTemplateSpec, Service, ServicePort, ServiceSpec};
use k8s_openapi::api::networking::v1::{
    HTTPIngressPath, HTTPIngressRuleValue, Ingress, IngressBackend, IngressRule, IngressServiceBackend, IngressSpec,
    IngressTLS, ServiceBackendPort,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::settings::Settings;
use crate::cluster::pods::{APP_LABEL, HTTP_PORT, pod_spec};
use crate::cluster::scratch::named;
use crate::context::{Context, Step};
use crate::failure::{Failure, ObjectRef};
use crate::probe::NONCE_ENV;
use crate::probe::http::HEALTH_PATH;

/// The port of the Service.
const SERVICE_PORT: i32 = 80;

/// Creates everything. The Ingress comes last, because controllers look for its Service at once.
pub(super) async fn create(cx: &Context, step: &Step, settings: &Settings) -> Result<Names, Failure> {
    let names = Names::of(cx);
    step.evidence("host", &settings.host);
    let labels = BTreeMap::from([(APP_LABEL.to_owned(), names.web.clone())]);
    let nonce = nonce(cx);
    let back_end = deployment(&names.web, &labels, &cx.core.image, &nonce, cx.scratch.labels());
    let (created, service) =
        futures::join!(cx.create(step, back_end), cx.create(step, service(&names.web, labels.clone())));
    created?;
    service?;
    let ingress = cx.create(step, ingress(&names.web, settings)).await?;
    // A load balancer's controller has to let go of it while the Service is still there.
    cx.scratch.remove_first(&ingress);
    Ok(names)
}

/// The text by which this run's back end is known again.
pub(super) fn nonce(cx: &Context) -> String {
    cx.scratch.run.to_string()
}

/// What the objects are called.
pub(super) struct Names {
    /// Deployment, Service and Ingress.
    pub(super) web: String,
    pub(super) namespace: String,
}

impl Names {
    fn of(cx: &Context) -> Self {
        Self { web: cx.scratch.name("web"), namespace: cx.scratch.namespace.clone() }
    }

    pub(super) fn ingress(&self) -> ObjectRef {
        ObjectRef::new("Ingress", &self.namespace, &self.web)
    }

    pub(super) fn service(&self) -> ObjectRef {
        ObjectRef::new("Service", &self.namespace, &self.web)
    }

    /// Selects the back end's pods.
    pub(super) fn pods(&self) -> String {
        format!("{APP_LABEL}={}", self.web)
    }
}

fn deployment(
    name: &str,
    labels: &BTreeMap<String, String>,
    image: &str,
    nonce: &str,
    of_run: BTreeMap<String, String>,
) -> Deployment {
    let pod = pod_spec(image, &["probe", "http"], &[(NONCE_ENV, nonce)], true);
    let pod_labels = labels.clone().into_iter().chain(of_run).collect();
    Deployment {
        metadata: named(name),
        spec: Some(DeploymentSpec {
            replicas: Some(1),
            selector: LabelSelector { match_labels: Some(labels.clone()), ..LabelSelector::default() },
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta { labels: Some(pod_labels), ..ObjectMeta::default() }),
                spec: Some(pod),
            },
            ..DeploymentSpec::default()
        }),
        ..Deployment::default()
    }
}

fn service(name: &str, selector: BTreeMap<String, String>) -> Service {
    Service {
        metadata: named(name),
        spec: Some(ServiceSpec {
            selector: Some(selector),
            ports: Some(vec![ServicePort {
                name: Some("http".to_owned()),
                port: SERVICE_PORT,
                target_port: Some(IntOrString::Int(HTTP_PORT)),
                ..ServicePort::default()
            }]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

fn ingress(name: &str, settings: &Settings) -> Ingress {
    let backend = IngressBackend {
        service: Some(IngressServiceBackend {
            name: name.to_owned(),
            port: Some(ServiceBackendPort { number: Some(SERVICE_PORT), name: None }),
        }),
        resource: None,
    };
    let path = HTTPIngressPath { path: Some("/".to_owned()), path_type: "Prefix".to_owned(), backend };
    Ingress {
        metadata: ObjectMeta { annotations: Some(annotations(settings)), ..named(name) },
        spec: Some(IngressSpec {
            ingress_class_name: Some(settings.class.clone()),
            rules: Some(vec![IngressRule {
                host: Some(settings.host.clone()),
                http: Some(HTTPIngressRuleValue { paths: vec![path] }),
            }]),
            tls: settings.https.then(|| {
                vec![IngressTLS { hosts: Some(vec![settings.host.clone()]), secret_name: settings.tls_secret.clone() }]
            }),
            ..IngressSpec::default()
        }),
        ..Ingress::default()
    }
}

/// What the Go tool sets, for the AWS load balancer controller and external-dns; other controllers pass over it.
///
/// <https://kubernetes-sigs.github.io/aws-load-balancer-controller/latest/guide/ingress/annotations/>
fn annotations(settings: &Settings) -> BTreeMap<String, String> {
    let alb = |key: &str| format!("alb.ingress.kubernetes.io/{key}");
    let mut annotations = BTreeMap::from([
        (alb("target-type"), "ip".to_owned()),
        (alb("backend-protocol"), "HTTP".to_owned()),
        (alb("healthcheck-protocol"), "HTTP".to_owned()),
        (alb("healthcheck-path"), HEALTH_PATH.to_owned()),
        (alb("healthcheck-interval-seconds"), "5".to_owned()),
        (alb("healthcheck-timeout-seconds"), "2".to_owned()),
        (alb("healthy-threshold-count"), "2".to_owned()),
        (alb("inbound-cidrs"), "0.0.0.0/0".to_owned()),
    ]);
    if settings.dns.is_some() {
        annotations.insert("external-dns.alpha.kubernetes.io/hostname".to_owned(), settings.host.clone());
    }
    // The controller listens with HTTP on port 80 by itself.
    let listens = (if settings.https { "HTTPS" } else { "HTTP" }, settings.port);
    if listens != ("HTTP", 80) {
        annotations.insert(alb("listen-ports"), format!(r#"[{{"{}":{}}}]"#, listens.0, listens.1));
    }
    annotations.extend(settings.annotations.clone());
    annotations.retain(|_, value| !value.is_empty());
    annotations
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::RunId;
    use crate::config::{Sources, Values};

    fn settings(given: &[&str]) -> Settings {
        let mut sources = Sources::default();
        for assignment in given {
            sources.set(&format!("ingress.{assignment}")).unwrap();
        }
        let values = Values::resolve("ingress", super::super::settings::ALL, &sources, &mut Vec::new());
        Settings::read(&values, &RunId::random()).unwrap()
    }

    #[test]
    fn the_rule_carries_host_and_service() {
        let ingress = ingress("web", &settings(&["host=Web.Example.com", "class=traefik"])).spec.unwrap();
        let rule = &ingress.rules.unwrap()[0];
        assert_eq!(rule.host.as_deref(), Some("web.example.com"));
        let backend = rule.http.as_ref().unwrap().paths[0].backend.service.as_ref().unwrap();
        assert_eq!((backend.name.as_str(), backend.port.as_ref().unwrap().number), ("web", Some(80)));
        assert_eq!(ingress.ingress_class_name.as_deref(), Some("traefik"));
        assert!(ingress.tls.is_none());
    }

    #[test]
    fn the_users_annotations_win_and_an_empty_one_removes() {
        let given =
            "annotations=alb.ingress.kubernetes.io/target-type=instance,alb.ingress.kubernetes.io/inbound-cidrs=,x/y=z";
        let annotations = annotations(&settings(&["host=a.example.com", given]));
        assert_eq!(annotations["alb.ingress.kubernetes.io/target-type"], "instance");
        assert_eq!(annotations["x/y"], "z");
        assert!(!annotations.contains_key("alb.ingress.kubernetes.io/inbound-cidrs"));
        assert_eq!(annotations["external-dns.alpha.kubernetes.io/hostname"], "a.example.com");
    }

    #[test]
    fn without_dns_no_record_is_asked_for() {
        let annotations = annotations(&settings(&["dnsCheck=false"]));
        assert!(!annotations.keys().any(|key| key.starts_with("external-dns")));
    }

    #[test]
    fn https_asks_for_tls_at_the_controller() {
        let settings = settings(&["host=a.example.com", "scheme=https", "tlsSecret=cert"]);
        let tls = ingress("web", &settings).spec.unwrap().tls.unwrap();
        assert_eq!(tls[0].hosts.as_deref(), Some(&["a.example.com".to_owned()][..]));
        assert_eq!(tls[0].secret_name.as_deref(), Some("cert"));
        assert_eq!(annotations(&settings)["alb.ingress.kubernetes.io/listen-ports"], r#"[{"HTTPS":443}]"#);
    }

    #[test]
    fn the_selector_finds_the_pods_and_the_pods_carry_the_run() {
        let labels = BTreeMap::from([(APP_LABEL.to_owned(), "web".to_owned())]);
        let of_run = BTreeMap::from([("kibertas.dev/run".to_owned(), "r".to_owned())]);
        let spec = deployment("web", &labels, "image", "n", of_run).spec.unwrap();
        let pod_labels = spec.template.metadata.unwrap().labels.unwrap();
        assert!(spec.selector.match_labels.unwrap().iter().all(|(key, value)| pod_labels.get(key) == Some(value)));
        assert_eq!(pod_labels["kibertas.dev/run"], "r");
        assert_eq!(service("web", labels.clone()).spec.unwrap().selector, Some(labels));
    }
}
