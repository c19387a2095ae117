//! The clusters of one command: those of `targets` in the configuration, or as addresses on the command line.
//!
//! ```yaml
//! targets:
//!   - name: blue
//!     context: blue
//!     checks: {ingress: {host: kibertas.blue.example.com}}
//!   - name: green
//!     eks: {cluster: green, region: ap-northeast-1}
//! ```

mod address;
mod apart;
pub mod argo_cd;
mod choose;
mod declared;
mod reach;
#[cfg(test)]
mod tests;

pub use self::apart::apart;
pub use self::argo_cd::Which;
pub use self::choose::choose;
pub use self::reach::{TargetError, resolve};

use crate::aws::eks::EksTarget;
use crate::cluster::Access;
use crate::config::Overlay;

/// One cluster of a command; as it is [`Given`], before Argo CD was asked, it may stand for several.
#[derive(Debug, Clone)]
pub struct Target<W = Way> {
    /// What it has for itself; `None` where there is one cluster and nobody has named it.
    pub overlay: Option<Overlay>,
    /// The way to it.
    pub way: W,
}

/// What somebody has given as the way. Only [`resolve`] makes ways of it that lead to one cluster each.
#[derive(Debug, Clone)]
pub enum Given {
    /// A way to one cluster.
    Way(Way),
    /// What Argo CD knows, in a namespace of the cluster that the command line names.
    ArgoCd {
        /// The namespace that Argo CD runs in.
        namespace: String,
        /// One of its clusters, or those with labels.
        which: Which,
    },
}

/// The way to a cluster.
#[derive(Debug, Clone)]
pub enum Way {
    /// A kubeconfig's context; where there is no kubeconfig, the Pod's own cluster.
    Kubeconfig(Access),
    /// The Pod's own cluster.
    InCluster,
    /// A cluster of EKS, by its name and region.
    Eks(Box<EksTarget>),
    /// A cluster that Argo CD knows, its Secret read.
    Known(Box<argo_cd::Known>),
}

impl Target {
    /// The name that Argo CD has for it, where it is known from there and is not the cluster that Argo CD runs in.
    pub fn in_argo_cd(&self) -> Option<&str> {
        match &self.way {
            Way::Known(known) if !matches!(known.by, argo_cd::By::Own) => Some(&known.name),
            _ => None,
        }
    }
}

impl<W> Target<W> {
    /// Its name, where it has one.
    pub fn name(&self) -> Option<&str> {
        self.overlay.as_ref().map(|overlay| overlay.target.as_str())
    }
}
