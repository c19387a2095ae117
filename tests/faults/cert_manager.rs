//! cert-manager, whole and broken.

use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::run;
use super::world::{World, alone, on_whole};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        on_whole(world, "cert_manager::passes", |world| {
            run::test(&world.environment(), &["cert-manager"])?.expect_pass()
        }),
        on_whole(world, "cert_manager::many_at_once_pass", |world| {
            let report = run::test(&world.environment(), &["cert-manager", "--set", "cert-manager.count=5"])?;
            report.expect_pass()
        }),
        on_whole(world, "cert_manager::the_result_names_the_version_that_runs", version),
        alone(world, "cert_manager::controller_stopped", |world| {
            let _stopped = world.stopped("cert-manager-controller")?;
            let report = run::test(&world.environment(), &["cert-manager", "--step-timeout", "5s"])?;
            let words = ["nothing acted on the Certificate", "cert-manager's controller is not working"];
            report.expect(1, "failed", Some("certificate ready"), &words)
        }),
        alone(world, "cert_manager::request_denied_ends_at_once", request_denied),
        alone(world, "cert_manager::api_server_restarted_in_the_middle", |world| {
            let mut running = run::start(&world.environment(), &["cert-manager", "--set", "cert-manager.count=20"])?;
            running.until("namespace")?;
            world.wait(world.cluster().restart("kube-apiserver"))?;
            running.finish()?.expect_pass()
        }),
    ]
}

/// The controllers of the test cluster are processes, so a Deployment without pods stands for one.
fn version(world: &World) -> Result<(), Failed> {
    let labels = json!({"app.kubernetes.io/name": "cert-manager"});
    let name = "trial-cert-manager-version";
    world.apply(&json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default", "labels": labels},
        "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels},
            "spec": {"containers": [{"name": "controller", "image": "example.com/cert-manager-controller:v1.19.1"}]}}}}))?;
    let report = run::test(&world.environment(), &["cert-manager"]);
    world.kubectl(&["delete", "deployment", name, "-n", "default"])?;
    let report = report?;
    report.expect_pass()?;
    let found = &report.json["target"]["addOns"];
    if found["cert-manager"] == "v1.19.1" { Ok(()) } else { Err(format!("{found}").into()) }
}

/// Takes cert-manager's right to approve away, and denies the request instead.
fn request_denied(world: &World) -> Result<(), Failed> {
    const BINDING: &str = "clusterrolebinding/cert-manager-controller-approve:cert-manager-io";
    let found = world.kubectl(&["get", BINDING, "-o", "json", "--ignore-not-found"])?;
    if found.trim().is_empty() {
        let name = world.cluster().site().name();
        return Err(format!("{BINDING} is not there: a run of this trial was killed; cargo cluster down {name}").into());
    }
    let mut binding: Value = serde_json::from_str(&found)?;
    for field in ["uid", "resourceVersion", "creationTimestamp", "managedFields"] {
        if let Some(metadata) = binding["metadata"].as_object_mut() {
            metadata.remove(field);
        }
    }
    world.kubectl(&["delete", BINDING])?;
    let outcome = deny_and_report(world);
    world.apply(&binding)?;
    outcome
}

fn deny_and_report(world: &World) -> Result<(), Failed> {
    let mut running = run::start(&world.environment(), &["cert-manager", "--step-timeout", "60s"])?;
    running.until("certificates requested")?;
    world.wait(async {
        let found = tokio::time::timeout(Duration::from_secs(20), deny_first(world));
        found.await.map_err(|_| Failed::from("no CertificateRequest appeared"))?
    })?;
    let report = running.finish()?;
    report.expect(1, "failed", Some("certificate ready"), &["denied for the trial"])?;
    report.expect_within("certificate ready", Duration::from_secs(30))
}

/// Denies the first CertificateRequest that is there and not yet decided.
async fn deny_first(world: &World) -> Result<(), Failed> {
    use futures::TryStreamExt;
    use kube::api::{DynamicObject, Patch, PatchParams};
    use kube::core::{ApiResource, GroupVersionKind};
    use kube::runtime::{WatchStreamExt, watcher};
    use kube::{Api, ResourceExt};

    let kind = GroupVersionKind::gvk("cert-manager.io", "v1", "CertificateRequest");
    let resource = ApiResource::from_gvk(&kind);
    let all: Api<DynamicObject> = Api::all_with(world.cluster().client(), &resource);
    let mut requests = std::pin::pin!(watcher(all, watcher::Config::default()).applied_objects());
    while let Some(request) = requests.try_next().await? {
        let namespace = request.namespace().unwrap_or_default();
        if !namespace.starts_with("kibertas-cert-manager") {
            continue;
        }
        let api: Api<DynamicObject> = Api::namespaced_with(world.cluster().client(), &namespace, &resource);
        let denied = serde_json::json!({"status": {"conditions": [{
            "type": "Denied", "status": "True", "reason": "Trial", "message": "denied for the trial",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }]}});
        api.patch_status(&request.name_any(), &PatchParams::default(), &Patch::Merge(&denied)).await?;
        return Ok(());
    }
    Err("the watch ended".into())
}
