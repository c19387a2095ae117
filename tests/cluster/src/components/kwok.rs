//! kwok: plays the kubelet of the nodes that Karpenter makes.

use async_trait::async_trait;

use crate::component::{Component, Facts};
use crate::context::Context;
use crate::process::Invocation;
use crate::ready::{self, Seen};
use crate::tool::{Asset, GoTool, go_files};
use crate::{Result, identity, manifest};

const MODULE: &str = "sigs.k8s.io/kwok";
const GRANTS: &str = "kustomize/rbac";
const STAGES: &str = "kustomize/stage";

const KWOK: GoTool = GoTool {
    name: "kwok",
    files: go_files!("kwok"),
    programs: &["kwok"],
    variables: &[],
    additions: &[],
    assets: &[Asset::Objects { module: MODULE, path: GRANTS }, Asset::Folder { module: MODULE, path: STAGES }],
};

/// What happens to its pods and nodes: everything at once, and the nodes' leases renewed.
const USED_STAGES: [&str; 5] = [
    "pod/fast/pod-ready.yaml",
    "pod/fast/pod-complete.yaml",
    "pod/fast/pod-delete.yaml",
    "node/fast/node-initialize.yaml",
    "node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
];

/// Where its own manifests put it.
const NAMESPACE: &str = "kube-system";
const PORT: u16 = 10247;

pub(crate) struct Kwok;

#[async_trait]
impl Component for Kwok {
    fn facts(&self) -> &'static Facts {
        &Facts {
            name: "kwok",
            about: "plays the kubelet of Karpenter's nodes",
            profile: None,
            needs: &["kube-apiserver"],
            tools: &[&KWOK],
            packages: &[],
        }
    }

    async fn prepare(&self, cx: &Context) -> Result<()> {
        manifest::apply(cx, NAMESPACE, cx.tool(&KWOK)?.objects(GRANTS)?).await
    }

    async fn invocation(&self, cx: &Context) -> Result<Invocation> {
        let tool = cx.tool(&KWOK)?;
        let stages = tool.folder(STAGES);
        Ok(Invocation::new(tool.program("kwok"))
            .file("kubeconfig", identity::service_account(cx, NAMESPACE, "kwok-controller").await?)
            .flag("manage-all-nodes", false)
            .flag("manage-nodes-with-label-selector", "kwok.x-k8s.io/node=fake")
            .flag("node-lease-duration-seconds", 40)
            .flag("server-address", format!("{}:{PORT}", cx.site().addresses().node()))
            .args(USED_STAGES.map(|stage| format!("--config={}", stages.join(stage).display()))))
    }

    async fn ready(&self, cx: &Context, seen: &Seen) -> Result<()> {
        ready::http(cx, seen, PORT, "/healthz").await;
        Ok(())
    }
}
