//! Hundreds and a thousand Rollouts at once. It takes minutes, so that a run shows it as ignored unless it is told otherwise:
//!
//! ```console
//! $ cargo build --release --package kibertas-rs --bin kibertas-rs
//! $ export KIBERTAS_PROGRAM=$(ls $PWD/target/*/release/kibertas-rs)
//! $ cargo test --test operations -- --ignored --nocapture long_run
//! ```

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::rollouts::{Strategy, is, rollout};
use super::world::{Room, World, program, trial};

/// The Rollouts of one great emergency.
const MANY: usize = 1000;
/// Those of a common one; the kubectl plugin takes them one after another.
const COMMON: usize = 100;
/// How many times as long the plugin has to take to its last patch.
const FASTER: u32 = 10;
/// The most memory that the program may have resident, in KiB.
const MEMORY: u64 = 40 * 1024;
/// How long the controller may take to bring all of them to a pause.
const PREPARATION: Duration = Duration::from_secs(1800);

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    let trials = [
        trial(world, "long_run::a_thousand_cost_a_patch_each_and_little_memory", thousand),
        trial(world, "long_run::a_hundred_are_patched_ten_times_as_fast_as_by_the_plugin", hundred),
    ];
    trials.into_iter().map(|trial| trial.with_ignored_flag(true)).collect()
}

/// A shell loop of the plugin's `promote --full` against one call of ours, each over Rollouts of its own.
fn hundred(world: &World) -> Result<(), Failed> {
    let loops = Room::new(world, "hundred-loop")?;
    let names = paused(world, &loops, COMMON)?;
    let started = Instant::now();
    for name in &names {
        world.plugin(&["promote", "--full", name, "-n", &loops.namespace])?.expect(0, &[])?;
    }
    let theirs = started.elapsed();
    all_are(world, &loops.namespace, COMMON, "Healthy")?;
    let room = Room::new(world, "hundred")?;
    paused(world, &room, COMMON)?;
    let ran = world.ours(&["promote", "--full", "--all", "--yes", "-n", &room.namespace, "-o", "json"])?;
    ran.expect(0, &[])?;
    let json = ran.json()?;
    let ours = Duration::from_millis(json["lastPatchMs"].as_u64().ok_or("lastPatchMs is missing")?);
    eprintln!(
        "last of {COMMON} patches: the plugin's loop after {theirs:.1?}, {} after {ours:.1?}; all verified after {} ms, {} API requests",
        program(),
        json["durationMs"],
        json["apiRequests"]
    );
    if theirs >= ours * FASTER { Ok(()) } else { Err(format!("not {FASTER} times as fast").into()) }
}

/// Makes Rollouts that wait in the middle of an update; their names.
fn paused(world: &World, room: &Room, count: usize) -> Result<Vec<String>, Failed> {
    for (version, phase) in [("v1", "Healthy"), ("v2", "Paused")] {
        let started = Instant::now();
        // In portions, so that kubectl need not hold all of them.
        for portion in (0..count).collect::<Vec<_>>().chunks(100) {
            let items: Vec<Value> = portion.iter().map(|index| one(&room.namespace, *index, version)).collect();
            world.apply(&json!({"apiVersion": "v1", "kind": "List", "items": items}))?;
        }
        all_are(world, &room.namespace, count, phase)?;
        eprintln!("{count} are {phase} after {:.0?}", started.elapsed());
    }
    Ok((0..count).map(name).collect())
}

fn thousand(world: &World) -> Result<(), Failed> {
    let room = Room::new(world, "thousand")?;
    paused(world, &room, MANY)?;
    let program = program();
    let args =
        ["rollouts", "promote", "--full", "--all", "--yes", "-n", &room.namespace, "-o", "json", "--timeout", "25m"];
    let child = Command::new(&program)
        .env_clear()
        .env("KUBECONFIG", world.cluster().kubeconfig())
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let status = format!("/proc/{}/status", child.id());
    let output = std::thread::spawn(move || child.wait_with_output());
    let mut peak = 0;
    while !output.is_finished() {
        peak = peak_memory(&status).unwrap_or_default().max(peak);
        world.pause(Duration::from_millis(10));
    }
    let output = output.join().map_err(|_| "the program's end was not seen")??;
    let json: Value = serde_json::from_slice(&output.stdout)?;
    let verified = json["rollouts"].as_array().into_iter().flatten().filter(|one| one["deed"] == "verified").count();
    let requests = json["apiRequests"].as_u64().unwrap_or(u64::MAX);
    eprintln!(
        "{program}: last patch after {} ms, all verified after {} ms, {requests} API requests, at most {peak} KiB resident",
        json["lastPatchMs"], json["durationMs"]
    );
    if verified != MANY || output.status.code() != Some(0) {
        return Err(format!("{verified} verified, {}", output.status).into());
    }
    // The version, the pages of the list and the watch; conflicts with the controller may take some patches more.
    let most = u64::try_from(MANY + MANY / 4)?;
    if requests > most {
        return Err(format!("{requests} requests, where {most} are allowed").into());
    }
    if !cfg!(debug_assertions) || std::env::var_os("KIBERTAS_PROGRAM").is_some() {
        return if peak <= MEMORY {
            Ok(())
        } else {
            Err(format!("{peak} KiB resident, where {MEMORY} are allowed").into())
        };
    }
    eprintln!("the memory of a debug build is not judged: set KIBERTAS_PROGRAM to a release build");
    Ok(())
}

fn name(index: usize) -> String {
    format!("service-{index:04}")
}

/// A Rollout with one pod, whose template is about as long as those of real services.
fn one(namespace: &str, index: usize, version: &str) -> Value {
    let mut rollout = rollout(namespace, &name(index), version, Strategy::Canary);
    rollout["spec"]["replicas"] = json!(1);
    let container = &mut rollout["spec"]["template"]["spec"]["containers"][0];
    let variables =
        (0..20).map(|n| json!({"name": format!("SETTING_{n}"), "value": format!("https://example.com/{index}/{n}")}));
    container["env"] = variables.collect();
    container["resources"] = json!({"requests": {"cpu": "1m", "memory": "1Mi"}, "limits": {"memory": "64Mi"}});
    container["readinessProbe"] = json!({"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 5});
    container["ports"] = json!([{"name": "http", "containerPort": 8080}]);
    rollout
}

fn all_are(world: &World, namespace: &str, count: usize, phase: &'static str) -> Result<(), Failed> {
    let end = Instant::now() + PREPARATION;
    loop {
        let listed = world.kubectl(&["get", "rollouts", "-n", namespace, "-o", "json"])?;
        let listed: Value = serde_json::from_str(&listed)?;
        let there = listed["items"].as_array().into_iter().flatten().filter(|one| is(phase)(one)).count();
        if there == count {
            return Ok(());
        }
        if Instant::now() > end {
            return Err(format!("{there} of {count} are {phase} after {PREPARATION:?}").into());
        }
        world.pause(Duration::from_secs(2));
    }
}

/// The most memory that the process has had resident so far, in KiB; `None` once it has ended.
///
/// <https://man7.org/linux/man-pages/man5/proc_pid_status.5.html>
fn peak_memory(status: &str) -> Option<u64> {
    let status = std::fs::read_to_string(status).ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    peak.trim().strip_suffix("kB")?.trim().parse().ok()
}
