//! CoreDNS: the cluster's DNS. It answers for Services and pods, and asks BIND for the cluster's zone.

use async_trait::async_trait;
use serde_json::json;

use super::kubernetes::KUBERNETES;
use crate::component::{Component, Facts, Profile};
use crate::context::Context;
use crate::process::Invocation;
use crate::ready::{self, Seen};
use crate::tool::{GoTool, go_files};
use crate::{Result, identity, manifest, state};

const COREDNS: GoTool = GoTool {
    name: "coredns",
    files: go_files!("coredns"),
    programs: &["coredns"],
    variables: &[],
    additions: &[],
    assets: &[],
};

const PORT: u16 = 1053;
const READY_PORT: u16 = 8181;

pub(crate) struct Coredns;

#[async_trait]
impl Component for Coredns {
    fn facts(&self) -> &'static Facts {
        &Facts {
            name: "coredns",
            about: "the cluster's DNS: Services, pods, and the zone of BIND",
            profile: Some(Profile::Core),
            needs: &["kube-apiserver"],
            tools: &[&COREDNS, KUBERNETES],
            packages: &[],
        }
    }

    async fn prepare(&self, cx: &Context) -> Result<()> {
        let mut objects = cx.tool(KUBERNETES)?.objects("cluster/addons/dns/coredns/coredns.yaml.base")?;
        objects
            .retain(|object| matches!(manifest::kind(object), "ServiceAccount" | "ClusterRole" | "ClusterRoleBinding"));
        let service = json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "kube-dns", "labels": {"k8s-app": "kube-dns", "kubernetes.io/name": "CoreDNS"}},
            "spec": {
                "clusterIP": cx.site().addresses().dns_service(),
                "ports": [
                    {"name": "dns", "port": 53, "protocol": "UDP"},
                    {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
                ],
            },
        });
        objects.push(manifest::object(service)?);
        objects.push(manifest::endpoint_on_node(cx, "kube-dns", &[("dns", "UDP", PORT), ("dns-tcp", "TCP", PORT)])?);
        manifest::apply(cx, "kube-system", objects).await?;

        let (zone, node) = (cx.site().zone(), cx.site().addresses().node());
        let kubeconfig = identity::service_account(cx, "kube-system", "coredns").await?;
        let corefile = format!(
            ".:{PORT} {{\n  \
               bind {node}\n  \
               errors\n  \
               ready {node}:{READY_PORT}\n  \
               kubernetes cluster.local in-addr.arpa {{\n    \
                 kubeconfig {kubeconfig}\n    \
                 pods insecure\n    \
                 ttl 5\n  \
               }}\n  \
               forward {zone} {bind}\n  \
               cache 5\n\
             }}\n",
            kubeconfig = kubeconfig.display(),
            bind = cx.site().addresses().dns_server(),
        );
        state::write_text(&cx.site().path("Corefile"), corefile)
    }

    async fn invocation(&self, cx: &Context) -> Result<Invocation> {
        let corefile = cx.site().path("Corefile");
        Ok(Invocation::new(cx.tool(&COREDNS)?.program("coredns")).arg("-conf").arg(corefile.display().to_string()))
    }

    async fn ready(&self, cx: &Context, seen: &Seen) -> Result<()> {
        ready::http(cx, seen, READY_PORT, "/ready").await;
        Ok(())
    }
}
