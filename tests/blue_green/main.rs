//! `kibertas-rs compare` on two real clusters: quiet where nothing differs, and no real defect missed.
//!
//! Needs Linux, root and Go (see tests/cluster/README.md). Its trials take minutes each, so that a run shows them as ignored unless it
//! is told otherwise: `cargo test --test blue_green -- --ignored --nocapture`. The clusters `blue-trials` and `green-trials` are brought
//! up and left up.

mod defects;
mod quiet;
mod sides;
mod versions;

use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};

use sides::World;

fn main() {
    let mut arguments = Arguments::from_args();
    // Trials measure times, and each of them has both clusters for itself.
    arguments.test_threads = Some(1);
    let world = Arc::new(World::default());
    let on_demand = [quiet::trials(&world), defects::trials(&world), versions::trials()].into_iter().flatten();
    let trials: Vec<Trial> = on_demand.map(|trial| trial.with_ignored_flag(true)).collect();
    libtest_mimic::run(&arguments, trials).exit();
}
