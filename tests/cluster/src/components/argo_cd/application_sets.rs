//! Argo CD's controller of ApplicationSets: makes Applications from generators, such as one for each registered cluster.

use async_trait::async_trait;

use super::{ARGO_CD, NAMESPACE, OF_APPLICATION_SETS, REPO_PORT, TOOLS};
use crate::component::{Component, Facts};
use crate::context::Context;
use crate::process::Invocation;
use crate::ready::{self, Seen};
use crate::{Result, identity, manifest};

const METRICS_PORT: u16 = 18082;
const PROBE_PORT: u16 = 18083;
const WEBHOOK_PORT: u16 = 18084;
const ACCOUNT: &str = "argocd-applicationset-controller";

pub(in crate::components) struct ApplicationSets;

#[async_trait]
impl Component for ApplicationSets {
    fn facts(&self) -> &'static Facts {
        &Facts {
            name: "argo-cd-applicationsets",
            about: "makes Argo CD's applications, one for each cluster that is registered with it",
            profile: None,
            needs: &["argo-cd", "argo-cd-repo-server"],
            tools: TOOLS,
            packages: &[],
        }
    }

    async fn prepare(&self, cx: &Context) -> Result<()> {
        manifest::apply(cx, NAMESPACE, super::of_process(cx, OF_APPLICATION_SETS)?).await
    }

    async fn invocation(&self, cx: &Context) -> Result<Invocation> {
        let node = cx.site().addresses().node();
        // One of its clients reads this variable and no flag.
        let kubeconfig = identity::service_account(cx, NAMESPACE, ACCOUNT).await?;
        Ok(Invocation::new(cx.tool(&ARGO_CD)?.program("argocd"))
            .env("ARGOCD_BINARY_NAME", ACCOUNT)
            .env("KUBECONFIG", kubeconfig.display().to_string())
            .flag("namespace", NAMESPACE)
            .flag("argocd-repo-server", format!("{node}:{REPO_PORT}"))
            .arg("--repo-server-plaintext")
            .flag("metrics-addr", format!("{node}:{METRICS_PORT}"))
            .flag("probe-addr", format!("{node}:{PROBE_PORT}"))
            .flag("webhook-addr", format!("{node}:{WEBHOOK_PORT}")))
    }

    async fn ready(&self, cx: &Context, seen: &Seen) -> Result<()> {
        // It has no checks behind its probe; its metrics come with its workers.
        ready::http(cx, seen, METRICS_PORT, "/metrics").await;
        Ok(())
    }
}
