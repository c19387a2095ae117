//! Twins: the plugin operates on one, this program on the other; spec and status have to become equal, field by field.

use std::sync::Arc;

use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use super::rollouts::{Strategy, is};
use super::world::{Room, World, trial};

/// Commands that both programs are given, and the phase that must come of the last one.
struct Scenario {
    name: &'static str,
    strategy: Strategy,
    commands: &'static [&'static [&'static str]],
    phase: &'static str,
}

const fn canary(name: &'static str, commands: &'static [&'static [&'static str]], phase: &'static str) -> Scenario {
    Scenario { name, strategy: Strategy::Canary, commands, phase }
}

/// Each begins at the first pause of an update from v1 to v2.
const SCENARIOS: &[Scenario] = &[
    canary("promote", &[&["promote"]], "Paused"),
    canary("promote-twice", &[&["promote"], &["promote"]], "Healthy"),
    canary("promote-full", &[&["promote", "--full"]], "Healthy"),
    canary("abort", &[&["abort"]], "Degraded"),
    canary("retry", &[&["abort"], &["retry"]], "Paused"),
    canary("undo", &[&["undo"]], "Healthy"),
    canary("undo-when-healthy", &[&["promote", "--full"], &["undo"]], "Paused"),
    canary("undo-to-revision", &[&["promote", "--full"], &["undo", "--to-revision=1"]], "Paused"),
    canary("pause", &[&["promote", "--full"], &["pause"]], "Paused"),
    canary("restart", &[&["promote", "--full"], &["restart"]], "Healthy"),
    Scenario { name: "blue-green-promote", strategy: Strategy::BlueGreen, commands: &[&["promote"]], phase: "Healthy" },
    Scenario { name: "blue-green-abort", strategy: Strategy::BlueGreen, commands: &[&["abort"]], phase: "Degraded" },
];

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    SCENARIOS.iter().map(|s| trial(world, format!("parity::{}", s.name), move |world| parity(world, s))).collect()
}

fn parity(world: &World, scenario: &Scenario) -> Result<(), Failed> {
    let rooms = [
        Room::new(world, &format!("{}-plugin", scenario.name))?,
        Room::new(world, &format!("{}-ours", scenario.name))?,
    ];
    let mut ends = Vec::new();
    for (room, by_plugin) in rooms.iter().zip([true, false]) {
        room.paused(&["web"], scenario.strategy)?;
        for command in scenario.commands {
            let verb = command.first().copied().unwrap_or_default();
            if by_plugin {
                // The plugin alone wants the kind here.
                let kind: &[&str] = if verb == "retry" { &["rollout"] } else { &[] };
                world.plugin(&[*command, kind, &["web", "-n", &room.namespace]].concat())?.expect(0, &[])?;
                settle(world, room, verb)?;
            } else {
                // It returns when the Rollout is where it should be: the next command needs no wait.
                world.ours(&[*command, &["web", "-n", &room.namespace][..]].concat())?.expect(0, &[])?;
            }
        }
        let end = world.until(&room.namespace, "web", scenario.phase, is(scenario.phase))?;
        ends.push(quiet(world, room, end)?);
    }
    let (theirs, ours) = (comparable(&ends[0]), comparable(&ends[1]));
    for part in ["spec", "status"] {
        let differences = differences(part, &theirs[part], &ours[part]);
        if !differences.is_empty() {
            return Err(format!("plugin and this program differ:\n{}", differences.join("\n")).into());
        }
    }
    Ok(())
}

/// The plugin returns before the controller has acted.
fn settle(world: &World, room: &Room<'_>, verb: &str) -> Result<(), Failed> {
    let settled = |rollout: &Value| match verb {
        "abort" => is("Degraded")(rollout),
        "restart" => rollout["status"]["restartedAt"] == rollout["spec"]["restartAt"] && is("Healthy")(rollout),
        _ => {
            let status = &rollout["status"];
            let unpausing = status["controllerPause"] == true && status["pauseConditions"].is_null();
            !unpausing && status["promoteFull"].is_null() && (is("Paused")(rollout) || is("Healthy")(rollout))
        }
    };
    // At a pause already, where the command was to leave it: the controller needs a moment to see even that.
    world.pause(std::time::Duration::from_millis(500));
    world.until(&room.namespace, "web", "settled", settled).map(drop)
}

/// The Rollout once nothing is on its way any more: neither its pods, nor what its controllers say of them.
fn quiet(world: &World, room: &Room<'_>, mut last: Value) -> Result<Value, Failed> {
    for _ in 0..60 {
        world.pause(std::time::Duration::from_secs(1));
        let now = world.get(&room.namespace, "rollout", "web")?;
        let sets = world.kubectl(&["get", "replicasets", "-n", &room.namespace, "-o", "json"])?;
        let sets: Value = serde_json::from_str(&sets)?;
        if now["metadata"]["resourceVersion"] == last["metadata"]["resourceVersion"] && at_rest(&now, &sets["items"]) {
            return Ok(now);
        }
        last = now;
    }
    Err(format!("{}/web does not come to rest: {:#}", room.namespace, last["status"]).into())
}

/// Whether every `ReplicaSet` has the pods that it should have, and the Rollout knows of all of them.
fn at_rest(rollout: &Value, sets: &Value) -> bool {
    let sets: Vec<&Value> = sets.as_array().into_iter().flatten().collect();
    let number = |value: &Value| value.as_i64().unwrap_or_default();
    let settled = |set: &&Value| {
        let (wanted, status) = (number(&set["spec"]["replicas"]), &set["status"]);
        status["observedGeneration"] == set["metadata"]["generation"]
            && number(&status["replicas"]) == wanted
            && number(&status["availableReplicas"]) == wanted
    };
    let hash = &rollout["status"]["currentPodHash"];
    let count =
        |sets: &mut dyn Iterator<Item = &&Value>| -> i64 { sets.map(|set| number(&set["status"]["replicas"])).sum() };
    let updated = |set: &&&Value| set["metadata"]["labels"]["rollouts-pod-template-hash"] == *hash;
    sets.iter().all(settled)
        && number(&rollout["status"]["replicas"]) == count(&mut sets.iter())
        && number(&rollout["status"]["updatedReplicas"]) == count(&mut sets.iter().filter(updated))
}

/// Without what time alone makes different. Conditions are a map by type, and the controller moves one to the end
/// whenever its status changes: a restart may cost availability for a moment on one side alone, and their order tells
/// it for ever (<https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md#typical-status-properties>).
fn comparable(rollout: &Value) -> Value {
    match rollout {
        Value::Object(map) => {
            let keep = |(key, value): (&String, &Value)| {
                let time = key.ends_with("Time") || key.ends_with("At");
                let mut value = if time && value.is_string() { Value::from("a time") } else { comparable(value) };
                if key == "conditions"
                    && let Some(conditions) = value.as_array_mut()
                {
                    conditions.sort_by_key(|condition| condition["type"].to_string());
                }
                (key.clone(), value)
            };
            Value::Object(map.iter().map(keep).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(comparable).collect()),
        other => other.clone(),
    }
}

fn differences(path: &str, theirs: &Value, ours: &Value) -> Vec<String> {
    match (theirs, ours) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            keys.into_iter().flat_map(|key| differences(&format!("{path}.{key}"), &theirs[key], &ours[key])).collect()
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let pairs = a.iter().zip(b).enumerate();
            pairs.flat_map(|(index, (a, b))| differences(&format!("{path}[{index}]"), a, b)).collect()
        }
        _ if theirs == ours => Vec::new(),
        _ => vec![format!("{path}: plugin {theirs}, ours {ours}")],
    }
}
