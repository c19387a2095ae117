//! Argo CD without its web server: the application controller, the repository server and Redis. The cluster is
//! registered with it under its own name; repositories may be `file:///…` on this machine.

mod controller;
mod redis;
mod repo_server;

pub(super) use controller::Controller;
pub(super) use redis::Redis;
pub(super) use repo_server::RepoServer;

use super::helm::HELM;
use crate::tool::{Asset, GoTool, go_files};

const MODULE: &str = "github.com/argoproj/argo-cd/v3";
const MANIFESTS: [&str; 4] = [
    "manifests/crds",
    "manifests/base/config",
    "manifests/base/application-controller-roles",
    "manifests/cluster-rbac/application-controller",
];

const ARGO_CD: GoTool = GoTool {
    name: "argo-cd",
    files: go_files!("argo-cd"),
    programs: &["argocd"],
    variables: &[],
    assets: &[
        Asset::Objects { module: MODULE, path: MANIFESTS[0] },
        Asset::Objects { module: MODULE, path: MANIFESTS[1] },
        Asset::Objects { module: MODULE, path: MANIFESTS[2] },
        Asset::Objects { module: MODULE, path: MANIFESTS[3] },
    ],
};

/// Helm renders charts for it.
const TOOLS: &[&GoTool] = &[&ARGO_CD, &HELM];

const NAMESPACE: &str = "argocd";
const REDIS_PORT: u16 = 6379;
const REPO_PORT: u16 = 8081;
