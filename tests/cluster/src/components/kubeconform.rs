//! kubeconform: checks manifests against schemas; for tests of the Helm chart, not for the cluster.

use crate::tool::{GoTool, go_files};

pub(crate) const KUBECONFORM: GoTool = GoTool {
    name: "kubeconform",
    files: go_files!("kubeconform"),
    programs: &["kubeconform"],
    variables: &[],
    additions: &[],
    assets: &[],
};
