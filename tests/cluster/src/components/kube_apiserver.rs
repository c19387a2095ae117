//! The API server, with an audit log.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;

use super::etcd;
use super::kubernetes::KUBERNETES;
use crate::component::{Component, Facts, Profile};
use crate::context::Context;
use crate::pki::{self, Authority};
use crate::process::Invocation;
use crate::ready::{self, Seen};
use crate::{Result, state};

pub(crate) struct KubeApiserver;

/// The user as which the API server speaks to kubelets.
pub(crate) const KUBELET_CLIENT: &str = "kube-apiserver-kubelet-client";

const FRONT_PROXY_CLIENT: &str = "front-proxy-client";

#[async_trait]
impl Component for KubeApiserver {
    fn facts(&self) -> &'static Facts {
        &Facts {
            name: "kube-apiserver",
            about: "the API, with an audit log in audit.log",
            profile: Some(Profile::Core),
            needs: &["etcd"],
            tools: &[KUBERNETES],
            packages: &[],
        }
    }

    async fn prepare(&self, cx: &Context) -> Result<()> {
        // Who asked for what and when, without the objects. One entry for a request, at its end (a watch: at its start).
        let policy = json!({
            "apiVersion": "audit.k8s.io/v1",
            "kind": "Policy",
            "omitStages": ["RequestReceived"],
            "rules": [{"level": "Metadata"}],
        });
        state::write(&cx.site().path("audit-policy.json"), &policy)
    }

    async fn invocation(&self, cx: &Context) -> Result<Invocation> {
        let (site, addresses) = (cx.site(), cx.site().addresses());
        let hosts = [
            "localhost".to_owned(),
            "kubernetes".to_owned(),
            "kubernetes.default".to_owned(),
            "kubernetes.default.svc".to_owned(),
            "kubernetes.default.svc.cluster.local".to_owned(),
            addresses.node().to_string(),
            addresses.api_service().to_string(),
        ];
        let authority = Authority::Cluster.ensure(site)?.certificate;
        let serving = Authority::Cluster.issue(site, "kube-apiserver", "kube-apiserver", &[], &hosts)?;
        let kubelet = Authority::Cluster.issue(site, KUBELET_CLIENT, KUBELET_CLIENT, &[], &[])?;
        let proxy = Authority::FrontProxy.issue(site, FRONT_PROXY_CLIENT, FRONT_PROXY_CLIENT, &[], &[])?;
        let (tokens_public, tokens_private) = pki::signing_key(site, "service-accounts")?;
        Ok(Invocation::new(cx.tool(KUBERNETES)?.program("kubernetes"))
            .arg("kube-apiserver")
            .flag("etcd-servers", format!("http://{}:{}", addresses.node(), etcd::CLIENT_PORT))
            .flag("advertise-address", addresses.node())
            .flag("secure-port", addresses.api_server().port())
            .file("tls-cert-file", serving.certificate)
            .file("tls-private-key-file", serving.key)
            .file("client-ca-file", &authority)
            .file("kubelet-certificate-authority", &authority)
            .file("kubelet-client-certificate", kubelet.certificate)
            .file("kubelet-client-key", kubelet.key)
            // Otherwise logs and exec would look up the node's name in DNS.
            .flag("kubelet-preferred-address-types", "InternalIP")
            .file("service-account-key-file", tokens_public)
            .file("service-account-signing-key-file", tokens_private)
            .flag("service-account-issuer", "https://kubernetes.default.svc.cluster.local")
            .flag("service-cluster-ip-range", addresses.service_range())
            .flag("authorization-mode", "Node,RBAC")
            .flag("enable-admission-plugins", "NodeRestriction")
            .file("requestheader-client-ca-file", Authority::FrontProxy.ensure(site)?.certificate)
            .flag("requestheader-allowed-names", FRONT_PROXY_CLIENT)
            .flag("requestheader-username-headers", "X-Remote-User")
            .flag("requestheader-group-headers", "X-Remote-Group")
            .flag("requestheader-extra-headers-prefix", "X-Remote-Extra-")
            .file("proxy-client-cert-file", proxy.certificate)
            .file("proxy-client-key-file", proxy.key)
            .flag("allow-privileged", true)
            .file("audit-policy-file", site.path("audit-policy.json"))
            .file("audit-log-path", site.path("audit.log"))
            .flag("audit-log-maxsize", 100)
            .flag("audit-log-maxbackup", 1)
            .flag("profiling", false))
    }

    fn grace(&self) -> Duration {
        // It would wait for its watches, which all of the cluster holds, as long as it may.
        Duration::from_secs(1)
    }

    async fn ready(&self, cx: &Context, seen: &Seen) -> Result<()> {
        ready::api(cx, seen, "/readyz").await;
        Ok(())
    }
}
