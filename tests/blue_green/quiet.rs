//! Two clusters of the same version and settings: whatever differs between them is chance.

use std::sync::Arc;

use libtest_mimic::{Failed, Trial};

use super::sides::{Sides, World, trial};

/// How often the clusters are measured anew and compared.
const ROUNDS: usize = 20;
/// The results of each side in a comparison.
const RUNS: usize = 3;
/// Steps of the three checks; fewer would mean that something was not compared.
const STEPS: usize = 20;

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![trial(world, "quiet::nothing_is_worse_in_twenty_of_twenty_comparisons", nothing_is_worse)]
}

fn nothing_is_worse(sides: &Sides) -> Result<(), Failed> {
    let mut alarms = Vec::new();
    for round in 1..=ROUNDS {
        let compared = sides.compare(RUNS)?;
        let steps = compared.steps();
        let (slower, faster) = (compared.judged("slower"), compared.judged("faster"));
        eprintln!("round {round:>2}: {steps} steps, slower {slower:?}, faster {faster:?}");
        if compared.code != Some(0) || !slower.is_empty() || steps < STEPS {
            alarms.push(format!("round {round}: exit code {:?}, {steps} steps, {slower:?}", compared.code));
        }
    }
    eprintln!("{} of {ROUNDS} comparisons are quiet", ROUNDS - alarms.len());
    if alarms.is_empty() { Ok(()) } else { Err(alarms.join("\n").into()) }
}
