//! The chart's examples are accepted as they stand.

use std::sync::Arc;

use libtest_mimic::{Failed, Trial};

use super::world::{World, trial};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![trial(world, "examples::fit_argo_cd_s_own_definitions", accepted)]
}

fn accepted(world: &World) -> Result<(), Failed> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/kibertas-rs/examples");
    let mut tried = 0;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let file = path.to_string_lossy();
        world.kubectl(&[
            "apply",
            "--server-side",
            "--force-conflicts",
            "--dry-run=server",
            "--validate=strict",
            "-f",
            &file,
        ])?;
        tried += 1;
    }
    if tried >= 4 { Ok(()) } else { Err(format!("only {tried} examples").into()) }
}
