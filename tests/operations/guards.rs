//! What is left alone, what is refused, and what it takes to do it nevertheless.

use std::sync::Arc;

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::rollouts::{Strategy, is, rollout};
use super::world::{Room, World, trial};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        trial(world, "guards::a_selection_is_not_operated_without_a_yes", without_a_yes),
        trial(world, "guards::a_dry_run_changes_nothing", dry_run),
        trial(world, "guards::only_what_waits_is_promoted", only_what_waits),
        trial(world, "guards::what_is_named_has_to_be_there", named),
        trial(world, "guards::status_ends_at_a_pause_when_asked", status),
        trial(world, "guards::a_project_is_its_applications_rollouts", project),
    ]
}

fn versions(world: &World, room: &Room<'_>, names: &[&str]) -> Result<Vec<Value>, Failed> {
    let version = |name: &&str| Ok(world.get(&room.namespace, "rollout", name)?["metadata"]["resourceVersion"].clone());
    names.iter().map(version).collect()
}

fn without_a_yes(world: &World) -> Result<(), Failed> {
    let room = Room::new(world, "no-yes")?;
    room.paused(&["a"], Strategy::Canary)?;
    let before = versions(world, &room, &["a"])?;
    for which in [["--all", "-n", &room.namespace], ["-l", "trial=yes", "-A"]] {
        let ran = world.ours(&[&["promote", "--full"][..], &which].concat())?;
        ran.expect(2, &["give --yes"])?;
    }
    world.ours(&["promote", "--full", "--yes", "-n", &room.namespace])?.expect(2, &["which Rollouts?"])?;
    if versions(world, &room, &["a"])? != before {
        return Err("something was changed".into());
    }
    Ok(())
}

fn dry_run(world: &World) -> Result<(), Failed> {
    let room = Room::new(world, "dry-run")?;
    room.paused(&["a", "b"], Strategy::Canary)?;
    let before = versions(world, &room, &["a", "b"])?;
    let ran = world.ours(&["promote", "--full", "--all", "-n", &room.namespace, "--dry-run", "-o", "json"])?;
    ran.expect(0, &["example.com/web:v2"])?;
    let deeds: Vec<Value> =
        ran.json()?["rollouts"].as_array().into_iter().flatten().map(|r| r["deed"].clone()).collect();
    if deeds != ["would-patch", "would-patch"] || versions(world, &room, &["a", "b"])? != before {
        return Err(format!("{deeds:?}, or something was changed").into());
    }
    Ok(())
}

/// One at a pause, one Healthy, one aborted, one invalid: the first alone is promoted; told so, the aborted one as well.
fn only_what_waits(world: &World) -> Result<(), Failed> {
    let room = Room::new(world, "guards")?;
    let ns = room.namespace.as_str();
    room.paused(&["aborted", "waiting"], Strategy::Canary)?;
    room.healthy(&["healthy"], Strategy::Canary)?;
    world.ours(&["abort", "aborted", "-n", ns])?.expect(0, &["Degraded"])?;
    let mut invalid = rollout(ns, "invalid", "v1", Strategy::Canary);
    invalid["spec"]["strategy"]["canary"]["canaryService"] = json!("nowhere");
    invalid["spec"]["strategy"]["canary"]["stableService"] = json!("nowhere-either");
    world.apply(&invalid)?;
    world.until(ns, "invalid", "Degraded", is("Degraded"))?;

    let all = ["promote", "--full", "--all", "--yes", "-n", ns, "-o", "json"];
    let ran = world.ours(&all)?;
    ran.expect(0, &[])?;
    let deeds = |ran: &super::world::Ran| -> Result<Vec<String>, Failed> {
        let json = ran.json()?;
        let line = |r: &Value| format!("{}: {} {}", r["name"], r["verdict"], r["deed"]).replace('"', "");
        Ok(json["rollouts"].as_array().into_iter().flatten().map(line).collect())
    };
    let expected =
        ["aborted: skipped skipped", "healthy: passed already", "invalid: skipped skipped", "waiting: passed verified"];
    if deeds(&ran)? != expected {
        return Err(format!("{:?}\n{}", deeds(&ran)?, ran.out).into());
    }
    // Once more: what is done stays done.
    let again = world.ours(&all)?;
    again.expect(0, &["no update is in flight"])?;
    if deeds(&again)?[3] != "waiting: passed already" {
        return Err(format!("{:?}", deeds(&again)?).into());
    }
    // Whoever names it wants it done.
    world.ours(&["promote", "--full", "aborted", "-n", ns])?.expect(1, &["--include aborted"])?;
    world.ours(&["promote", "--full", "aborted", "-n", ns, "--include", "aborted"])?.expect(0, &["Healthy"])?;
    let promoted = world.until(ns, "aborted", "Healthy", is("Healthy"))?;
    if promoted["status"]["stableRS"] == promoted["status"]["currentPodHash"] {
        Ok(())
    } else {
        Err("not stable".into())
    }
}

