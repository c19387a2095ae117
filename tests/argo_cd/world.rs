//! The cluster with Argo CD, and the program's image in it.

use std::net::Ipv4Addr;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use kube::api::{Api, DynamicObject};
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::wait::await_condition;
use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};
use test_cluster::{Blocking, Profile, Progress};

/// Names another cluster than `argo-cd`, so that two checkouts can run their trials at the same time.
const NAME: &str = "KIBERTAS_TEST_CLUSTER";
const WITH: &[&str] = &["argo-cd", "argo-cd-applicationsets", "argo-cd-notifications"];
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_kibertas-rs");

/// The cluster and what is the same for all trials.
pub(crate) struct World {
    cluster: Blocking,
    image: String,
    helm: PathBuf,
}

impl World {
    /// Brings the cluster up, or makes sure that it is.
    pub(crate) fn up() -> Result<Self, test_cluster::Error> {
        let name = std::env::var(NAME).unwrap_or_else(|_| "argo-cd".to_owned());
        let cluster = Blocking::up(&name, Profile::Full, WITH)?;
        let image = cluster.wait(cluster.cluster().load_harness(Path::new(PROGRAM)))?;
        let helm = cluster.wait(test_cluster::program("helm", &Progress::plain()))?;
        Ok(Self { cluster, image, helm })
    }

    /// A world to list trials by; none of them runs.
    pub(crate) fn unused() -> Result<Self, test_cluster::Error> {
        Ok(Self { cluster: Blocking::unused()?, image: String::new(), helm: PathBuf::new() })
    }

    /// The image of the program, as pods name it.
    pub(crate) fn image_name(&self) -> &str {
        &self.image
    }

    /// The same as the chart's values name it.
    pub(crate) fn image(&self) -> Value {
        let (repository, tag) = self.image.rsplit_once(':').unwrap_or((&self.image, "latest"));
        json!({"repository": repository, "tag": tag, "pullPolicy": "Never"})
    }

    /// The machine's address that pods reach.
    pub(crate) fn host(&self) -> Ipv4Addr {
        self.cluster().site().addresses().host()
    }

    /// A namespace with one Secret in it.
    pub(crate) fn secret(&self, namespace: &str, name: &str, data: &Value) -> Result<(), Failed> {
        secret_in(&self.cluster, namespace, name, data)
    }

    /// The chart's values under which it runs `checks` in this cluster, with `more` on top.
    pub(crate) fn values(&self, checks: &[&str], more: Value) -> Value {
        let mut values = json!({
            "fullnameOverride": "proofs",
            "image": self.image(),
            "checks": checks,
            "config": {"clusterName": "blue"},
            "env": {"INGRESS_CLASS_NAME": "traefik", "KIBERTAS_INGRESS_ZONE": self.cluster().zone(),
                    "KIBERTAS_DNS_SERVERS": self.cluster().dns_server().to_string()},
        });
        merge(&mut values, more);
        values
    }

    /// Helm as the admin; its output, with the logs of hooks, or its error as the trial's.
    pub(crate) fn helm(&self, args: &[&str]) -> Result<String, Failed> {
        let output = self.wait(async { self.cluster().command(&self.helm).args(args).output().await })?;
        // Helm prints the logs of its hooks beside its own output.
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        if output.status.success() { Ok(said.into_owned()) } else { Err(format!("helm {args:?}: {said}").into()) }
    }

    /// An interface to the objects of a kind, such as `batch/v1/Job`, in a namespace.
    pub(crate) fn api(&self, group: &str, version: &str, kind: &str, namespace: &str) -> Api<DynamicObject> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        Api::namespaced_with(self.cluster().client(), namespace, &resource)
    }

    /// Watches an object until something holds of it (null: it is not there); what it then is.
    pub(crate) fn until(
        &self,
        api: Api<DynamicObject>,
        name: &str,
        seconds: u64,
        holds: impl Fn(&Value) -> bool,
    ) -> Result<Value, Failed> {
        let seen = std::cell::RefCell::new(Value::Null);
        let condition = |object: Option<&DynamicObject>| {
            let object = serde_json::to_value(object).unwrap_or_default();
            let held = holds(&object);
            seen.replace(object);
            held
        };
        let waited = self.wait(async {
            tokio::time::timeout(Duration::from_secs(seconds), await_condition(api, name, condition)).await
        });
        match waited {
            Ok(watched) => watched.map(drop)?,
            Err(_) => return Err(format!("{name} after {seconds} s: {:#}", seen.borrow()["status"]).into()),
        }
        Ok(seen.into_inner())
    }

    /// The namespaces of runs that are there.
    pub(crate) fn left(&self) -> Result<String, Failed> {
        Ok(self.kubectl(&["get", "namespaces", "-l", "kibertas.dev/run", "-o", "name"])?)
    }
}

impl Deref for World {
    type Target = Blocking;

    fn deref(&self) -> &Blocking {
        &self.cluster
    }
}

/// The same in any cluster.
pub(crate) fn secret_in(cluster: &Blocking, namespace: &str, name: &str, data: &Value) -> Result<(), Failed> {
    let objects = json!([
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace}, "stringData": data},
    ]);
    Ok(cluster.apply(&json!({"apiVersion": "v1", "kind": "List", "items": objects}))?)
}

/// A trial in the cluster.
pub(crate) fn trial(world: &Arc<World>, name: &str, body: fn(&World) -> Result<(), Failed>) -> Trial {
    let world = Arc::clone(world);
    Trial::test(name, move || body(&world))
}

/// Lays objects over each other; the later wins.
pub(crate) fn merge(under: &mut Value, over: Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (key, value) in over {
                merge(under.entry(key).or_insert(Value::Null), value);
            }
        }
        (under, over) => *under = over,
    }
}
