//! The cluster with Argo CD, and the program's image in it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use kube::api::{Api, DynamicObject};
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::wait::await_condition;
use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};
use test_cluster::{Cluster, Profile, Progress};
use tokio::runtime::Runtime;

/// The cluster and what is the same for all trials.
pub(crate) struct World {
    cluster: Option<Cluster>,
    image: String,
    helm: PathBuf,
    runtime: Runtime,
}

impl World {
    /// Brings the cluster up, or makes sure that it is.
    pub(crate) fn up() -> Result<Self, Box<dyn std::error::Error>> {
        let runtime = Runtime::new()?;
        let program = Path::new(env!("CARGO_BIN_EXE_kibertas-rs"));
        let (cluster, image, helm) = runtime.block_on(async {
            let progress = Progress::plain();
            let cluster = Cluster::up("argo-cd", Profile::Full, &["argo-cd"], &progress).await?;
            let image = cluster.load_harness(program).await?;
            Ok::<_, test_cluster::Error>((cluster, image, test_cluster::program("helm", &progress).await?))
        })?;
        Ok(Self { cluster: Some(cluster), image, helm, runtime })
    }

    /// A world to list trials by; none of them runs.
    pub(crate) fn unused() -> Self {
        let runtime = Runtime::new().expect("a runtime");
        Self { cluster: None, image: String::new(), helm: PathBuf::new(), runtime }
    }

    /// The cluster.
    pub(crate) fn cluster(&self) -> &Cluster {
        self.cluster.as_ref().expect("trials run with a cluster")
    }

    /// Waits for something of the cluster.
    pub(crate) fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// The chart's values under which it runs `checks` in this cluster, with `more` on top.
    pub(crate) fn values(&self, checks: &[&str], more: Value) -> Value {
        let (repository, tag) = self.image.rsplit_once(':').unwrap_or((&self.image, "latest"));
        let mut values = json!({
            "fullnameOverride": "proofs",
            "image": {"repository": repository, "tag": tag, "pullPolicy": "Never"},
            "checks": checks,
            "config": {"clusterName": "argo-cd"},
            "env": {"INGRESS_CLASS_NAME": "traefik", "KIBERTAS_INGRESS_ZONE": self.cluster().zone(),
                    "KIBERTAS_DNS_SERVERS": self.cluster().dns_server().to_string()},
        });
        merge(&mut values, more);
        values
    }

    /// Kubectl as the admin; its output, or its error as the trial's.
    pub(crate) fn kubectl(&self, args: &[&str]) -> Result<String, Failed> {
        self.run(Path::new("kubectl"), args)
    }

    /// Helm as the admin; its output, or its error as the trial's.
    pub(crate) fn helm(&self, args: &[&str]) -> Result<String, Failed> {
        self.run(&self.helm, args)
    }

    fn run(&self, program: &Path, args: &[&str]) -> Result<String, Failed> {
        let output = self.wait(async { self.cluster().command(program).args(args).output().await })?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(said);
        }
        Err(format!("{} {args:?}: {said}{}", program.display(), String::from_utf8_lossy(&output.stderr)).into())
    }

    /// Applies an object as the admin.
    pub(crate) fn apply(&self, object: &Value) -> Result<(), Failed> {
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(file.path(), object.to_string())?;
        self.kubectl(&["apply", "-f", &file.path().to_string_lossy()]).map(drop)
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
        self.kubectl(&["get", "namespaces", "-l", "kibertas.dev/run", "-o", "name"])
    }

    /// Stops a component for as long as the returned value lives.
    pub(crate) fn stopped(&self, component: &'static str) -> Result<Stopped<'_>, Failed> {
        self.wait(self.cluster().stop(component))?;
        Ok(Stopped { world: self, component })
    }
}

/// Starts the component again, whatever became of the trial.
pub(crate) struct Stopped<'w> {
    world: &'w World,
    component: &'static str,
}

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.world.wait(self.world.cluster().start(self.component)) {
            eprintln!("{} does not start again: {error}", self.component);
        }
    }
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
