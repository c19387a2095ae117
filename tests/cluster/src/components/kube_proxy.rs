//! kube-proxy: makes the Services' addresses work, by rules inside the cluster's own network namespace.

use async_trait::async_trait;

use super::kubernetes::KUBERNETES;
use crate::component::{Component, Facts, Profile};
use crate::context::Context;
use crate::packages::Package;
use crate::process::Invocation;
use crate::ready::{self, Seen};
use crate::{Result, kubeconfig};

const HEALTH_PORT: u16 = 10256;

pub(crate) struct KubeProxy;

#[async_trait]
impl Component for KubeProxy {
    fn facts(&self) -> &'static Facts {
        &Facts {
            name: "kube-proxy",
            about: "makes the Services' addresses work",
            profile: Some(Profile::Core),
            needs: &["kube-apiserver"],
            tools: &[KUBERNETES],
            packages: &[
                Package { program: "iptables", name: "iptables" },
                Package { program: "conntrack", name: "conntrack" },
            ],
        }
    }

    async fn invocation(&self, cx: &Context) -> Result<Invocation> {
        let (site, addresses) = (cx.site(), cx.site().addresses());
        let kubeconfig = kubeconfig::of_user(site, "kube-proxy", "system:kube-proxy", &[])?;
        Ok(Invocation::new(cx.tool(KUBERNETES)?.program("kubernetes"))
            .arg("kube-proxy")
            .file("kubeconfig", &kubeconfig)
            .flag("proxy-mode", "iptables")
            .flag("cluster-cidr", addresses.pod_range())
            .flag("hostname-override", site.node())
            .flag("healthz-bind-address", format!("{}:{HEALTH_PORT}", addresses.node()))
            // Endpoints change often in tests, and the rules are few.
            .flag("iptables-min-sync-period", "100ms")
            // These settings belong to the whole machine.
            .flag("conntrack-max-per-core", 0)
            .flag("conntrack-tcp-timeout-established", "0s")
            .flag("conntrack-tcp-timeout-close-wait", "0s")
            .flag("oom-score-adj", 0))
    }

    async fn ready(&self, cx: &Context, seen: &Seen) -> Result<()> {
        ready::http(cx, seen, HEALTH_PORT, "/livez").await;
        Ok(())
    }
}
