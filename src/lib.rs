//! Proves, end to end, that a Kubernetes cluster's add-ons really work.

pub mod check;
#[path = "../checks/mod.rs"]
pub mod checks;
pub mod cli;
pub mod clock;
pub mod cluster;
pub mod commands;
pub mod config;
pub mod context;
pub mod diagnosis;
pub mod event;
pub mod exit;
pub mod failure;
pub mod logging;
pub mod probe;
pub mod redact;
pub mod report;
pub mod result;
pub mod runner;
pub mod verdict;
