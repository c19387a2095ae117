//! The harness's own truth: each trial breaks the real test cluster in one way and demands the verdict and the reason.
//!
//! Needs Linux, root and Go (see tests/cluster/README.md); the cluster `tests` (or the one that
//! `KIBERTAS_TEST_CLUSTER` names) is brought up and left up for the next run.
//! `cargo test --test faults -- NAME` runs the trials whose names contain NAME.

mod access;
mod account;
mod autoscaler;
mod cert_manager;
mod datadog;
mod eks;
mod fluent;
mod given;
mod ingress;
mod interruption;
mod published;
mod rollouts;
mod run;
mod targets;
mod turns;
mod world;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};

use world::World;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Trials mostly wait; those that would be in each other's way take turns.
    arguments.test_threads.get_or_insert(6);
    let world = if arguments.list { World::unused() } else { World::up() };
    let world = match world {
        Ok(world) => Arc::new(world),
        Err(error) => {
            eprintln!("error: the test cluster is needed and does not come up: {}", error.with_causes());
            return ExitCode::FAILURE;
        }
    };
    let trials = trials(&world);
    let needs_another = |trial: &Trial| targets::is_one(trial) && !arguments.is_filtered_out(trial);
    if !arguments.list && trials.iter().any(needs_another) {
        // Now, because that keeps the whole machine busy, which trials that go by the clock would feel. Those that need it tell why it
        // is not there.
        let _told_by_trials = world.beside();
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trials(world: &Arc<World>) -> Vec<Trial> {
    let parts = [
        ingress::trials,
        cert_manager::trials,
        rollouts::trials,
        autoscaler::trials,
        datadog::trials,
        fluent::trials,
        given::trials,
        published::trials,
        eks::trials,
        targets::trials,
        access::trials,
        interruption::trials,
    ];
    parts.iter().flat_map(|trials| trials(world)).collect()
}
