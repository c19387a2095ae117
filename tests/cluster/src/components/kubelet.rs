//! kubelet: the cluster's one real node.

use async_trait::async_trait;
use kube::api::Api;
use serde_json::json;

use super::containerd::pause_reference;
use super::kube_apiserver::KUBELET_CLIENT;
use super::kubernetes::KUBERNETES;
use crate::component::{Component, Facts, Profile};
use crate::context::Context;
use crate::pki::Authority;
use crate::process::Invocation;
use crate::ready::{self, Seen};
use crate::{Result, containers, image, kubeconfig, manifest, state};

pub(crate) struct Kubelet;

#[async_trait]
impl Component for Kubelet {
    fn facts(&self) -> &'static Facts {
        &Facts {
            name: "kubelet",
            about: "the node",
            profile: Some(Profile::Core),
            needs: &["containerd", "kube-apiserver"],
            tools: &[KUBERNETES],
            packages: &[],
        }
    }

    async fn prepare(&self, cx: &Context) -> Result<()> {
        let site = cx.site();
        state::write(&site.path("kubelet.json"), &config(cx)?)?;
        // For pods with `dnsPolicy: Default`; the machine's own file may name an address that only the machine reaches.
        state::write_text(&site.path("resolv.conf"), format!("nameserver {}\n", site.addresses().dns_service()))?;
        let archive = site.path("pause.tar");
        image::of_pause()?.write(&pause_reference()?, &archive)?;
        containers::load(site, &archive).await?;
        // Logs, exec and port-forward: what the API server may ask of a kubelet.
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": KUBELET_CLIENT},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:kubelet-api-admin"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": KUBELET_CLIENT}],
        });
        manifest::apply(cx, "kube-system", vec![manifest::object(binding)?]).await
    }

    async fn invocation(&self, cx: &Context) -> Result<Invocation> {
        let site = cx.site();
        let user = format!("system:node:{}", site.node());
        let kubeconfig = kubeconfig::of_user(site, "kubelet", &user, &["system:nodes"])?;
        Ok(Invocation::new(cx.tool(KUBERNETES)?.program("kubernetes"))
            .arg("kubelet")
            .file("kubeconfig", kubeconfig)
            .file("config", site.path("kubelet.json"))
            .flag("hostname-override", site.node())
            .flag("node-ip", site.addresses().node())
            .file("root-dir", site.path("kubelet"))
            .file("cert-dir", site.path("kubelet/pki")))
    }

    async fn ready(&self, cx: &Context, seen: &Seen) -> Result<()> {
        ready::http(cx, seen, HEALTH_PORT, "/healthz").await;
        ready::object(seen, Api::all(cx.client()), &cx.site().node(), "is Ready", ready::node_is_ready).await;
        Ok(())
    }
}

const HEALTH_PORT: u16 = 10248;

fn config(cx: &Context) -> Result<serde_json::Value> {
    let (site, addresses) = (cx.site(), cx.site().addresses());
    let hosts = [site.node(), addresses.node().to_string()];
    let serving = Authority::Cluster.issue(site, "kubelet-serving", &site.node(), &[], &hosts)?;
    Ok(json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "x509": {"clientCAFile": Authority::Cluster.ensure(site)?.certificate},
            "webhook": {"enabled": true},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": serving.certificate,
        "tlsPrivateKeyFile": serving.key,
        "healthzBindAddress": addresses.node(),
        "healthzPort": HEALTH_PORT,
        "clusterDNS": [addresses.dns_service()],
        "clusterDomain": "cluster.local",
        "resolvConf": site.path("resolv.conf"),
        "containerRuntimeEndpoint": format!("unix://{}", site.containerd_socket().display()),
        // Works under whichever version of cgroups the machine has, and without a share of them for us alone.
        "cgroupDriver": "cgroupfs",
        "cgroupsPerQOS": false,
        "enforceNodeAllocatable": [],
        "failCgroupV1": false,
        "failSwapOn": false,
        "oomScoreAdj": 0,
        "podLogsDir": site.path("log/pods"),
        "volumePluginDir": site.path("kubelet/volume-plugins"),
        "maxPods": 200,
        "serializeImagePulls": false,
        // The machine's disk may be nearly full. kubelet would then evict pods, or delete the loaded images, which
        // come from no registry and would never be back.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "evictionHard": {
            "memory.available": "0%",
            "nodefs.available": "0%",
            "nodefs.inodesFree": "0%",
            "imagefs.available": "0%",
        },
    }))
}
