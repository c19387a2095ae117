//! Where everything of one cluster lies: names and paths, nothing that touches the machine.

use std::path::{Path, PathBuf};

use crate::address::Addresses;
use crate::{Error, Result};

/// The folder that holds all clusters of this machine. Network namespaces belong to the machine, not to a user or a
/// checkout, and so does the state of the clusters in them.
pub(crate) const ROOT: &str = "/var/lib/kibertas-rs/clusters";

/// Names, addresses and paths of one cluster.
#[derive(Clone, Debug)]
pub struct Site {
    name: String,
    addresses: Addresses,
    dir: PathBuf,
}

impl Site {
    /// The site of the cluster with this (valid) name below `root`.
    pub(crate) fn new(root: &Path, name: &str, addresses: Addresses) -> Self {
        Self { name: name.to_owned(), addresses, dir: root.join(name) }
    }

    /// The cluster's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The cluster's addresses.
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// The DNS zone that BIND serves and external-dns writes.
    pub fn zone(&self) -> String {
        format!("{}.test", self.name)
    }

    /// The network namespace in which all processes run.
    pub fn namespace(&self) -> String {
        format!("kibertas-{}", self.name)
    }

    /// The network namespace as a file, for `nsenter --net=`.
    pub fn namespace_file(&self) -> PathBuf {
        Path::new("/run/netns").join(self.namespace())
    }

    /// The machine's end of the link into the network namespace (at most 15 characters, so not by name).
    pub fn link(&self) -> String {
        format!("kibertas{}", self.addresses.index())
    }

    /// The node's name.
    pub fn node(&self) -> String {
        format!("{}-node-1", self.name)
    }

    /// The folder that holds everything of the cluster.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A file or folder of the cluster.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.join(name)
    }

    /// Programs to use with the cluster: kubectl and the like.
    pub fn bin(&self) -> PathBuf {
        self.path("bin")
    }

    /// The admin's kubeconfig.
    pub fn kubeconfig(&self) -> PathBuf {
        self.path("admin.kubeconfig")
    }

    /// A component's log.
    pub fn log(&self, component: &str) -> PathBuf {
        self.path("log").join(component).with_extension("log")
    }

    /// Where a component's process is recorded.
    pub(crate) fn process_file(&self, component: &str) -> PathBuf {
        self.path("process").join(component).with_extension("json")
    }

    /// containerd's socket.
    pub fn containerd_socket(&self) -> PathBuf {
        self.path("containerd.sock")
    }
}

/// Whether the name can be a cluster's: it becomes part of host names, of the network namespace and of a socket's path
/// (of which the kernel takes 107 bytes).
pub(crate) fn check_name(name: &str) -> Result<()> {
    let fits = (1..=20).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && !name.ends_with('-')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if fits { Ok(()) } else { Err(Error::Name { name: name.to_owned() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_dns_labels() {
        for name in ["blue", "green-2", "a"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", "Blue", "2blue", "blue-", "../blue", "a.b", "abcdefghijklmnopqrstu"] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn names_of_the_kernel_are_short_enough() {
        let site = Site::new(Path::new(ROOT), "abcdefghijklmnopqrst", Addresses::of(100).unwrap());
        assert!(site.link().len() <= 15);
        assert!(site.containerd_socket().as_os_str().len() <= 107);
    }
}
