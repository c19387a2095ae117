//! Argo CD's notifications: tells chat services what becomes of applications, by the triggers of its ConfigMap.

use async_trait::async_trait;

use super::{ARGO_CD, NAMESPACE, OF_NOTIFICATIONS, REPO_PORT, TOOLS};
use crate::component::{Component, Facts};
use crate::context::Context;
use crate::process::Invocation;
use crate::ready::{self, Seen};
use crate::{Result, identity, manifest};

const METRICS_PORT: u16 = 9001;
const ACCOUNT: &str = "argocd-notifications-controller";

pub(in crate::components) struct Notifications;

#[async_trait]
impl Component for Notifications {
    fn facts(&self) -> &'static Facts {
        &Facts {
            name: "argo-cd-notifications",
            about: "tells chat services what becomes of Argo CD's applications",
            profile: None,
            needs: &["argo-cd", "argo-cd-repo-server"],
            tools: TOOLS,
            packages: &[],
        }
    }

    async fn prepare(&self, cx: &Context) -> Result<()> {
        manifest::apply(cx, NAMESPACE, super::of_process(cx, OF_NOTIFICATIONS)?).await
    }

    async fn invocation(&self, cx: &Context) -> Result<Invocation> {
        let node = cx.site().addresses().node();
        Ok(Invocation::new(cx.tool(&ARGO_CD)?.program("argocd"))
            // The name by which the program knows this part of itself differs from the ServiceAccount's.
            .env("ARGOCD_BINARY_NAME", "argocd-notifications")
            .file("kubeconfig", identity::service_account(cx, NAMESPACE, ACCOUNT).await?)
            .flag("namespace", NAMESPACE)
            .flag("argocd-repo-server", format!("{node}:{REPO_PORT}"))
            .arg("--argocd-repo-server-plaintext")
            .flag("metrics-port", METRICS_PORT))
    }

    async fn ready(&self, cx: &Context, seen: &Seen) -> Result<()> {
        ready::http(cx, seen, METRICS_PORT, "/metrics").await;
        Ok(())
    }
}
