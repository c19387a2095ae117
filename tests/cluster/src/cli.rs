//! The command line of `cargo cluster`: definitions only.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use test_cluster::{KubernetesVersion, Profile};

const EXAMPLES: &str = "\
Examples:
  cargo cluster up                        the cluster `blue` with all add-ons
  cargo cluster up blue green             two clusters side by side
  cargo cluster up --profile core         only Kubernetes itself
  cargo cluster up --with karpenter       and a component that no profile has
  cargo cluster exec blue -- kubectl get pods --all-namespaces
  export KUBECONFIG=$(cargo cluster kubeconfig blue)
  cargo cluster up green --kubernetes 1.36
                                          one of a newer Kubernetes, beside blue
  cargo cluster stop blue traefik         see what breaks
  cargo cluster restart green external-dns -- --interval=1m --min-event-sync-interval=1m
                                          see what becomes slow
  cargo cluster down --all

Clusters belong to the machine, not to a checkout: each is a network namespace `kibertas-NAME` and a folder
/var/lib/kibertas-rs/clusters/NAME. Its node is 10.99.INDEX.2, reached from here like its pods and Services; its DNS zone
is NAME.test.";

/// Real Kubernetes clusters on this machine, for development, demo and tests.
///
/// The real control plane, kubelet, containerd and add-ons, as processes in one network namespace per cluster. Needs
/// Linux, root and Go; no container engine. The first `up` builds the components (minutes, once); later ones take
/// seconds.
#[derive(Debug, Parser)]
#[command(name = "cargo cluster", bin_name = "cargo cluster", after_help = EXAMPLES, max_term_width = 120)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Bring clusters up, or make sure that they are: what is missing or has died is started.
    Up(Up),
    /// Take clusters down; nothing is left but the built components in the cache.
    Down(Down),
    /// Show the clusters and the state of their components.
    Status,
    /// Print the path of the admin's kubeconfig.
    Kubeconfig {
        /// The cluster.
        #[arg(default_value = "blue")]
        name: String,
        /// Print the content instead.
        #[arg(long)]
        print: bool,
    },
    /// Run a command in the cluster's network namespace, with KUBECONFIG set and kubectl in PATH.
    Exec {
        /// The cluster.
        name: String,
        /// The command and its arguments.
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Print the log of a component.
    Logs {
        /// The cluster.
        name: String,
        /// The component, as `status` shows it.
        component: String,
        /// Keep printing what is added.
        #[arg(short, long)]
        follow: bool,
    },
    /// Stop a component, to see what a fault does.
    Stop {
        /// The cluster.
        name: String,
        /// The components, as `status` shows them.
        #[arg(required = true)]
        components: Vec<String>,
    },
    /// Start components that were stopped, and wait until they are ready.
    Start {
        /// The cluster.
        name: String,
        /// The components, as `status` shows them.
        #[arg(required = true)]
        components: Vec<String>,
    },
    /// Restart a component, with other flags if some are given, to see what a wrong setting does.
    ///
    /// The flags stand in for the component's own of the same name, until it is started anew: by `start` after a `stop`, by `restart`, or
    /// by `up`, which restarts what runs with other settings than it should.
    Restart {
        /// The cluster.
        name: String,
        /// The component, as `status` shows it.
        component: String,
        /// Flags, --NAME or --NAME=VALUE each.
        #[arg(last = true, value_name = "FLAG")]
        flags: Vec<String>,
    },
    /// Load an image into the node from an OCI archive.
    Load {
        /// The cluster.
        name: String,
        /// The archive.
        archive: PathBuf,
    },
    /// Build a tool besides the components, and print its path: helm, kubeconform.
    Tool {
        /// The program.
        name: String,
    },
    /// Pack kibertas-rs's image as an OCI archive.
    Image {
        /// The static binary. Without it, what `cargo build --release --package kibertas-rs` makes.
        #[arg(long)]
        binary: Option<PathBuf>,
        /// The archive to write. Without it, `kibertas-rs.tar` in the folder above this program's.
        #[arg(long)]
        out: Option<PathBuf>,
        /// The image's name. Without it, `kibertas.local/kibertas-rs:dev-` and the start of its digest.
        #[arg(long)]
        reference: Option<String>,
    },
    /// Bring the cluster `demo` up, build kibertas-rs, run its checks there, and take it down again.
    Demo(Demo),
}

#[derive(Args, Debug)]
pub(crate) struct Up {
    /// The clusters: 1 to 20 of a-z, 0-9 and -.
    #[arg(default_value = "blue")]
    pub(crate) names: Vec<String>,
    /// Which components.
    #[arg(long, value_enum, default_value = "full")]
    pub(crate) profile: Profile,
    /// Components besides: see `cargo cluster up --with help`.
    #[arg(long, value_name = "COMPONENT", value_delimiter = ',')]
    pub(crate) with: Vec<String>,
    /// The version of Kubernetes, such as 1.36. A cluster keeps the one that it was made with; a new one is of the default, 1.34.
    #[arg(long, value_name = "VERSION")]
    pub(crate) kubernetes: Option<KubernetesVersion>,
    /// Do not install missing Debian packages, but list them.
    #[arg(long)]
    pub(crate) no_install: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Down {
    /// The clusters.
    #[arg(default_value = "blue")]
    pub(crate) names: Vec<String>,
    /// All clusters of this machine.
    #[arg(long, conflicts_with = "names")]
    pub(crate) all: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Demo {
    /// Leave the cluster up.
    #[arg(long)]
    pub(crate) keep: bool,
    /// Arguments for `kibertas-rs test`, such as the names of checks; without names, all checks run.
    #[arg(last = true)]
    pub(crate) arguments: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definitions_are_sound() {
        Cli::command().debug_assert();
    }
}
