//! Argo CD without its web server: the application controller, the repository server and Redis, and where they are asked for, the
//! controllers of ApplicationSets and of notifications. The cluster is registered with it under its own name; repositories may be
//! `file:///…` on this machine.

mod application_sets;
mod controller;
mod notifications;
mod redis;
mod repo_server;

pub(super) use application_sets::ApplicationSets;
pub(super) use controller::Controller;
pub(super) use notifications::Notifications;
pub(super) use redis::Redis;
pub(super) use repo_server::RepoServer;

use super::helm::HELM;
use crate::context::Context;
use crate::tool::{Asset, GoTool, go_files};
use crate::{Result, manifest};

const MODULE: &str = "github.com/argoproj/argo-cd/v3";
const MANIFESTS: [&str; 4] = [
    "manifests/crds",
    "manifests/base/config",
    "manifests/base/application-controller-roles",
    "manifests/cluster-rbac/application-controller",
];

const OF_APPLICATION_SETS: &str = "manifests/base/applicationset-controller";
const OF_NOTIFICATIONS: &str = "manifests/base/notification";

const ARGO_CD: GoTool = GoTool {
    name: "argo-cd",
    files: go_files!("argo-cd"),
    programs: &["argocd"],
    variables: &[],
    additions: &[],
    assets: &[
        Asset::Objects { module: MODULE, path: MANIFESTS[0] },
        Asset::Objects { module: MODULE, path: MANIFESTS[1] },
        Asset::Objects { module: MODULE, path: MANIFESTS[2] },
        Asset::Objects { module: MODULE, path: MANIFESTS[3] },
        Asset::Objects { module: MODULE, path: OF_APPLICATION_SETS },
        Asset::Objects { module: MODULE, path: OF_NOTIFICATIONS },
    ],
};

/// Helm renders charts for it.
const TOOLS: &[&GoTool] = &[&ARGO_CD, &HELM];

const NAMESPACE: &str = "argocd";
const REDIS_PORT: u16 = 6379;
const REPO_PORT: u16 = 8081;

/// What a controller needs of a folder of manifests: no Deployment, since it is a process here, and what belongs to one.
fn of_process(cx: &Context, path: &str) -> Result<Vec<manifest::Object>> {
    let mut objects = cx.tool(&ARGO_CD)?.objects(path)?;
    objects.retain(|object| !matches!(manifest::kind(object), "Deployment" | "Service" | "NetworkPolicy"));
    manifest::bind_in(&mut objects, NAMESPACE);
    Ok(objects)
}
