//! The checks. A new one is a folder here and a line in [`ALL`].

pub mod autoscaler;
pub mod cert_manager;
pub mod datadog;
pub mod fluent;
pub mod ingress;
pub mod rollouts;

use crate::check::Check;

/// Every check, in the order in which they are listed.
pub static ALL: &[&dyn Check] = &[
    // One line each.
    &ingress::Ingress,
    &cert_manager::CertManager,
    &rollouts::Rollouts,
    &autoscaler::Autoscaler,
    &datadog::Datadog,
    &fluent::Fluent,
];
