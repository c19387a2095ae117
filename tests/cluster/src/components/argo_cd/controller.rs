//! Argo CD's application controller: brings the cluster to what the repositories say, and runs hooks.

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;

use super::{ARGO_CD, MANIFESTS, NAMESPACE, REDIS_PORT, REPO_PORT, TOOLS};
use crate::component::{Component, Facts};
use crate::context::Context;
use crate::pki::Authority;
use crate::process::Invocation;
use crate::ready::{self, Seen};
use crate::{Error, Result, identity, manifest};

const METRICS_PORT: u16 = 8082;
const ACCOUNT: &str = "argocd-application-controller";

pub(in crate::components) struct Controller;

#[async_trait]
impl Component for Controller {
    fn facts(&self) -> &'static Facts {
        &Facts {
            name: "argo-cd",
            about: "syncs applications from git and runs their hooks",
            profile: None,
            needs: &["kube-apiserver", "redis", "argo-cd-repo-server"],
            tools: TOOLS,
            packages: &[],
        }
    }

    async fn prepare(&self, cx: &Context) -> Result<()> {
        let mut objects = Vec::new();
        for path in MANIFESTS {
            objects.extend(cx.tool(&ARGO_CD)?.objects(path)?);
        }
        manifest::bind_in(&mut objects, NAMESPACE);
        // Its own Secret, and the default project, are otherwise made by the web server.
        objects.retain(|object| manifest::kind(object) != "Secret");
        objects.push(manifest::object(json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "argocd-secret", "labels": {"app.kubernetes.io/part-of": "argocd"}},
            "stringData": {"server.secretkey": "for-tests-only"},
        }))?);
        objects.push(manifest::object(json!({
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "AppProject",
            "metadata": {"name": "default"},
            "spec": {
                "sourceRepos": ["*"],
                "destinations": [{"namespace": "*", "server": "*"}],
                "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
            },
        }))?);
        manifest::apply(cx, NAMESPACE, objects).await?;
        manifest::apply(cx, NAMESPACE, vec![registration(cx).await?]).await
    }

    async fn invocation(&self, cx: &Context) -> Result<Invocation> {
        let node = cx.site().addresses().node();
        Ok(Invocation::new(cx.tool(&ARGO_CD)?.program("argocd"))
            .env("ARGOCD_BINARY_NAME", ACCOUNT)
            .file("kubeconfig", identity::service_account(cx, NAMESPACE, ACCOUNT).await?)
            .flag("namespace", NAMESPACE)
            .flag("redis", format!("{node}:{REDIS_PORT}"))
            .flag("repo-server", format!("{node}:{REPO_PORT}"))
            .arg("--repo-server-plaintext")
            .flag("metrics-port", METRICS_PORT)
            .flag("app-resync", 10))
    }

    async fn ready(&self, cx: &Context, seen: &Seen) -> Result<()> {
        ready::http(cx, seen, METRICS_PORT, "/healthz").await;
        Ok(())
    }
}

/// The cluster as Argo CD's destination, with the controller's own identity.
async fn registration(cx: &Context) -> Result<manifest::Object> {
    let site = cx.site();
    let server = format!("https://{}", site.addresses().api_server());
    let authority = Authority::Cluster.ensure(site)?.certificate;
    let authority = std::fs::read(&authority).map_err(Error::file("read", authority))?;
    let token = identity::token(cx, NAMESPACE, ACCOUNT).await?;
    let config = json!({"bearerToken": token, "tlsClientConfig": {"caData": STANDARD.encode(authority)}});
    manifest::object(json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "this-cluster", "labels": {"argocd.argoproj.io/secret-type": "cluster"}},
        "stringData": {"name": site.name(), "server": server, "config": config.to_string()},
    }))
}
