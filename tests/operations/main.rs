//! `kibertas-rs rollouts` against a real Argo Rollouts controller, beside its own kubectl plugin.
//!
//! Needs Linux, root and Go (see tests/cluster/README.md). The pods run on a node that kwok plays, so that many of them cost nothing.
//! The cluster `operations` is brought up and left up; `KIBERTAS_TEST_CLUSTER` names another one, which must have kwok.

mod bulk;
mod guards;
mod long_run;
mod parity;
mod rollouts;
mod traps;
mod world;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};

use world::World;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Trials mostly wait; those that stop the controller hold a lock.
    arguments.test_threads.get_or_insert(4);
    let world = if arguments.list { World::unused() } else { World::up() };
    match world {
        Ok(world) => libtest_mimic::run(&arguments, trials(&Arc::new(world))).exit_code(),
        Err(error) => {
            eprintln!("error: the test cluster is needed and does not come up: {}", error.with_causes());
            ExitCode::FAILURE
        }
    }
}

fn trials(world: &Arc<World>) -> Vec<Trial> {
    let trials = [
        parity::trials(world),
        guards::trials(world),
        traps::trials(world),
        bulk::trials(world),
        long_run::trials(world),
    ];
    trials.into_iter().flatten().collect()
}
