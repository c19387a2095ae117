//! Argo CD syncs the chart and runs the checks as a hook: its verdict is the sync's.

use std::sync::Arc;

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};
use stand_ins::github::GitHub;
use stand_ins::server::Server;
use stand_ins::slack::Slack;

use super::application::{Application, example};
use super::repository::Repository;
use super::world::{World, trial};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        trial(world, "hooks::sync_succeeds_when_the_checks_pass", passes),
        trial(world, "hooks::sync_fails_with_the_exit_code_of_a_job", broken_job),
        trial(world, "hooks::sync_fails_with_the_reason_of_a_pod_and_chat_is_told", broken_pod),
        trial(world, "hooks::commit_and_events_tell_of_the_sync", told),
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
    // Argo CD has deleted the Job in the foreground; it is gone once the garbage collector has seen to its pod.
    world.until(world.api("batch", "v1", "Job", "kibertas"), "proofs", 30, Value::is_null)?;
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
    for word in ["blue failed: 1 failed (exit code 1)", "nothing acted on the Certificate", "controller is not working"]
    {
        expect(reason.contains(word), &json!(reason))?;
    }
    nothing_left(world)
}

fn broken_pod(world: &World) -> Result<(), Failed> {
    let slack = Server::plain_at(world.host(), Slack::new("", "xoxb-of-argo-cd", "platform-alerts"))?;
    notifications(world, &slack.url())?;
    let _stopped = world.stopped("cert-manager-controller")?;
    let settings = json!({"argoCd": {"enabled": true, "kind": "Pod"}, "config": {"stepTimeout": "5s"}});
    let application = Application::sync(world, "broken-pod", &world.values(&["cert-manager"], settings))?;
    let (phase, hook) = application.end(180)?;
    let message = hook["message"].as_str().unwrap_or_default();
    for word in ["1 failed (exit code 1)", "nothing acted on the Certificate", "cause: ", "next: kubectl"] {
        expect(phase == "Failed" && hook["kind"] == "Pod" && message.contains(word), &hook)?;
    }
    // What the notifications' controller has sent, it notes at the Application.
    let sent = |app: &Value| app["metadata"]["annotations"]["notified.notifications.argoproj.io"].is_string();
    world.until(application.api(), "broken-pod", 60, sent)?;
    let messages = slack.rules().messages.lock().map_err(|_| "the stand-in has panicked")?.clone();
    let text = messages.first().and_then(|message| message["text"].as_str()).unwrap_or_default();
    for word in ["broken-pod: the add-ons do not work", "nothing acted on the Certificate", "next: kubectl"] {
        expect(messages.len() == 1 && text.contains(word), &json!(messages))?;
    }
    nothing_left(world)
}

/// The chart's example of notifications as it stands, with this Slack.
fn notifications(world: &World, url: &str) -> Result<(), Failed> {
    let mut settings = example("notifications")?;
    settings["data"]["service.slack"] = json!(format!("token: $slack-token\napiURL: {url}/api/\n"));
    world.secret("argocd", "argocd-notifications-secret", &json!({"slack-token": "xoxb-of-argo-cd"}))?;
    Ok(world.apply(&settings)?)
}

/// The commit that Argo CD has synced gets its status, and the namespace its Events.
fn told(world: &World) -> Result<(), Failed> {
    let repository = Repository::new()?;
    let commit = repository.head()?;
    let github = Server::plain_at(world.host(), GitHub::new("t0ken", "platform/add-ons", &commit))?;
    world.secret("kibertas", "github", &json!({"token": "t0ken"}))?;
    let more = json!({
        "argoCd": {"enabled": true},
        "config": {"events": "kibertas", "notify": [
            {"service": "github", "repository": "platform/add-ons", "apiUrl": github.url()}]},
        "secrets": {"GITHUB_TOKEN": {"existingSecret": "github", "key": "token"}},
    });
    let application = Application::sync_from(world, "told", repository, &world.values(&["cert-manager"], more))?;
    let (phase, hook) = application.end(180)?;
    expect(phase == "Succeeded", &hook)?;
    let statuses = github.rules().statuses.lock().map_err(|_| "the stand-in has panicked")?.clone();
    expect(statuses.get("kibertas/blue").is_some_and(|status| status["state"] == "success"), &json!(statuses))?;
    let asked = github.requests().iter().map(|request| request.path.clone()).collect::<Vec<_>>();
    expect(asked.iter().any(|path| path.ends_with(&format!("/statuses/{commit}"))), &json!(asked))?;
    let events = world.kubectl(&["get", "events", "-n", "kibertas", "--field-selector", "reason=ChecksPassed"])?;
    expect(events.contains("blue: 1 passed"), &json!(events))?;
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
