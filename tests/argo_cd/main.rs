//! The chart in a real cluster: under real Argo CD, under Helm, and as a CronJob.
//!
//! Needs Linux, root and Go (see tests/cluster/README.md); the cluster `argo-cd` (or the one that `KIBERTAS_TEST_CLUSTER` names)
//! is brought up and left up for the next run, and for one trial a second one beside it.
//! `cargo test --test argo_cd -- NAME` runs the trials whose names contain NAME.

mod application;
mod application_set;
mod cronjob;
mod examples;
mod hooks;
mod release;
mod repository;
mod schemas;
mod workflows;
mod world;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};

use world::World;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Some trials stop what others need.
    arguments.test_threads = Some(1);
    let world = if arguments.list { World::unused() } else { World::up() };
    let world = match world {
        Ok(world) => Arc::new(world),
        Err(error) => {
            eprintln!("error: the test cluster is needed and does not come up: {}", error.with_causes());
            return ExitCode::FAILURE;
        }
    };
    libtest_mimic::run(&arguments, trials(&world)).exit_code()
}

fn trials(world: &Arc<World>) -> Vec<Trial> {
    [
        schemas::trials(world),
        examples::trials(world),
        hooks::trials(world),
        release::trials(world),
        cronjob::trials(world),
        application_set::trials(world),
        workflows::trials(world),
    ]
    .into_iter()
    .flatten()
    .collect()
}
