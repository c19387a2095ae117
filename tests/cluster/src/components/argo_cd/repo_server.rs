//! Argo CD's repository server: fetches and renders what applications name.

use async_trait::async_trait;

use super::{ARGO_CD, NAMESPACE, REDIS_PORT, REPO_PORT, TOOLS};
use crate::component::{Component, Facts};
use crate::context::Context;
use crate::packages::Package;
use crate::process::Invocation;
use crate::ready::{self, Seen};
use crate::{Result, identity};

const METRICS_PORT: u16 = 8084;

pub(in crate::components) struct RepoServer;

#[async_trait]
impl Component for RepoServer {
    fn facts(&self) -> &'static Facts {
        &Facts {
            name: "argo-cd-repo-server",
            about: "renders Argo CD's repositories",
            profile: None,
            needs: &["redis", "kube-apiserver"],
            tools: TOOLS,
            packages: &[Package { program: "git", name: "git" }],
        }
    }

    async fn invocation(&self, cx: &Context) -> Result<Invocation> {
        let node = cx.site().addresses().node();
        // It reads no objects, and so has no grants.
        let kubeconfig = identity::service_account(cx, NAMESPACE, "argocd-repo-server").await?;
        Ok(Invocation::new(cx.tool(&ARGO_CD)?.program("argocd"))
            .env("ARGOCD_BINARY_NAME", "argocd-repo-server")
            .env("ARGOCD_GPG_ENABLED", "false")
            .env("KUBECONFIG", kubeconfig.display().to_string())
            .flag("redis", format!("{node}:{REDIS_PORT}"))
            .arg("--disable-tls")
            .flag("address", node)
            .flag("port", REPO_PORT)
            .flag("metrics-port", METRICS_PORT))
    }

    async fn ready(&self, cx: &Context, seen: &Seen) -> Result<()> {
        ready::http(cx, seen, METRICS_PORT, "/healthz").await;
        ready::tcp(cx, seen, REPO_PORT).await;
        Ok(())
    }
}
