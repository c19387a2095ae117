//! cert-manager's programs and manifests, which its three components share.

mod cainjector;
mod controller;
mod webhook;

pub(super) use cainjector::Cainjector;
pub(super) use controller::Controller;
pub(super) use webhook::Webhook;

use super::helm::{self, HELM};
use crate::context::Context;
use crate::tool::{Asset, GoTool, go_files};
use crate::{Result, manifest};

const MODULE: &str = "github.com/cert-manager/cert-manager";
const DEFINITIONS: &str = "deploy/crds";
const CHART: &str = "deploy/charts/cert-manager";

const CERT_MANAGER: GoTool = GoTool {
    name: "cert-manager",
    files: go_files!("cert-manager", "main.go"),
    programs: &["cert-manager"],
    variables: &[],
    additions: &[],
    assets: &[Asset::Objects { module: MODULE, path: DEFINITIONS }, Asset::Folder { module: MODULE, path: CHART }],
};

/// What each of its components needs of the system.
const TOOLS: &[&GoTool] = &[&CERT_MANAGER, &HELM];

const NAMESPACE: &str = "cert-manager";

/// The chart's objects of one component, but for those that would run it as a pod. What belongs to none is the
/// controller's: its grants bear several labels.
async fn objects(cx: &Context, component: &str) -> Result<Vec<manifest::Object>> {
    let chart = cx.tool(&CERT_MANAGER)?.folder(CHART);
    let values = ["startupapicheck.enabled=false", "prometheus.enabled=false"];
    let mut objects = helm::render(cx, &chart, "cert-manager", NAMESPACE, &values).await?;
    objects.retain(|object| {
        let labels = object.metadata.labels.as_ref();
        let label = labels.and_then(|labels| labels.get("app.kubernetes.io/component")).map(String::as_str);
        let owner = label.filter(|label| matches!(*label, "webhook" | "cainjector")).unwrap_or("controller");
        owner == component && !matches!(manifest::kind(object), "Deployment" | "PodDisruptionBudget")
    });
    Ok(objects)
}
