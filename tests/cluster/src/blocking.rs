//! A cluster for trials: calls that wait, from threads without a runtime of their own.

use serde_json::Value;
use tokio::runtime::Runtime;

use crate::{Cluster, Error, KubernetesVersion, Options, Profile, Progress, Result, command};

/// A cluster and the runtime that its calls run on.
pub struct Blocking {
    cluster: Option<Cluster>,
    runtime: Runtime,
}

impl Blocking {
    /// Brings the cluster up, or makes sure that it is.
    pub fn up(name: &str, profile: Profile, with: &[&str]) -> Result<Self> {
        let unused = Self::unused()?;
        let cluster = unused.wait(Cluster::up(name, profile, with, &Progress::plain()))?;
        Ok(Self { cluster: Some(cluster), ..unused })
    }

    /// A cluster that is up already.
    pub fn find(name: &str) -> Result<Self> {
        let unused = Self::unused()?;
        let cluster = unused.wait(Cluster::find(name))?;
        Ok(Self { cluster: Some(cluster), ..unused })
    }

    /// No cluster, for listing trials; none of them may run.
    pub fn unused() -> Result<Self> {
        let runtime = Runtime::new()
            .map_err(|source| Error::Start { program: "the runtime of the trials".to_owned(), source })?;
        Ok(Self { cluster: None, runtime })
    }

    /// The cluster.
    ///
    /// # Panics
    /// Where there is none, because trials are only listed.
    pub fn cluster(&self) -> &Cluster {
        self.cluster.as_ref().expect("trials run with a cluster")
    }

    /// Waits for something of the cluster.
    pub fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Kubectl as the admin, to its end; what it printed.
    pub fn kubectl(&self, args: &[&str]) -> Result<String> {
        let mut kubectl = self.cluster().command("kubectl");
        kubectl.args(args);
        self.wait(command::run(kubectl))
    }

    /// The admin's kubeconfig, with the certificates in it.
    pub fn kubeconfig(&self) -> Result<Value> {
        let view = self.kubectl(&["config", "view", "--raw", "--flatten", "-o", "json"])?;
        let manifest = "the admin's kubeconfig".to_owned();
        serde_json::from_str(&view).map_err(|error| Error::Manifest { manifest, problem: error.to_string() })
    }

    /// Applies an object, or a List of them, as the admin.
    pub fn apply(&self, object: &Value) -> Result<()> {
        self.apply_with(&[], object)
    }

    /// The same with flags of `kubectl apply`.
    pub fn apply_with(&self, flags: &[&str], object: &Value) -> Result<()> {
        let file = tempfile::NamedTempFile::new().map_err(Error::file("create", "a temporary file"))?;
        std::fs::write(file.path(), object.to_string()).map_err(Error::file("write", file.path()))?;
        let file = file.path().to_string_lossy();
        self.kubectl(&[&["apply", "-f", &file], flags].concat()).map(drop)
    }

    /// Brings a cluster of this version of Kubernetes up, or makes sure that it is.
    pub fn up_of(name: &str, kubernetes: KubernetesVersion, profile: Profile, with: &[&str]) -> Result<Self> {
        let with = with.iter().map(|&component| component.to_owned()).collect();
        let options = Options { profile, with, kubernetes: Some(kubernetes), install: true };
        let unused = Self::unused()?;
        let cluster = unused.wait(Cluster::up_with(name, &options, &Progress::plain()))?;
        Ok(Self { cluster: Some(cluster), ..unused })
    }

    /// Runs a component with other flags for as long as the returned value lives; see [`Cluster::restart_with`].
    pub fn with_flags(&self, component: &'static str, flags: &[&str]) -> Result<Altered<'_>> {
        let flags: Vec<String> = flags.iter().map(|&flag| flag.to_owned()).collect();
        let altered = Altered { cluster: self, component };
        self.wait(self.cluster().restart_with(component, &flags))?;
        Ok(altered)
    }

    /// Stops a component for as long as the returned value lives.
    pub fn stopped(&self, component: &'static str) -> Result<Stopped<'_>> {
        self.wait(self.cluster().stop(component))?;
        Ok(Stopped { cluster: self, component })
    }
}

/// A component that is stopped. It starts again when this is dropped, whatever became of the trial.
pub struct Stopped<'c> {
    cluster: &'c Blocking,
    component: &'static str,
}

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.cluster.wait(self.cluster.cluster().start(self.component)) {
            eprintln!("{} does not start again: {error}", self.component);
        }
    }
}

/// A component that runs with other flags. It gets its own back when this is dropped, whatever became of the trial.
pub struct Altered<'c> {
    cluster: &'c Blocking,
    component: &'static str,
}

impl Drop for Altered<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.cluster.wait(self.cluster.cluster().restart(self.component)) {
            eprintln!("{} does not start again with its own flags: {error}", self.component);
        }
    }
}
