//! Many at once: what it costs, what happens when somebody interrupts it, and that a repetition resumes it.

use std::process::{Command, Stdio};
use std::sync::Arc;

use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use super::rollouts::Strategy;
use super::world::{Room, World, stopping, trial};

/// Enough that a cost per Rollout shows.
const MANY: usize = 20;

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        trial(world, "bulk::many_cost_a_list_a_watch_and_a_patch_each", many),
        stopping(world, "bulk::a_repetition_resumes_what_was_interrupted", interrupted),
    ]
}

fn named(count: usize) -> Vec<String> {
    (0..count).map(|index| format!("web-{index}")).collect()
}

fn many(world: &World) -> Result<(), Failed> {
    let room = Room::new(world, "many")?;
    let names = named(MANY);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    room.paused(&names, Strategy::Canary)?;
    let ran = world.ours(&["promote", "--full", "--all", "--yes", "-n", &room.namespace, "-o", "json"])?;
    ran.expect(0, &[])?;
    let json = ran.json()?;
    let verified = json["rollouts"].as_array().into_iter().flatten().filter(|r| r["deed"] == "verified").count();
    // The version, the list and the watch; conflicts with the controller may take a few patches more.
    let requests = json["apiRequests"].as_u64().unwrap_or(u64::MAX);
    let most = u64::try_from(MANY + 3 + MANY / 4)?;
    if verified != MANY || requests > most {
        return Err(format!("{verified} verified with {requests} requests: {json:#}").into());
    }
    Ok(())
}

/// SIGTERM while the controller is away: patched ones stay patched, and the next call waits for them alone.
fn interrupted(world: &World) -> Result<(), Failed> {
    let room = Room::new(world, "interrupted")?;
    let ns = room.namespace.as_str();
    room.paused(&["a", "b"], Strategy::Canary)?;
    world.without("argo-rollouts", || {
        let args = ["promote", "--full", "--all", "--yes", "-n", ns, "-o", "json"];
        let child = world.command(&args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        for name in ["a", "b"] {
            world.until(ns, name, "patched", |rollout| rollout["status"]["promoteFull"] == true)?;
        }
        Command::new("kill").args(["-s", "TERM", &child.id().to_string()]).status()?;
        let output = child.wait_with_output()?;
        let json: Value = serde_json::from_slice(&output.stdout)?;
        let cancelled = json["rollouts"].as_array().into_iter().flatten().filter(|r| r["verdict"] == "cancelled");
        if output.status.code() != Some(143) || cancelled.count() != 2 {
            return Err(format!("{:?}: {json:#}", output.status).into());
        }
        Ok(())
    })?;
    let ran = world.ours(&["promote", "--full", "--all", "--yes", "-n", ns])?;
    ran.expect(0, &["2 with nothing to do"])?;
    world.ours(&["status", "a", "b", "-n", ns])?.expect(0, &["Healthy"])
}
