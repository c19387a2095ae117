//! The checks. A new one is a folder here and a line in [`ALL`].

pub mod autoscaler;
pub mod cert_manager;

use crate::check::Check;

/// Every check, in the order in which they are listed.
pub static ALL: &[&dyn Check] = &[&autoscaler::Autoscaler, &cert_manager::CertManager];
