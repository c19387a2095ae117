//! cert-manager's webhook: the API server asks it whether what is written makes sense.

use async_trait::async_trait;

use super::{CERT_MANAGER, NAMESPACE, TOOLS};
use crate::component::{Component, Facts, Profile};
use crate::context::Context;
use crate::process::Invocation;
use crate::ready::{self, Seen};
use crate::{Result, identity, manifest};

/// Its name in the chart: the Service's, and the ServiceAccount's.
const NAME: &str = "cert-manager-webhook";
/// Not the chart's 10250, which is kubelet's on a node.
const PORT: u16 = 9443;
const HEALTH_PORT: u16 = 6080;

pub(in crate::components) struct Webhook;

#[async_trait]
impl Component for Webhook {
    fn facts(&self) -> &'static Facts {
        &Facts {
            name: "cert-manager-webhook",
            about: "checks cert-manager's objects when they are written",
            profile: Some(Profile::Full),
            needs: &["kube-apiserver"],
            tools: TOOLS,
            packages: &[],
        }
    }

    async fn prepare(&self, cx: &Context) -> Result<()> {
        let mut objects = super::objects(cx, "webhook").await?;
        for service in objects.iter_mut().filter(|object| manifest::kind(object) == "Service") {
            // There is no pod to select: the endpoint below is the process on the node.
            if let Some(spec) = service.data["spec"].as_object_mut() {
                spec.remove("selector");
            }
        }
        objects.push(manifest::endpoint_on_node(cx, NAME, &[("https", "TCP", PORT)])?);
        manifest::apply(cx, NAMESPACE, objects).await
    }

    async fn invocation(&self, cx: &Context) -> Result<Invocation> {
        let names = [NAME.to_owned(), format!("{NAME}.{NAMESPACE}"), format!("{NAME}.{NAMESPACE}.svc")];
        Ok(Invocation::new(cx.tool(&CERT_MANAGER)?.program("cert-manager"))
            .arg("webhook")
            .file("kubeconfig", identity::service_account(cx, NAMESPACE, NAME).await?)
            .flag("secure-port", PORT)
            .flag("healthz-port", HEALTH_PORT)
            .flag("metrics-listen-address", 0)
            .flag("dynamic-serving-ca-secret-namespace", NAMESPACE)
            .flag("dynamic-serving-ca-secret-name", format!("{NAME}-ca"))
            .args(names.map(|name| format!("--dynamic-serving-dns-names={name}"))))
    }

    async fn ready(&self, cx: &Context, seen: &Seen) -> Result<()> {
        ready::http(cx, seen, HEALTH_PORT, "/healthz").await;
        Ok(())
    }
}
