//! Kubernetes itself: one program that is every part of the control plane, kubelet, kube-proxy and kubectl.

use crate::tool::{Asset, GoTool, go_files};

/// The version that `components/kubernetes/go.mod` requires.
const VERSION: &str = "v1.34.4";

pub(crate) const KUBERNETES: GoTool = GoTool {
    name: "kubernetes",
    files: go_files!("kubernetes", "main.go"),
    programs: &["kubernetes"],
    variables: &[
        ("k8s.io/component-base/version.gitVersion", VERSION),
        ("k8s.io/component-base/version.gitMajor", "1"),
        ("k8s.io/component-base/version.gitMinor", "34"),
        ("k8s.io/component-base/version.gitTreeState", "clean"),
    ],
    assets: &[Asset::Objects { module: "k8s.io/kubernetes", path: "cluster/addons/dns/coredns/coredns.yaml.base" }],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_required_one() {
        let (_, module) = KUBERNETES.files[0];
        assert!(module.contains(&format!("k8s.io/kubernetes {VERSION}\n")));
    }
}
