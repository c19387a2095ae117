//! Proves, end to end, that a Kubernetes cluster's add-ons really work.
#![cfg_attr(
    test,
    allow(
        clippy::items_after_statements,
        clippy::naive_bytecount,
        clippy::needless_for_each,
        clippy::needless_pass_by_value,
        reason = "tests read better with them"
    )
)]

pub mod aws;
pub mod check;
#[path = "../checks/mod.rs"]
pub mod checks;
pub mod cli;
pub mod clock;
pub mod cluster;
pub mod commands;
pub mod compare;
pub mod config;
pub mod context;
pub mod diagnosis;
pub mod dns;
pub mod event;
pub mod exit;
pub mod failure;
pub mod logging;
pub mod notify;
pub mod place;
pub mod probe;
pub mod publish;
pub mod redact;
pub mod report;
pub mod result;
pub mod rollout;
pub mod runner;
pub mod targets;
pub mod tls;
pub mod verdict;
