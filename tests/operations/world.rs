//! The cluster that trials share, the two programs, and a namespace for each trial.

use std::ops::Deref;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};
use test_cluster::{Blocking, Profile};

/// The label of the node that kwok plays, and its taint, so that nobody else's pods go there.
pub(crate) const NODE: &str = "kibertas-operations";

/// The program on trial: the one that this build has made, or another build of it, such as a release, by `KIBERTAS_PROGRAM`.
pub(crate) fn program() -> String {
    std::env::var("KIBERTAS_PROGRAM").unwrap_or_else(|_| env!("CARGO_BIN_EXE_kibertas-rs").to_owned())
}

/// The shared cluster.
pub(crate) struct World {
    cluster: Blocking,
    whole: RwLock<()>,
}

impl World {
    /// Brings the cluster up, or makes sure that it is.
    pub(crate) fn up() -> Result<Self, test_cluster::Error> {
        let cluster = match std::env::var("KIBERTAS_TEST_CLUSTER") {
            Ok(name) => Blocking::find(&name)?,
            Err(_) => Blocking::up("operations", Profile::Core, &["argo-rollouts", "kwok"])?,
        };
        let world = Self { cluster, whole: RwLock::default() };
        let room = json!({"cpu": "1000", "memory": "1000Gi", "pods": "5000"});
        let node = json!({"apiVersion": "v1", "kind": "Node",
            "metadata": {"name": NODE, "labels": {"kwok.x-k8s.io/node": "fake", NODE: "yes"}},
            "spec": {"taints": [{"key": NODE, "effect": "NoSchedule"}]},
            "status": {"capacity": room, "allocatable": room}});
        world.apply(&node)?;
        Ok(world)
    }

    /// A world to list trials by; none of them runs.
    pub(crate) fn unused() -> Result<Self, test_cluster::Error> {
        Ok(Self { cluster: Blocking::unused()?, whole: RwLock::default() })
    }

    /// A program of the cluster's, such as the plugin, to its end.
    pub(crate) fn program(&self, program: &str, args: &[&str]) -> Result<Output, Failed> {
        Ok(self.wait(async { self.cluster().command(program).args(args).output().await })?)
    }

    /// Applies objects as the admin, also over what the plugin has patched.
    pub(crate) fn apply(&self, objects: &Value) -> Result<(), test_cluster::Error> {
        self.apply_with(&["--server-side", "--force-conflicts"], objects)
    }

    /// An object as JSON.
    pub(crate) fn get(&self, namespace: &str, kind: &str, name: &str) -> Result<Value, Failed> {
        Ok(serde_json::from_str(&self.kubectl(&["get", kind, name, "-n", namespace, "-o", "json"])?)?)
    }

    /// `kibertas-rs rollouts ARGS`, as a pipeline runs it: no terminal, and no settings of the machine.
    pub(crate) fn ours(&self, args: &[&str]) -> Result<Ran, Failed> {
        let output = self.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).output()?;
        Ok(Ran::of(&output))
    }

    /// The same as a command that is not started yet.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(program());
        let kubeconfig: &Path = self.cluster().kubeconfig();
        command.env_clear().env("KUBECONFIG", kubeconfig).arg("rollouts").args(args).stdin(Stdio::null());
        command
    }

    /// `kubectl argo rollouts ARGS`.
    pub(crate) fn plugin(&self, args: &[&str]) -> Result<Ran, Failed> {
        Ok(Ran::of(&self.program("kubectl-argo-rollouts", args)?))
    }

    /// Waits until a Rollout fulfils a condition; its last state is the error otherwise.
    pub(crate) fn until(
        &self,
        namespace: &str,
        name: &str,
        what: &str,
        holds: impl Fn(&Value) -> bool,
    ) -> Result<Value, Failed> {
        let end = Instant::now() + Duration::from_secs(90);
        loop {
            let rollout = self.get(namespace, "rollout", name)?;
            if holds(&rollout) {
                return Ok(rollout);
            }
            if Instant::now() > end {
                return Err(format!("{namespace}/{name} is not {what}: {:#}", rollout["status"]).into());
            }
            self.pause(Duration::from_millis(100));
        }
    }

    /// Lets time pass between two looks at what another program does.
    pub(crate) fn pause(&self, time: Duration) {
        self.wait(async { tokio::time::sleep(time).await });
    }

    /// Runs `body` while a component is stopped; it is started again whatever becomes of it.
    pub(crate) fn without<T>(
        &self,
        component: &'static str,
        body: impl FnOnce() -> Result<T, Failed>,
    ) -> Result<T, Failed> {
        let _alone = self.whole.write().unwrap_or_else(PoisonError::into_inner);
        self.wait(self.cluster().stop(component))?;
        let outcome = body();
        self.wait(self.cluster().start(component))?;
        outcome
    }
}

impl Deref for World {
    type Target = Blocking;

    fn deref(&self) -> &Blocking {
        &self.cluster
    }
}

/// A finished program.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// Demands an exit code, and words in what was printed.
    pub(crate) fn expect(&self, code: i32, words: &[&str]) -> Result<(), Failed> {
        let all = format!("{}{}", self.out, self.err);
        if self.code != Some(code) {
            return Err(format!("exit code {:?} instead of {code}:\n{all}", self.code).into());
        }
        match words.iter().find(|word| !all.contains(**word)) {
            Some(word) => Err(format!("{word:?} is not said:\n{all}").into()),
            None => Ok(()),
        }
    }

    /// The JSON that was printed.
    pub(crate) fn json(&self) -> Result<Value, Failed> {
        serde_json::from_str(&self.out).map_err(|error| format!("{error}: {}\n{}", self.out, self.err).into())
    }
}

/// A namespace of a trial's own; it goes with it.
pub(crate) struct Room<'w> {
    pub(crate) world: &'w World,
    pub(crate) namespace: String,
}

impl<'w> Room<'w> {
    pub(crate) fn new(world: &'w World, name: &str) -> Result<Self, Failed> {
        let namespace = format!("operations-{name}");
        world.kubectl(&["delete", "namespace", &namespace, "--ignore-not-found", "--wait"])?;
        world.kubectl(&["create", "namespace", &namespace])?;
        Ok(Self { world, namespace })
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        let gone = self.world.kubectl(&["delete", "namespace", &self.namespace, "--wait=false"]);
        if let Err(error) = gone {
            eprintln!("{} is left: {error}", self.namespace);
        }
    }
}

/// A trial that needs the controller.
pub(crate) fn trial(
    world: &Arc<World>,
    name: impl Into<String>,
    body: impl FnOnce(&World) -> Result<(), Failed> + Send + 'static,
) -> Trial {
    let world = Arc::clone(world);
    Trial::test(name, move || {
        let _whole = world.whole.read().unwrap_or_else(PoisonError::into_inner);
        body(&world)
    })
}

/// A trial that stops the controller at times, by [`World::without`].
pub(crate) fn stopping(
    world: &Arc<World>,
    name: impl Into<String>,
    body: impl FnOnce(&World) -> Result<(), Failed> + Send + 'static,
) -> Trial {
    let world = Arc::clone(world);
    Trial::test(name, move || body(&world))
}
