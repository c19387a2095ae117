//! What the plugin reports as success and is none. Each trial first shows that the trap is real.

use std::sync::Arc;

use libtest_mimic::{Failed, Trial};

use super::rollouts::{Strategy, is};
use super::world::{Room, World, stopping, trial};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        stopping(world, "traps::a_second_promotion_skips_no_step", double_promotion),
        trial(world, "traps::a_full_promotion_without_an_update_does_not_stick", sticking),
        trial(world, "traps::an_abort_after_the_end_is_refused", abort_after_full),
        trial(world, "traps::a_promotion_of_what_is_paused_by_hand_as_well_is_not_lost", lost_promotion),
    ]
}

/// While the controller has not seen the first promotion yet, the plugin's second one moves the step index.
fn double_promotion(world: &World) -> Result<(), Failed> {
    let (plugin, ours) = (Room::new(world, "twice-plugin")?, Room::new(world, "twice-ours")?);
    plugin.paused(&["web"], Strategy::Canary)?;
    ours.paused(&["web"], Strategy::Canary)?;
    world.without("argo-rollouts", || {
        for _ in 0..2 {
            world.plugin(&["promote", "web", "-n", &plugin.namespace])?.expect(0, &["promoted"])?;
        }
        let skipped = world.get(&plugin.namespace, "rollout", "web")?["status"]["currentStepIndex"].clone();
        if skipped != 2 {
            return Err(format!("the trap is gone: the plugin left the step index at {skipped}").into());
        }
        let promote = ["promote", "web", "-n", &ours.namespace, "--timeout", "3s", "--step-timeout", "1s"];
        world.ours(&[&promote[..], &["--no-wait"]].concat())?.expect(0, &["1 patched"])?;
        let second = world.ours(&promote)?;
        second.expect(1, &["its pause was ended, and the controller has not gone on yet"])?;
        let index = world.get(&ours.namespace, "rollout", "web")?["status"]["currentStepIndex"].clone();
        if index == 1 { Ok(()) } else { Err(format!("the step index is {index}").into()) }
    })?;
    // The controller is back: one promotion has happened, to the next pause and no further.
    let end = world.until(&ours.namespace, "web", "at its second pause", |rollout| {
        is("Paused")(rollout) && rollout["status"]["currentStepIndex"] == 3
    })?;
    if end["status"]["updatedReplicas"] == 2 || end["status"]["updatedReplicas"] == 1 {
        Ok(())
    } else {
        Err(format!("{:#}", end["status"]).into())
    }
}

/// The plugin says "fully promoted" of what has no update; a mark that stays would promote the next update unasked.
fn sticking(world: &World) -> Result<(), Failed> {
    let room = Room::new(world, "sticking")?;
    let ns = room.namespace.as_str();
    room.healthy(&["web"], Strategy::Canary)?;
    world.plugin(&["promote", "--full", "web", "-n", ns])?.expect(0, &["fully promoted"])?;
    world.ours(&["promote", "--full", "web", "-n", ns])?.expect(0, &["no update is in flight"])?;
    if !world.get(ns, "rollout", "web")?["status"]["promoteFull"].is_null() {
        return Err("promoteFull is left".into());
    }
    room.update(&["web"], "v2", Strategy::Canary)?;
    world.until(ns, "web", "at its pause", is("Paused")).map(drop)
}

/// The plugin says "aborted" of what is fully promoted, and nothing happens.
fn abort_after_full(world: &World) -> Result<(), Failed> {
    let room = Room::new(world, "abort-late")?;
    let ns = room.namespace.as_str();
    room.paused(&["web"], Strategy::Canary)?;
    world.ours(&["promote", "--full", "web", "-n", ns])?.expect(0, &["Healthy"])?;
    world.plugin(&["abort", "web", "-n", ns])?.expect(0, &["aborted"])?;
    world.until(ns, "web", "still Healthy", is("Healthy"))?;
    world.ours(&["abort", "web", "-n", ns])?.expect(1, &["no update is in flight", "bring the earlier template back"])
}

/// The plugin ends the step's pause, then the one by hand. A controller that looks in between begins the step's pause again.
fn lost_promotion(world: &World) -> Result<(), Failed> {
    let (plugin, ours) = (Room::new(world, "by-hand-plugin")?, Room::new(world, "by-hand-ours")?);
    for room in [&plugin, &ours] {
        room.paused(&["web"], Strategy::Canary)?;
        world.plugin(&["pause", "web", "-n", &room.namespace])?.expect(0, &["paused"])?;
        world.until(&room.namespace, "web", "paused by hand", |rollout| {
            is("Paused")(rollout) && rollout["spec"]["paused"] == true
        })?;
    }
    let ns = plugin.namespace.as_str();
    let patch = |what: &[&str]| world.kubectl(&[&["patch", "rollout", "web", "-n", ns, "--type=merge"], what].concat());
    patch(&["--subresource=status", "-p", r#"{"status":{"pauseConditions":null}}"#])?;
    world.until(ns, "web", "looked at", |rollout| rollout["status"]["controllerPause"].is_null())?;
    patch(&["-p", r#"{"spec":{"paused":false}}"#])?;
    let lost = world.until(ns, "web", "at a pause", |rollout| {
        is("Paused")(rollout) && !rollout["status"]["pauseConditions"].is_null()
    })?;
    if lost["status"]["currentStepIndex"] != 1 {
        return Err(format!("the trap is gone: {:#}", lost["status"]).into());
    }
    world.ours(&["promote", "web", "-n", &ours.namespace])?.expect(0, &[])?;
    world
        .until(&ours.namespace, "web", "at its second pause", |rollout| {
            is("Paused")(rollout) && rollout["status"]["currentStepIndex"] == 3
        })
        .map(drop)
}
