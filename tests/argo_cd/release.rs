//! The chart as a release of Helm: test, upgrade, uninstall.

use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::world::{World, trial};

/// The kinds that the chart makes, for kubectl.
const KINDS: &str =
    "pods,jobs,cronjobs,configmaps,serviceaccounts,roles,rolebindings,networkpolicies,clusterroles,clusterrolebindings";

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        trial(world, "release::test_upgrade_and_uninstall", story),
        trial(world, "release::works_in_a_given_namespace_by_roles_alone", given_namespace),
    ]
}

/// A release in a namespace of its own; both are gone when dropped.
pub(crate) struct Release<'w> {
    world: &'w World,
    namespace: &'static str,
}

impl<'w> Release<'w> {
    pub(crate) fn install(world: &'w World, namespace: &'static str, values: &Value) -> Result<Self, Failed> {
        let release = Self { world, namespace };
        // A killed run may have left one.
        release.remove()?;
        world.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace,
            "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}))?;
        release.helm("install", values)?;
        Ok(release)
    }

    fn remove(&self) -> Result<(), Failed> {
        self.world.helm(&["uninstall", "proofs", "--namespace", self.namespace, "--ignore-not-found"])?;
        let namespace = ["delete", "namespace", self.namespace, "--ignore-not-found", "--timeout=120s"];
        self.world.kubectl(&namespace)?;
        Ok(())
    }

    /// `helm install` or `helm upgrade`.
    fn helm(&self, verb: &str, values: &Value) -> Result<(), Failed> {
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(file.path(), values.to_string())?;
        let chart = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/kibertas-rs");
        let file = file.path().to_string_lossy().into_owned();
        self.world.helm(&[verb, "proofs", chart, "--namespace", self.namespace, "--values", &file, "--wait"]).map(drop)
    }

    /// What is there with the release's label, in its namespace and in the cluster.
    fn objects(&self) -> Result<Vec<String>, Failed> {
        let label = "app.kubernetes.io/instance=proofs";
        let listed = self.world.kubectl(&["get", KINDS, "-n", self.namespace, "-l", label, "-o", "name"])?;
        Ok(listed.lines().map(str::to_owned).collect())
    }
}

impl Drop for Release<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.remove() {
            eprintln!("the release stays: {}", error.message().unwrap_or_default());
        }
    }
}

fn story(world: &World) -> Result<(), Failed> {
    let values = |more| world.values(&["cert-manager"], more);
    let release = Release::install(world, "chart-release", &values(json!({"networkPolicy": {"enabled": true}})))?;
    let tested = world.helm(&["test", "proofs", "--namespace", "chart-release", "--timeout", "3m"])?;
    expect(tested.contains("Succeeded"), &json!(tested))?;

    // The Job of each upgrade is a new one, and the one before is gone.
    for revision in ["proofs-2", "proofs-3"] {
        release.helm("upgrade", &values(json!({"job": {"enabled": true}})))?;
        let job = world.api("batch", "v1", "Job", "chart-release");
        let done = world.until(job, revision, 120, |job| job["status"]["completionTime"].is_string())?;
        expect(done["status"]["succeeded"] == 1, &done["status"])?;
    }
    let objects = release.objects()?;
    let jobs: Vec<_> = objects.iter().filter(|name| name.starts_with("job.batch/")).collect();
    expect(jobs == ["job.batch/proofs-3"], &json!(jobs))?;

    world.helm(&["uninstall", "proofs", "--namespace", "chart-release", "--wait"])?;
    // Helm waits for the Job; its pods go by the garbage collector, a moment later.
    let mut left = release.objects()?;
    for _ in 0..100 {
        if left.is_empty() {
            break;
        }
        world.wait(async { tokio::time::sleep(Duration::from_millis(100)).await });
        left = release.objects()?;
    }
    expect(left.is_empty(), &json!(left))?;
    expect(world.left()?.is_empty(), &json!(world.left()?))
}

fn given_namespace(world: &World) -> Result<(), Failed> {
    let checks = ["cert-manager", "ingress", "rollouts"];
    let settings = json!({"config": {"resourceNamespace": "chart-given"}, "rbac": {"optional": false}});
    let _release = Release::install(world, "chart-given", &world.values(&checks, settings))?;
    let in_cluster = ["get", "clusterroles", "-l", "app.kubernetes.io/instance=proofs", "-o", "name"];
    expect(world.kubectl(&in_cluster)?.is_empty(), &json!("a ClusterRole, though Roles suffice"))?;
    let tested = world.helm(&["test", "proofs", "--namespace", "chart-given", "--timeout", "5m"])?;
    // The pod is gone by now, and its log was printed before.
    expect(tested.contains("3 passed"), &json!(tested))?;
    let ours = world.kubectl(&[
        "get",
        "deployments,services,ingresses,secrets",
        "-n",
        "chart-given",
        "-l",
        "kibertas.dev/run",
        "-o",
        "name",
    ])?;
    expect(ours.is_empty(), &json!(ours))
}

fn expect(holds: bool, seen: &Value) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(format!("saw {seen:#}").into()) }
}
