//! cert-manager's controller: issues certificates.

use async_trait::async_trait;

use super::{CERT_MANAGER, DEFINITIONS, NAMESPACE, TOOLS};
use crate::component::{Component, Facts, Profile};
use crate::context::Context;
use crate::process::Invocation;
use crate::ready::{self, Seen};
use crate::{Result, identity, manifest};

const METRICS_PORT: u16 = 9402;

pub(in crate::components) struct Controller;

#[async_trait]
impl Component for Controller {
    fn facts(&self) -> &'static Facts {
        &Facts {
            name: "cert-manager-controller",
            about: "issues certificates",
            profile: Some(Profile::Full),
            needs: &["kube-apiserver"],
            tools: TOOLS,
            packages: &[],
        }
    }

    async fn prepare(&self, cx: &Context) -> Result<()> {
        let mut objects = super::objects(cx, "controller").await?;
        objects.extend(cx.tool(&CERT_MANAGER)?.objects(DEFINITIONS)?);
        manifest::apply(cx, NAMESPACE, objects).await
    }

    async fn invocation(&self, cx: &Context) -> Result<Invocation> {
        let node = cx.site().addresses().node();
        Ok(Invocation::new(cx.tool(&CERT_MANAGER)?.program("cert-manager"))
            .arg("controller")
            .file("kubeconfig", identity::service_account(cx, NAMESPACE, "cert-manager").await?)
            .flag("cluster-resource-namespace", NAMESPACE)
            .flag("metrics-listen-address", format!("{node}:{METRICS_PORT}")))
    }

    async fn ready(&self, cx: &Context, seen: &Seen) -> Result<()> {
        ready::http(cx, seen, METRICS_PORT, "/metrics").await;
        Ok(())
    }
}
