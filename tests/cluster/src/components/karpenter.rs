//! Karpenter: makes nodes for pods that fit on none. Its nodes are kwok's; its decisions are real.

use async_trait::async_trait;
use serde_json::json;

use super::helm::{self, HELM};
use crate::component::{Component, Facts};
use crate::context::Context;
use crate::process::Invocation;
use crate::ready::{self, Seen};
use crate::tool::{Asset, GoTool, go_files};
use crate::{Result, identity, manifest};

const MODULE: &str = "sigs.k8s.io/karpenter";
const DEFINITIONS: [&str; 2] = ["pkg/apis/crds", "kwok/apis/crds"];
const CHART: &str = "kwok/charts";

const KARPENTER: GoTool = GoTool {
    name: "karpenter",
    files: go_files!("karpenter"),
    programs: &["karpenter"],
    variables: &[],
    additions: &[],
    assets: &[
        Asset::Objects { module: MODULE, path: DEFINITIONS[0] },
        Asset::Objects { module: MODULE, path: DEFINITIONS[1] },
        Asset::Folder { module: MODULE, path: CHART },
    ],
};

const NAMESPACE: &str = "karpenter";
const HEALTH_PORT: u16 = 18081;

/// The taint of the nodes that Karpenter makes here: kwok plays them, and a pod that has to do something would only seem to run.
pub(crate) const NODE_TAINT: &str = "kibertas.test/played";

pub(crate) struct Karpenter;

#[async_trait]
impl Component for Karpenter {
    fn facts(&self) -> &'static Facts {
        &Facts {
            name: "karpenter",
            about: "makes nodes for pods that fit on none, and removes empty ones",
            profile: None,
            needs: &["kube-apiserver", "kwok"],
            tools: &[&KARPENTER, &HELM],
            packages: &[],
        }
    }

    async fn prepare(&self, cx: &Context) -> Result<()> {
        let tool = cx.tool(&KARPENTER)?;
        let mut objects = helm::render(cx, &tool.folder(CHART), "karpenter", NAMESPACE, &[]).await?;
        // The definitions lie in the chart, too, but as links that a module cannot hold.
        objects.retain(|object| manifest::kind(object) == "ServiceAccount" || manifest::kind(object).contains("Role"));
        for path in DEFINITIONS {
            objects.extend(tool.objects(path)?);
        }
        objects.push(manifest::object(json!({
            "apiVersion": "karpenter.kwok.sh/v1alpha1",
            "kind": "KWOKNodeClass",
            "metadata": {"name": "default"},
        }))?);
        objects.push(manifest::object(json!({
            "apiVersion": "karpenter.sh/v1",
            "kind": "NodePool",
            "metadata": {"name": "default"},
            "spec": {
                "template": {
                    "metadata": {"labels": {"pool": "spot"}},
                    "spec": {
                        "nodeClassRef": {"group": "karpenter.kwok.sh", "kind": "KWOKNodeClass", "name": "default"},
                        "requirements": [
                            {"key": "karpenter.sh/capacity-type", "operator": "In", "values": ["spot", "on-demand"]},
                        ],
                        "expireAfter": "Never",
                        "taints": [{"key": NODE_TAINT, "effect": "NoSchedule"}],
                    },
                },
                "disruption": {
                    "consolidationPolicy": "WhenEmpty",
                    "consolidateAfter": "5s",
                    // By default, one node in ten at a time.
                    "budgets": [{"nodes": "100%"}],
                },
            },
        }))?);
        manifest::apply(cx, NAMESPACE, objects).await
    }

    async fn invocation(&self, cx: &Context) -> Result<Invocation> {
        let kubeconfig = identity::service_account(cx, NAMESPACE, "karpenter").await?;
        Ok(Invocation::new(cx.tool(&KARPENTER)?.program("karpenter"))
            .env("KUBECONFIG", kubeconfig.display().to_string())
            .env("SYSTEM_NAMESPACE", NAMESPACE)
            .arg("--disable-leader-election")
            .flag("metrics-port", 18080)
            .flag("health-probe-port", HEALTH_PORT))
    }

    async fn ready(&self, cx: &Context, seen: &Seen) -> Result<()> {
        ready::http(cx, seen, HEALTH_PORT, "/readyz").await;
        Ok(())
    }
}
