//! Argo CD syncs the chart and runs the checks as a hook: its verdict is the sync's.

use std::sync::Arc;

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::application::Application;
use super::world::{World, trial};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        trial(world, "hooks::sync_succeeds_when_the_checks_pass", passes),
        trial(world, "hooks::sync_fails_with_the_exit_code_of_a_job", broken_job),
        trial(world, "hooks::sync_fails_with_the_reason_of_a_pod", broken_pod),
        trial(world, "hooks::terminated_sync_leaves_nothing", terminated),
    ]
}

fn passes(world: &World) -> Result<(), Failed> {
    // With the permissions that the checks declare, and none besides.
    let more = json!({"argoCd": {"enabled": true}, "rbac": {"optional": false}});
    let values = world.values(&["cert-manager", "ingress", "rollouts"], more);
    let application = Application::sync(world, "passes", &values)?;
    let (phase, hook) = application.end(240)?;
    expect(phase == "Succeeded" && hook["kind"] == "Job" && hook["hookPhase"] == "Succeeded", &hook)?;
    let jobs = world.kubectl(&["get", "jobs", "-n", "kibertas", "-o", "name"])?;
    expect(jobs.is_empty(), &json!({"jobs left": jobs}))?;
    nothing_left(world)
}

fn broken_job(world: &World) -> Result<(), Failed> {
    let _stopped = world.stopped("cert-manager-controller")?;
    let settings = json!({"argoCd": {"enabled": true}, "config": {"stepTimeout": "5s"}});
    let application = Application::sync(world, "broken-job", &world.values(&["cert-manager"], settings))?;
    let (phase, hook) = application.end(180)?;
    let message = hook["message"].as_str().unwrap_or_default();
    expect(phase == "Failed" && message.contains("failed with exit code 1"), &hook)?;
    let path = "jsonpath={.items[0].status.containerStatuses[0].state.terminated.message}";
    let pods = ["get", "pods", "-n", "kibertas", "-l", "batch.kubernetes.io/job-name=proofs", "-o", path];
    let reason = world.kubectl(&pods)?;
    for word in
        ["argo-cd failed: 1 failed (exit code 1)", "nothing acted on the Certificate", "controller is not working"]
    {
        expect(reason.contains(word), &json!(reason))?;
    }
    nothing_left(world)
}

fn broken_pod(world: &World) -> Result<(), Failed> {
    let _stopped = world.stopped("cert-manager-controller")?;
    let settings = json!({"argoCd": {"enabled": true, "kind": "Pod"}, "config": {"stepTimeout": "5s"}});
    let application = Application::sync(world, "broken-pod", &world.values(&["cert-manager"], settings))?;
    let (phase, hook) = application.end(180)?;
    let message = hook["message"].as_str().unwrap_or_default();
    for word in ["1 failed (exit code 1)", "nothing acted on the Certificate", "cause: ", "next: kubectl"] {
        expect(phase == "Failed" && hook["kind"] == "Pod" && message.contains(word), &hook)?;
    }
    nothing_left(world)
}

fn terminated(world: &World) -> Result<(), Failed> {
    let _stopped = world.stopped("cert-manager-controller")?;
    let values = world.values(&["cert-manager"], json!({"argoCd": {"enabled": true}}));
    let application = Application::sync(world, "terminated", &values)?;
    // The check waits for the controller that is stopped; its namespace shows that it has begun.
    let run = world.wait(begun(world))?;
    application.terminate()?;
    let (phase, hook) = application.end(120)?;
    expect(phase == "Failed", &hook)?;
    let namespaces = kube::Api::<kube::api::DynamicObject>::all_with(
        world.cluster().client(),
        &kube::core::ApiResource::erase::<k8s_openapi::api::core::v1::Namespace>(&()),
    );
    world.until(namespaces, &run, 60, Value::is_null)?;
    world.until(world.api("batch", "v1", "Job", "kibertas"), "proofs", 60, Value::is_null)?;
    nothing_left(world)
}

/// Waits until a run has asked for its certificate, and returns the run's namespace.
async fn begun(world: &World) -> Result<String, Failed> {
    use futures::TryStreamExt;
    use kube::runtime::{WatchStreamExt, watcher};

    let kind = kube::core::GroupVersionKind::gvk("cert-manager.io", "v1", "Certificate");
    let resource = kube::core::ApiResource::from_gvk(&kind);
    let all = kube::Api::<kube::api::DynamicObject>::all_with(world.cluster().client(), &resource);
    let of_runs = watcher::Config::default().labels("kibertas.dev/run");
    let mut certificates = std::pin::pin!(watcher(all, of_runs).applied_objects());
    let found = tokio::time::timeout(std::time::Duration::from_secs(90), certificates.try_next()).await;
    let certificate = found.map_err(|_| "no run began within 90 s")??.ok_or("the watch ended")?;
    Ok(certificate.metadata.namespace.unwrap_or_default())
}

fn nothing_left(world: &World) -> Result<(), Failed> {
    let left = world.left()?;
    expect(left.is_empty(), &json!({"left": left}))
}

fn expect(holds: bool, seen: &Value) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(format!("saw {seen:#}").into()) }
}
