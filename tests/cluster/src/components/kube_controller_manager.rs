//! The controllers of Kubernetes itself.

use async_trait::async_trait;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::Api;

use super::kubernetes::KUBERNETES;
use crate::component::{Component, Facts, Profile};
use crate::context::Context;
use crate::pki::{self, Authority};
use crate::process::Invocation;
use crate::ready::{self, Seen};
use crate::{Result, kubeconfig};

pub(crate) struct KubeControllerManager;

#[async_trait]
impl Component for KubeControllerManager {
    fn facts(&self) -> &'static Facts {
        &Facts {
            name: "kube-controller-manager",
            about: "Kubernetes' own controllers: Deployments, Jobs, namespaces, garbage collection …",
            profile: Some(Profile::Core),
            needs: &["kube-apiserver"],
            tools: &[KUBERNETES],
            packages: &[],
        }
    }

    async fn invocation(&self, cx: &Context) -> Result<Invocation> {
        let site = cx.site();
        let kubeconfig = kubeconfig::of_user(site, "kube-controller-manager", "system:kube-controller-manager", &[])?;
        let authority = Authority::Cluster.ensure(site)?;
        let (_, tokens_private) = pki::signing_key(site, "service-accounts")?;
        Ok(Invocation::new(cx.tool(KUBERNETES)?.program("kubernetes"))
            .arg("kube-controller-manager")
            .file("kubeconfig", &kubeconfig)
            .file("authentication-kubeconfig", &kubeconfig)
            .file("authorization-kubeconfig", &kubeconfig)
            .arg("--use-service-account-credentials")
            .file("service-account-private-key-file", tokens_private)
            .file("root-ca-file", &authority.certificate)
            .file("cluster-signing-cert-file", &authority.certificate)
            .file("cluster-signing-key-file", &authority.key)
            // The network plugin has the node's one range.
            .flag("allocate-node-cidrs", false)
            .flag("service-cluster-ip-range", site.addresses().service_range())
            .flag("leader-elect", false)
            .flag("kube-api-qps", 200)
            .flag("kube-api-burst", 400)
            .flag("profiling", false))
    }

    async fn ready(&self, cx: &Context, seen: &Seen) -> Result<()> {
        // The port answers long before the controllers work; this object is made by one of them.
        let accounts = Api::<ServiceAccount>::namespaced(cx.client(), "default");
        ready::object(seen, accounts, "default", "made by its controller", |account| account.is_some()).await;
        ready::https(cx, seen, 10257, "/healthz").await;
        Ok(())
    }
}
