//! Argo Rollouts: canary releases.

use async_trait::async_trait;

use crate::component::{Component, Facts, Profile};
use crate::context::Context;
use crate::process::Invocation;
use crate::ready::{self, Seen};
use crate::tool::{Asset, GoTool, go_files};
use crate::{Result, identity, manifest};

const MODULE: &str = "github.com/argoproj/argo-rollouts";
const MANIFESTS: [&str; 4] = ["manifests/crds", "manifests/role", "manifests/cluster-install", "manifests/base"];

const ARGO_ROLLOUTS: GoTool = GoTool {
    name: "argo-rollouts",
    files: go_files!("argo-rollouts"),
    programs: &["rollouts-controller", "kubectl-argo-rollouts"],
    variables: &[],
    additions: &[],
    assets: &[
        Asset::Objects { module: MODULE, path: MANIFESTS[0] },
        Asset::Objects { module: MODULE, path: MANIFESTS[1] },
        Asset::Objects { module: MODULE, path: MANIFESTS[2] },
        Asset::Objects { module: MODULE, path: MANIFESTS[3] },
    ],
};

const NAMESPACE: &str = "argo-rollouts";
const HEALTH_PORT: u16 = 8080;

pub(crate) struct ArgoRollouts;

#[async_trait]
impl Component for ArgoRollouts {
    fn facts(&self) -> &'static Facts {
        &Facts {
            name: "argo-rollouts",
            about: "canary releases",
            profile: Some(Profile::Full),
            needs: &["kube-apiserver"],
            tools: &[&ARGO_ROLLOUTS],
            packages: &[],
        }
    }

    async fn prepare(&self, cx: &Context) -> Result<()> {
        let mut objects = Vec::new();
        for path in MANIFESTS {
            objects.extend(cx.tool(&ARGO_ROLLOUTS)?.objects(path)?);
        }
        // The controller is a process here, not a pod.
        objects.retain(|object| !matches!(manifest::kind(object), "Deployment" | "Service"));
        manifest::apply(cx, NAMESPACE, objects).await
    }

    async fn invocation(&self, cx: &Context) -> Result<Invocation> {
        Ok(Invocation::new(cx.tool(&ARGO_ROLLOUTS)?.program("rollouts-controller"))
            .file("kubeconfig", identity::service_account(cx, NAMESPACE, "argo-rollouts").await?)
            .flag("namespace", NAMESPACE)
            // There is one, and after a stop the next one should not have to wait for the lease.
            .flag("leader-elect", false)
            .flag("traefik-api-group", "traefik.io")
            .flag("traefik-api-version", "traefik.io/v1alpha1")
            .flag("healthzPort", HEALTH_PORT)
            .flag("qps", 200)
            .flag("burst", 400))
    }

    async fn ready(&self, cx: &Context, seen: &Seen) -> Result<()> {
        ready::http(cx, seen, HEALTH_PORT, "/healthz").await;
        Ok(())
    }
}
