//! The cluster that trials share, and who may break it when.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use libtest_mimic::{Failed, Trial};
use test_cluster::{ADD_ONS, Cluster, Profile, Progress};
use tokio::runtime::Runtime;

/// Names another cluster than `tests`, so that two checkouts can run their trials at the same time.
const NAME: &str = "KIBERTAS_TEST_CLUSTER";

/// Variables for the program.
pub(crate) type Environment = Vec<(&'static str, String)>;

/// The shared cluster.
pub(crate) struct World {
    cluster: Option<Cluster>,
    environment: Environment,
    runtime: Runtime,
    whole: RwLock<()>,
}

impl World {
    /// Brings the cluster up, or makes sure that it is.
    pub(crate) fn up() -> Result<Self, Box<dyn std::error::Error>> {
        let runtime = Runtime::new()?;
        let name = std::env::var(NAME).unwrap_or_else(|_| "tests".to_owned());
        let program = Path::new(env!("CARGO_BIN_EXE_kibertas-rs"));
        let (cluster, environment) = runtime.block_on(async {
            let cluster = Cluster::up(&name, Profile::Full, ADD_ONS, &Progress::plain()).await?;
            let image = cluster.load_harness(program).await?;
            let environment = cluster.harness_environment(&image);
            Ok::<_, test_cluster::Error>((cluster, environment))
        })?;
        Ok(Self { cluster: Some(cluster), environment, runtime, whole: RwLock::default() })
    }

    /// A world to list trials by; none of them runs.
    pub(crate) fn unused() -> Self {
        Self {
            cluster: None,
            environment: Environment::new(),
            runtime: Runtime::new().expect("a runtime"),
            whole: RwLock::default(),
        }
    }

    /// The cluster.
    pub(crate) fn cluster(&self) -> &Cluster {
        self.cluster.as_ref().expect("trials run with a cluster")
    }

    /// What the program runs with: the admin's kubeconfig, its image, and settings that fit the cluster.
    pub(crate) fn environment(&self) -> Environment {
        self.environment.clone()
    }

    /// The same with other values for some variables; an empty one takes its variable away.
    pub(crate) fn environment_with(&self, other: &[(&'static str, &str)]) -> Environment {
        let mut environment = self.environment();
        environment.retain(|(name, _)| other.iter().all(|(changed, _)| changed != name));
        environment
            .extend(other.iter().filter(|(_, value)| !value.is_empty()).map(|&(name, value)| (name, value.to_owned())));
        environment
    }

    /// Waits for something of the cluster.
    pub(crate) fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Kubectl as the admin; its output, or its error as the trial's.
    pub(crate) fn kubectl(&self, args: &[&str]) -> Result<String, Failed> {
        let output = self.wait(async { self.cluster().command("kubectl").args(args).output().await })?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(format!("kubectl {args:?}: {}", String::from_utf8_lossy(&output.stderr)).into())
        }
    }

    /// Applies objects as the admin.
    pub(crate) fn apply(&self, objects: &serde_json::Value, scratch: &Path) -> Result<(), Failed> {
        let file = scratch.join("objects.json");
        std::fs::write(&file, objects.to_string())?;
        self.kubectl(&["apply", "-f", &file.to_string_lossy()]).map(drop)
    }

    /// The cluster is to stay whole while this is held.
    pub(crate) fn whole(&self) -> RwLockReadGuard<'_, ()> {
        self.whole.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nobody else uses the cluster while this is held.
    pub(crate) fn alone(&self) -> RwLockWriteGuard<'_, ()> {
        self.whole.write().unwrap_or_else(PoisonError::into_inner)
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

/// A trial that needs the cluster whole.
pub(crate) fn on_whole(
    world: &Arc<World>,
    name: impl Into<String>,
    body: impl FnOnce(&World) -> Result<(), Failed> + Send + 'static,
) -> Trial {
    let world = Arc::clone(world);
    Trial::test(name, move || {
        let _whole = world.whole();
        body(&world)
    })
}

/// A trial that breaks the cluster, and so has it for itself.
pub(crate) fn alone(
    world: &Arc<World>,
    name: impl Into<String>,
    body: impl FnOnce(&World) -> Result<(), Failed> + Send + 'static,
) -> Trial {
    let world = Arc::clone(world);
    Trial::test(name, move || {
        let _alone = world.alone();
        body(&world)
    })
}
