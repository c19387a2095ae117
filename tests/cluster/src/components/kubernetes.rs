//! Kubernetes itself: one program that is every part of the control plane, kubelet, kube-proxy and kubectl. There are several versions
//! of it; each cluster is of one.

use std::fmt;
use std::str::FromStr;

use crate::tool::{Asset, GoTool, go_files};
use crate::{Error, Result};

/// The tool of a minor version `1.x`: the folder `components/kubernetes/v1.x` beside the `main.go` that all of them share.
macro_rules! release {
    ($minor:literal, $version:literal, $folder:literal) => {
        Release {
            minor: $minor,
            version: $version,
            tool: GoTool {
                name: "kubernetes",
                files: go_files!($folder, "main.go"),
                programs: &["kubernetes"],
                variables: &[
                    ("k8s.io/component-base/version.gitVersion", $version),
                    ("k8s.io/component-base/version.gitMajor", "1"),
                    ("k8s.io/component-base/version.gitMinor", $minor),
                    ("k8s.io/component-base/version.gitTreeState", "clean"),
                ],
                additions: &[],
                assets: &[Asset::Objects {
                    module: "k8s.io/kubernetes",
                    path: "cluster/addons/dns/coredns/coredns.yaml.base",
                }],
            },
        }
    };
}

/// What a version is built from.
#[derive(Debug)]
struct Release {
    /// `x` of `1.x`.
    minor: &'static str,
    /// The version that the folder's `go.mod` requires.
    version: &'static str,
    tool: GoTool,
}

/// The versions that there are. A cluster is of the first one unless it is asked for another.
static RELEASES: &[Release] =
    &[release!("34", "v1.34.4", "kubernetes/v1.34"), release!("36", "v1.36.1", "kubernetes/v1.36")];

/// The tool by which components name Kubernetes; [`KubernetesVersion::variant`] is the one that a cluster is built with.
pub(crate) const KUBERNETES: &GoTool = &RELEASES[0].tool;

/// A version of Kubernetes that a cluster can be of.
#[derive(Clone, Copy, Debug)]
pub struct KubernetesVersion(&'static Release);

impl KubernetesVersion {
    /// All versions.
    pub fn all() -> impl Iterator<Item = Self> {
        RELEASES.iter().map(Self)
    }

    /// The version's name, such as `v1.34.4`.
    pub fn name(self) -> &'static str {
        self.0.version
    }

    /// The version of a cluster that was once made of the version `name`. Patches of a minor version follow each other in place.
    pub(crate) fn of_cluster(name: &str) -> Result<Self> {
        let minor = |version: &'_ str| version.split('.').take(2).collect::<Vec<_>>().join(".");
        Self::all().find(|version| minor(version.name()) == minor(name)).ok_or_else(|| unknown(name))
    }

    /// The same tool as it is built for this version.
    pub(crate) fn variant(self, tool: &'static GoTool) -> &'static GoTool {
        if tool.name == self.0.tool.name { &self.0.tool } else { tool }
    }
}

impl Default for KubernetesVersion {
    fn default() -> Self {
        Self(&RELEASES[0])
    }
}

impl PartialEq for KubernetesVersion {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for KubernetesVersion {}

impl fmt::Display for KubernetesVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Reads `1.36` and `v1.36.1`, each with and without the `v`.
impl FromStr for KubernetesVersion {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let asked = text.strip_prefix('v').unwrap_or(text);
        let is_it = |version: &Self| {
            asked == format!("1.{}", version.0.minor) || version.name().strip_prefix('v') == Some(asked)
        };
        Self::all().find(is_it).ok_or_else(|| unknown(text))
    }
}

fn unknown(version: &str) -> Error {
    let known = KubernetesVersion::all().map(KubernetesVersion::name).collect::<Vec<_>>().join(", ");
    Error::NoKubernetes { version: version.to_owned(), known }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_is_the_required_one() {
        for Release { minor, version, tool } in RELEASES {
            let (_, module) = tool.files[0];
            assert!(module.contains(&format!("k8s.io/kubernetes {version}\n")), "{version}");
            // What is part of Kubernetes comes with it in the same version; otherwise it would not be that version.
            let staged = version.replacen("v1.", "v0.", 1);
            let replaced: Vec<_> = module.lines().filter(|line| line.starts_with("replace k8s.io/")).collect();
            assert!(replaced.len() > 20, "{version}");
            for line in replaced {
                assert!(line.ends_with(&staged), "{version}: {line}");
            }
            assert!(version.starts_with(&format!("v1.{minor}.")), "{version}");
        }
    }

    #[test]
    fn a_version_is_named_by_its_minor_or_in_full() {
        for text in ["1.36", "v1.36", "1.36.1", "v1.36.1"] {
            assert_eq!(text.parse::<KubernetesVersion>().unwrap().name(), "v1.36.1");
        }
        for text in ["1.35", "1.3", "1.36.0", "", "v", "latest"] {
            let error = text.parse::<KubernetesVersion>().unwrap_err().to_string();
            assert!(error.contains(&format!("`{text}`")) && error.contains("v1.34.4, v1.36.1"), "{error}");
        }
    }

    #[test]
    fn a_cluster_keeps_its_minor_version() {
        assert_eq!(KubernetesVersion::of_cluster("v1.36.0").unwrap().name(), "v1.36.1");
        assert_eq!(KubernetesVersion::of_cluster("v1.34.4").unwrap(), KubernetesVersion::default());
        assert!(KubernetesVersion::of_cluster("v1.33.4").is_err());
    }

    #[test]
    fn each_version_has_its_own_build_of_the_one_tool() {
        let newer: KubernetesVersion = "1.36".parse().unwrap();
        assert_eq!(KubernetesVersion::default().variant(KUBERNETES).variables, KUBERNETES.variables);
        assert_eq!(newer.variant(KUBERNETES).files, newer.0.tool.files);
        assert_ne!(newer.variant(KUBERNETES).files, KUBERNETES.files);
    }
}
