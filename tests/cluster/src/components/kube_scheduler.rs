//! The scheduler.

use async_trait::async_trait;

use super::kubernetes::KUBERNETES;
use crate::component::{Component, Facts, Profile};
use crate::context::Context;
use crate::process::Invocation;
use crate::ready::{self, Seen};
use crate::{Result, kubeconfig};

pub(crate) struct KubeScheduler;

#[async_trait]
impl Component for KubeScheduler {
    fn facts(&self) -> &'static Facts {
        &Facts {
            name: "kube-scheduler",
            about: "gives every pod its node",
            profile: Some(Profile::Core),
            needs: &["kube-apiserver"],
            tools: &[KUBERNETES],
            packages: &[],
        }
    }

    async fn invocation(&self, cx: &Context) -> Result<Invocation> {
        let kubeconfig = kubeconfig::of_user(cx.site(), "kube-scheduler", "system:kube-scheduler", &[])?;
        Ok(Invocation::new(cx.tool(KUBERNETES)?.program("kubernetes"))
            .arg("kube-scheduler")
            .file("kubeconfig", &kubeconfig)
            .file("authentication-kubeconfig", &kubeconfig)
            .file("authorization-kubeconfig", &kubeconfig)
            .flag("leader-elect", false)
            .flag("profiling", false))
    }

    async fn ready(&self, cx: &Context, seen: &Seen) -> Result<()> {
        ready::https(cx, seen, 10259, "/readyz").await;
        Ok(())
    }
}
