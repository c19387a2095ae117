//! The cluster: the way to it, calls that outlast short faults, waits that watch, the check's own namespace.

pub mod call;
pub mod connect;
pub mod counted;
pub mod deployments;
pub mod listing;
pub mod pods;
pub mod scratch;
pub mod sweep;
mod tenancy;
pub mod wait;

mod cleanup;
mod expiry;
#[cfg(test)]
pub(crate) mod faults;

pub use self::connect::{Access, Cluster, ConnectError};
pub use self::scratch::{RunId, Scratch};
pub use self::tenancy::Tenancy;
pub use self::wait::Look;

/// The label that says who made an object; with it, `kubectl get all -A -l` finds everything of ours.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The value of [`MANAGED_BY`].
pub const MANAGER: &str = "kibertas-rs";
/// The label with the run's id.
pub const RUN_LABEL: &str = "kibertas.dev/run";
/// The label with the check's name.
pub const CHECK_LABEL: &str = "kibertas.dev/check";
/// The annotation with the time (RFC 3339, UTC) after which a sweep may remove the object.
pub const EXPIRES: &str = "kibertas.dev/expires";
