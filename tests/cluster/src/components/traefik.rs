//! Traefik: the ingress controller. It writes the address into the status of Ingresses, and splits traffic by its own
//! TraefikService, as Argo Rollouts asks it to.

use async_trait::async_trait;
use serde_json::json;

use crate::component::{Component, Facts, Profile};
use crate::context::Context;
use crate::process::Invocation;
use crate::ready::{self, Seen};
use crate::tool::{Asset, GoTool, go_files};
use crate::{Result, identity, manifest};

const MODULE: &str = "github.com/traefik/traefik/v3";
const DEFINITIONS: &str = "docs/content/reference/dynamic-configuration/kubernetes-crd-definition-v1.yml";
const GRANTS: &str = "docs/content/reference/dynamic-configuration/kubernetes-crd-rbac.yml";

const TRAEFIK: GoTool = GoTool {
    name: "traefik",
    files: go_files!("traefik"),
    programs: &["traefik"],
    variables: &[],
    additions: &[],
    assets: &[Asset::Objects { module: MODULE, path: DEFINITIONS }, Asset::Objects { module: MODULE, path: GRANTS }],
};

const NAMESPACE: &str = "traefik";
const PING_PORT: u16 = 9080;

pub(crate) struct Traefik;

#[async_trait]
impl Component for Traefik {
    fn facts(&self) -> &'static Facts {
        &Facts {
            name: "traefik",
            about: "the ingress controller, on the node's ports 80 and 443",
            profile: Some(Profile::Full),
            needs: &["kube-apiserver"],
            tools: &[&TRAEFIK],
            packages: &[],
        }
    }

    async fn prepare(&self, cx: &Context) -> Result<()> {
        let tool = cx.tool(&TRAEFIK)?;
        let mut objects = tool.objects(GRANTS)?;
        manifest::bind_in(&mut objects, NAMESPACE);
        objects.extend(tool.objects(DEFINITIONS)?);
        objects.push(manifest::object(json!({
            "apiVersion": "networking.k8s.io/v1",
            "kind": "IngressClass",
            "metadata": {"name": "traefik"},
            "spec": {"controller": "traefik.io/ingress-controller"},
        }))?);
        manifest::apply(cx, NAMESPACE, objects).await
    }

    async fn invocation(&self, cx: &Context) -> Result<Invocation> {
        let node = cx.site().addresses().node();
        let kubeconfig = identity::service_account(cx, NAMESPACE, "traefik-ingress-controller").await?;
        Ok(Invocation::new(cx.tool(&TRAEFIK)?.program("traefik"))
            .env("KUBECONFIG", kubeconfig.display().to_string())
            .flag("entrypoints.web.address", format!("{node}:80"))
            .flag("entrypoints.websecure.address", format!("{node}:443"))
            .flag("entrypoints.websecure.http.tls", true)
            .flag("entrypoints.traefik.address", format!("{node}:{PING_PORT}"))
            .flag("ping", true)
            .flag("providers.kubernetesingress", true)
            .flag("providers.kubernetesingress.ingressendpoint.ip", node)
            .flag("providers.kubernetescrd", true)
            // By default, a change that follows another waits for two seconds.
            .flag("providers.providersthrottleduration", "100ms")
            .flag("global.checknewversion", false)
            .flag("global.sendanonymoususage", false))
    }

    async fn ready(&self, cx: &Context, seen: &Seen) -> Result<()> {
        ready::http(cx, seen, PING_PORT, "/ping").await;
        ready::tcp(cx, seen, 80).await;
        ready::tcp(cx, seen, 443).await;
        Ok(())
    }
}
