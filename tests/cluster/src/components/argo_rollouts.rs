//! Argo Rollouts: canary releases.

use async_trait::async_trait;
use kube::api::{Api, DeleteParams, PostParams};
use serde_json::json;

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
/// A Rollout that is there only while it is asked whether the controller acts.
const QUESTION: &str = "test-cluster-asks-the-controller";

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

    /// Done once it acts upon a Rollout: it answers about its health before it has read what there is.
    async fn ready(&self, cx: &Context, seen: &Seen) -> Result<()> {
        ready::http(cx, seen, HEALTH_PORT, "/healthz").await;
        // Without selector and template the controller calls it invalid, and makes nothing of it.
        let question = manifest::object(json!({
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Rollout",
            "metadata": {"name": QUESTION},
            "spec": {"replicas": 0},
        }))?;
        let (resource, _) = manifest::resource(cx, &question).await?;
        let api: Api<manifest::Object> = Api::namespaced_with(cx.client(), NAMESPACE, &resource);
        let remove = || async {
            match api.delete(QUESTION, &DeleteParams::default()).await {
                Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
                other => other.map(drop).map_err(|error| error.to_string()),
            }
        };
        // One that a start left which was broken off may have its answer already.
        seen.until(format!("no Rollout {QUESTION}"), remove).await;
        let create = || async {
            api.create(&PostParams::default(), &question).await.map(drop).map_err(|error| error.to_string())
        };
        seen.until(format!("Rollout {QUESTION} created"), create).await;
        let answered = || async {
            let rollout = api.get(QUESTION).await.map_err(|error| error.to_string())?;
            let observed = rollout.data.pointer("/status/observedGeneration").is_some();
            if observed { Ok(()) } else { Err("no status.observedGeneration".to_owned()) }
        };
        seen.until(format!("the controller to act upon Rollout {QUESTION}"), answered).await;
        seen.until(format!("no Rollout {QUESTION}"), remove).await;
        Ok(())
    }
}
