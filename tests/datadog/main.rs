//! The check `datadog-agent` against a stand-in that keeps Datadog's documented rules over real HTTP and TLS, and misbehaves when
//! told to: each fault has its own verdict and words. Needs no cluster.
//!
//! `cargo test --test datadog -- --nocapture` prints the table of faults, verdicts, causes and seconds.

mod faults;
mod passes;
mod run;

use stand_ins::datadog::{Agent, Datadog};

/// A site with the run's organisation, which has no metrics yet.
fn site() -> Datadog {
    Datadog::new().api_key(run::API_KEY).application_key(run::APP_KEY)
}

/// The agent of the run's cluster.
fn agent() -> Agent {
    Agent::of_cluster("blue")
}
