//! The chart's example of an ApplicationSet, over two real clusters that are registered in one Argo CD.

use std::path::Path;
use std::sync::Arc;

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};
use test_cluster::{Blocking, Profile};

use super::application::{applications, example, operation};
use super::repository::Repository;
use super::world::{PROGRAM, World, merge, secret_in, trial};

const CERT_MANAGER: &[&str] = &["cert-manager-controller", "cert-manager-webhook", "cert-manager-cainjector"];
/// The label by which the example chooses clusters.
const LABEL: &str = "kibertas.dev/proofs";

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![trial(world, "application_set::proves_blue_and_green_and_takes_nothing_with_it", blue_and_green)]
}

fn blue_and_green(world: &World) -> Result<(), Failed> {
    let blue = world.cluster().site().name().to_owned();
    let green = Blocking::up(&format!("{blue}-2"), Profile::Core, CERT_MANAGER)?;
    green.wait(green.cluster().load_harness(Path::new(PROGRAM)))?;
    world.cluster().connect(green.cluster())?;
    let story = Story { world, blue, green, repository: Repository::new()? };
    // A killed run may have left its Applications, whose syncs are over.
    story.clear()?;
    let outcome = story.tell();
    story.clear()?;
    outcome
}

struct Story<'w> {
    world: &'w World,
    /// The name of the cluster that Argo CD runs in.
    blue: String,
    green: Blocking,
    repository: Repository,
}

impl Story<'_> {
    fn tell(&self) -> Result<(), Failed> {
        let (world, green) = (self.world, self.green.cluster().site().name());
        self.register(green, &self.green_s_credentials()?)?;
        world.kubectl(&["label", "secret", "this-cluster", "-n", "argocd", "--overwrite", &format!("{LABEL}=true")])?;
        let of_datadog = json!({"api-key": "a", "app-key": "b"});
        secret_in(world, "kibertas", "datadog", &of_datadog)?;
        secret_in(&self.green, "kibertas", "datadog", &of_datadog)?;
        let mut project = example("project")?;
        project["spec"]["sourceRepos"] = json!([self.repository.url()]);
        world.apply(&project)?;
        let mut set = self.application_set()?;
        world.apply(&set)?;

        // Each cluster is proved by a pod of its own, which says so there.
        for (name, cluster) in [(self.blue.as_str(), &**world), (green, &self.green)] {
            let state = operation(world, &format!("proofs-{name}"), 240)?;
            expect(state["phase"] == "Succeeded", &state)?;
            let passed = ["get", "events", "-n", "kibertas", "--field-selector", "reason=ChecksPassed"];
            let events = cluster.kubectl(&passed)?;
            expect(events.contains(&format!("{name}: 1 passed")), &json!(events))?;
        }

        // `create-only`: neither a label that is gone nor a template that changed touches what is there.
        world.kubectl(&["label", "secret", green, "-n", "argocd", &format!("{LABEL}-")])?;
        set["spec"]["template"]["metadata"]["labels"] = json!({"team": "late"});
        world.apply(&set)?;
        self.register("later", &json!({"server": "https://127.0.0.1:1", "config": "{}"}))?;
        let late = |app: &Value| app["metadata"]["labels"]["team"] == "late";
        world.until(applications(world), "proofs-later", 60, late)?;
        for name in [&self.blue, green] {
            let app = world.until(applications(world), &format!("proofs-{name}"), 10, Value::is_object)?;
            expect(!late(&app), &app["metadata"])?;
        }

        // Without the ApplicationSet, its Applications go, and what they made in the clusters stays.
        world.kubectl(&["delete", "applicationset", "proofs", "-n", "argocd", "--timeout=60s"])?;
        for name in [self.blue.as_str(), green, "later"] {
            world.until(applications(world), &format!("proofs-{name}"), 60, Value::is_null)?;
        }
        for cluster in [&**world, &self.green] {
            cluster.kubectl(&["get", "configmap,cronjob", "proofs", "-n", "kibertas", "-o", "name"])?;
            let runs = cluster.kubectl(&["get", "namespaces", "-l", "kibertas.dev/run", "-o", "name"])?;
            expect(runs.is_empty(), &json!(runs))?;
        }
        Ok(())
    }

    /// The example, with this trial's repository and image, and the one check that needs no more than cert-manager.
    fn application_set(&self) -> Result<Value, Failed> {
        let mut set = example("applicationset")?;
        let source = &mut set["spec"]["template"]["spec"]["source"];
        source["repoURL"] = json!(self.repository.url());
        let more = json!({"fullnameOverride": "proofs", "image": self.world.image(), "checks": ["cert-manager"]});
        merge(&mut source["helm"]["valuesObject"], more);
        Ok(set)
    }

    /// What `argocd cluster add` makes in the other cluster: an account that may do everything.
    fn green_s_credentials(&self) -> Result<Value, Failed> {
        let account = json!({"kind": "ServiceAccount", "name": "argocd-manager", "namespace": "kube-system"});
        self.green.apply(&json!({"apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": "v1", "kind": "ServiceAccount",
             "metadata": {"name": "argocd-manager", "namespace": "kube-system"}},
            {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
             "metadata": {"name": "argocd-manager"}, "subjects": [account],
             "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}},
        ]}))?;
        let token = self.green.kubectl(&["create", "token", "argocd-manager", "-n", "kube-system", "--duration=2h"])?;
        let cluster = self.green.kubeconfig()?["clusters"][0]["cluster"].clone();
        let tls = json!({"caData": cluster["certificate-authority-data"]});
        let config = json!({"bearerToken": token.trim(), "tlsClientConfig": tls}).to_string();
        Ok(json!({"server": cluster["server"], "config": config}))
    }

    /// Registers a cluster with Argo CD, for the example to choose.
    ///
    /// <https://argo-cd.readthedocs.io/en/stable/operator-manual/declarative-setup/#clusters>
    fn register(&self, name: &str, credentials: &Value) -> Result<(), Failed> {
        let mut data = credentials.clone();
        data["name"] = json!(name);
        let labels = json!({"argocd.argoproj.io/secret-type": "cluster", LABEL: "true"});
        let metadata = json!({"name": name, "namespace": "argocd", "labels": labels});
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data});
        Ok(self.world.apply(&secret)?)
    }

    fn clear(&self) -> Result<(), Failed> {
        let (world, green) = (self.world, self.green.cluster().site().name());
        world.kubectl(&["delete", "applicationset", "proofs", "-n", "argocd", "--ignore-not-found"])?;
        world.kubectl(&["delete", "secret", green, "later", "-n", "argocd", "--ignore-not-found"])?;
        world.kubectl(&["label", "secret", "this-cluster", "-n", "argocd", &format!("{LABEL}-")])?;
        for name in [self.blue.as_str(), green, "later"] {
            world.until(applications(world), &format!("proofs-{name}"), 60, Value::is_null)?;
        }
        let of_chart = "app.kubernetes.io/name=kibertas-rs";
        for cluster in [&**world, &self.green] {
            cluster.kubectl(&["delete", "clusterroles,clusterrolebindings", "-l", of_chart, "--ignore-not-found"])?;
            cluster.kubectl(&["delete", "namespace", "kibertas", "--ignore-not-found", "--timeout=120s"])?;
        }
        Ok(())
    }
}

fn expect(holds: bool, seen: &Value) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(format!("saw {seen:#}").into()) }
}