fn named(world: &World) -> Result<(), Failed> {
    let room = Room::new(world, "named")?;
    room.paused(&["there"], Strategy::Canary)?;
    let there = format!("{}/there", room.namespace);
    let ran = world.ours(&["promote", "--full", &there, &format!("{}/gone", room.namespace)])?;
    ran.expect(1, &["there is no such Rollout", "1 verified, 1 not done"])?;
    world.ours(&["abort", &there])?.expect(1, &["bring the earlier template back"])
}

fn status(world: &World) -> Result<(), Failed> {
    let room = Room::new(world, "status")?;
    let ns = room.namespace.as_str();
    room.healthy(&["web"], Strategy::Canary)?;
    room.update(&["web"], "v2", Strategy::Canary)?;
    world.ours(&["status", "web", "-n", ns, "--watch", "--until", "paused"])?.expect(0, &["CanaryPauseStep"])?;
    let ran = world.ours(&["status", "web", "-n", ns, "--watch", "--timeout", "2s", "--step-timeout", "1s"])?;
    ran.expect(1, &["not there in time"])?;
    world.ours(&["abort", "web", "-n", ns])?.expect(0, &[])?;
    world.ours(&["status", "web", "-n", ns, "--watch"])?.expect(1, &["aborted"])?;
    world.ours(&["status", "web", "-n", ns])?.expect(1, &["Degraded"])
}

/// Argo CD itself does not run here: its Applications are what is read.
fn project(world: &World) -> Result<(), Failed> {
    let crd = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "applications.argoproj.io"},
        "spec": {"group": "argoproj.io", "scope": "Namespaced",
            "names": {"kind": "Application", "listKind": "ApplicationList", "plural": "applications", "singular": "application"},
            "versions": [{"name": "v1alpha1", "served": true, "storage": true, "schema": {"openAPIV3Schema":
                {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]}});
    if world.kubectl(&["get", "crd", "applications.argoproj.io"]).is_err() {
        world.apply(&crd)?;
        world.kubectl(&["wait", "--for=condition=Established", "crd/applications.argoproj.io", "--timeout=30s"])?;
    }
    let (room, other) = (Room::new(world, "project")?, Room::new(world, "project-other")?);
    room.paused(&["of-the-project", "of-nobody"], Strategy::Canary)?;
    other.paused(&["of-the-project", "of-another"], Strategy::Canary)?;
    let application = |name: &str, project: &str, destination: Value, namespace: &str, rollout: &str| {
        json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
            "metadata": {"name": name, "namespace": room.namespace},
            "spec": {"project": project, "destination": destination},
            "status": {"resources": [{"group": "argoproj.io", "version": "v1alpha1", "kind": "Rollout",
                                      "namespace": namespace, "name": rollout, "status": "Synced"}]}})
    };
    let here = json!({"server": "https://kubernetes.default.svc"});
    let green = json!({"name": "green"});
    world.apply(&json!({"apiVersion": "v1", "kind": "List", "items": [
        application("one", "shop", here.clone(), &room.namespace, "of-the-project"),
        application("two", "shop", json!({"name": "in-cluster"}), &other.namespace, "of-the-project"),
        application("three", "bank", here, &other.namespace, "of-another"),
        application("four", "shop", green, &room.namespace, "of-nobody"),
    ]}))?;
    let ran = world.ours(&["promote", "--full", "--project", "shop", "--yes"])?;
    ran.expect(0, &["2 verified", "left out, as they deploy to other clusters: the Applications four"])?;
    for (room, name) in [(&room, "of-nobody"), (&other, "of-another")] {
        let phase = world.get(&room.namespace, "rollout", name)?["status"]["phase"].clone();
        if phase != "Paused" {
            return Err(format!("{name} is {phase}").into());
        }
    }
    world.ours(&["promote", "--full", "--project", "nobody", "--yes"])?.expect(4, &["no Application of project nobody"])
}
