//! Argo Workflows: the controller, and the image of its executor, which every pod of a workflow begins with.

use async_trait::async_trait;

use crate::component::{Component, Facts};
use crate::context::Context;
use crate::image::{self, File, Settings};
use crate::process::Invocation;
use crate::ready::{self, Seen};
use crate::tool::{Addition, Asset, GoTool, go_files};
use crate::{Error, Result, containers, identity, manifest};

const MODULE: &str = "github.com/argoproj/argo-workflows/v3";
const MANIFESTS: [&str; 3] = [
    "manifests/base/crds/minimal",
    "manifests/base/workflow-controller",
    "manifests/cluster-install-no-crds/workflow-controller-rbac",
];

const ARGO_WORKFLOWS: GoTool = GoTool {
    name: "argo-workflows",
    files: go_files!("argo-workflows"),
    programs: &["workflow-controller", "argoexec"],
    // Its own build sets it.
    variables: &[("github.com/argoproj/argo-workflows/v3.version", "v3.7.14")],
    // The module proxy's copies lack it.
    additions: &[Addition {
        module: MODULE,
        path: "workflow/executor/osspecific/signal_linux.go",
        content: include_str!("../../components/argo-workflows/signal_linux.go"),
    }],
    assets: &[
        Asset::Objects { module: MODULE, path: MANIFESTS[0] },
        Asset::Objects { module: MODULE, path: MANIFESTS[1] },
        Asset::Objects { module: MODULE, path: MANIFESTS[2] },
    ],
};

const NAMESPACE: &str = "argo";
const HEALTH_PORT: u16 = 6060;
const EXECUTOR: &str = "kibertas.local/argoexec:v3";

pub(crate) struct ArgoWorkflows;

#[async_trait]
impl Component for ArgoWorkflows {
    fn facts(&self) -> &'static Facts {
        &Facts {
            name: "argo-workflows",
            about: "runs workflows",
            profile: None,
            needs: &["kube-apiserver", "containerd"],
            tools: &[&ARGO_WORKFLOWS],
            packages: &[],
        }
    }

    async fn prepare(&self, cx: &Context) -> Result<()> {
        let mut objects = Vec::new();
        for path in MANIFESTS {
            objects.extend(cx.tool(&ARGO_WORKFLOWS)?.objects(path)?);
        }
        // The controller is a process here, not a pod.
        objects.retain(|object| !matches!(manifest::kind(object), "Deployment" | "PriorityClass"));
        manifest::bind_in(&mut objects, NAMESPACE);
        tokio::try_join!(manifest::apply(cx, NAMESPACE, objects), load_executor(cx)).map(drop)
    }

    async fn invocation(&self, cx: &Context) -> Result<Invocation> {
        Ok(Invocation::new(cx.tool(&ARGO_WORKFLOWS)?.program("workflow-controller"))
            .env("LEADER_ELECTION_DISABLE", "true")
            .file("kubeconfig", identity::service_account(cx, NAMESPACE, "argo").await?)
            .flag("namespace", NAMESPACE)
            .flag("executor-image", EXECUTOR)
            .flag("executor-image-pull-policy", "Never"))
    }

    async fn ready(&self, cx: &Context, seen: &Seen) -> Result<()> {
        ready::http(cx, seen, HEALTH_PORT, "/healthz").await;
        Ok(())
    }
}

/// The executor as an image FROM scratch, unless the node has it.
async fn load_executor(cx: &Context) -> Result<()> {
    if containers::images(cx.site()).await?.iter().any(|name| name == EXECUTOR) {
        return Ok(());
    }
    let program = cx.tool(&ARGO_WORKFLOWS)?.program("argoexec");
    let content = std::fs::read(&program).map_err(Error::file("read", &program))?;
    let settings = Settings { entrypoint: vec!["/bin/argoexec".to_owned()], user: 8737, ..Settings::default() };
    let folder = tempfile::tempdir().map_err(Error::file("create", "a temporary folder"))?;
    let archive = folder.path().join("argoexec.tar");
    image::pack(EXECUTOR, &[File { path: "/bin/argoexec".to_owned(), mode: 0o755, content }], &settings, &archive)?;
    containers::load(cx.site(), &archive).await.map(drop)
}
