//! Helm: renders the manifests of modules that have them as a chart only.

use std::path::Path;

use crate::command::{command, run};
use crate::context::Context;
use crate::tool::{GoTool, go_files};
use crate::{Result, manifest};

pub(crate) const HELM: GoTool = GoTool {
    name: "helm",
    files: go_files!("helm"),
    programs: &["helm"],
    variables: &[
        // Set by Helm's own build; without them a chart sees Kubernetes 1.20.
        ("helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor", "1"),
        ("helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor", "34"),
        ("helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor", "1"),
        ("helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor", "34"),
    ],
    additions: &[],
    assets: &[],
};

/// The objects of a chart in this folder.
pub(crate) async fn render(
    cx: &Context,
    chart: &Path,
    release: &str,
    namespace: &str,
    values: &[&str],
) -> Result<Vec<manifest::Object>> {
    let mut template = command(cx.tool(&HELM)?.program("helm"), ["template", release]);
    template.arg(chart).args(["--namespace", namespace]).args(values.iter().flat_map(|value| ["--set", value]));
    template.env("HOME", cx.site().dir());
    let objects = manifest::parse_yaml(&format!("the chart {}", chart.display()), &run(template).await?)?;
    objects.into_iter().map(manifest::object).collect()
}
