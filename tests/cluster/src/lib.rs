//! A real Kubernetes cluster for kibertas-rs's development, demo and tests.
//!
//! No container engine, no virtual machine, no simulated API server: the real control plane, kubelet, containerd and
//! add-ons run as processes in one network namespace per cluster. `cargo cluster up` is the command; [`Cluster`] is the
//! same for tests:
//!
//! ```no_run
//! # async fn example() -> Result<(), test_cluster::Error> {
//! use test_cluster::{Cluster, Profile, Progress};
//!
//! let cluster = Cluster::up("tests", Profile::Full, &["karpenter"], &Progress::plain()).await?;
//! cluster.stop("cert-manager-controller").await?;
//! cluster.start("cert-manager-controller").await?;
//! # Ok(()) }
//! ```
//!
//! Up, again up, after a crash up: always the same call, always the same cluster afterwards.
#![cfg(target_os = "linux")]

mod address;
mod blocking;
mod cluster;
mod command;
mod component;
mod components;
mod containers;
mod context;
mod down;
mod error;
mod harness;
mod host;
mod identity;
pub mod image;
mod kubeconfig;
mod lock;
mod manifest;
mod network;
mod outside;
mod packages;
mod pki;
mod process;
mod progress;
mod ready;
mod site;
mod start;
mod state;
mod tool;
mod up;

pub use blocking::{Altered, Blocking, Stopped};
pub use cluster::{Cluster, ComponentStatus, S3, Status};
pub use component::{Component, Facts, Profile};
pub use components::{ALL as COMPONENTS, KubernetesVersion, named as component};
pub use error::{Error, LogTail};
pub use harness::ADD_ONS;
pub use outside::OutsideServices;
pub use progress::Progress;
pub use site::Site;
pub use up::{Options, program};

/// What every fallible function here returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;
