//! The cluster that trials share.

use std::ops::Deref;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use test_cluster::{ADD_ONS, Blocking, Profile};

use super::turns::{Turns, Use};

/// Names another cluster than `tests`, so that two checkouts can run their trials at the same time.
const NAME: &str = "KIBERTAS_TEST_CLUSTER";

/// What a second cluster needs, for trials of several.
const BESIDE: &[&str] =
    &["cert-manager-controller", "cert-manager-webhook", "cert-manager-cainjector", "argo-rollouts"];

/// How long a trial waits for what it stands on. Far more than that takes, since the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two questions.
const PAUSE: Duration = Duration::from_millis(50);

/// Variables for the program.
pub(crate) type Environment = Vec<(&'static str, String)>;

/// The shared cluster.
pub(crate) struct World {
    cluster: Blocking,
    environment: Environment,
    turns: Turns,
    beside: OnceLock<Result<Blocking, String>>,
}

impl World {
    /// Brings the cluster up, or makes sure that it is.
    pub(crate) fn up() -> Result<Self, test_cluster::Error> {
        let cluster = Blocking::up(&name(), Profile::Full, ADD_ONS)?;
        let program = Path::new(env!("CARGO_BIN_EXE_kibertas-rs"));
        let image = cluster.wait(cluster.cluster().load_harness(program))?;
        let environment = cluster.cluster().harness_environment(&image);
        Ok(Self { cluster, environment, turns: Turns::default(), beside: OnceLock::new() })
    }

    /// A world to list trials by; none of them runs.
    pub(crate) fn unused() -> Result<Self, test_cluster::Error> {
        let (cluster, environment) = (Blocking::unused()?, Environment::new());
        Ok(Self { cluster, environment, turns: Turns::default(), beside: OnceLock::new() })
    }

    /// Asks until the answer is `Ok`, for what is told to nobody who watches. An error is why it is not so yet.
    pub(crate) fn poll<T>(&self, expected: &str, mut ask: impl AsyncFnMut() -> Result<T, Failed>) -> Result<T, Failed> {
        let mut seen = Failed::without_message();
        let asked = self.wait(async {
            let asked = async {
                loop {
                    match ask().await {
                        Ok(answer) => return answer,
                        Err(why) => seen = why,
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            };
            tokio::time::timeout(PATIENCE, asked).await
        });
        asked.map_err(|_elapsed| {
            let seen = seen.message().unwrap_or("no answer");
            format!("waited {} s for {expected}: {seen}", PATIENCE.as_secs()).into()
        })
    }

    /// A second cluster, small, that nobody breaks. The first who needs it brings it up.
    pub(crate) fn beside(&self) -> Result<&Blocking, Failed> {
        let up = || Blocking::up(&format!("{}-beside", name()), Profile::Core, BESIDE);
        let beside = self.beside.get_or_init(|| up().map_err(|error| error.with_causes()));
        beside.as_ref().map_err(|error| Failed::from(error.as_str()))
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
}

fn name() -> String {
    std::env::var(NAME).unwrap_or_else(|_| "tests".to_owned())
}

impl Deref for World {
    type Target = Blocking;

    fn deref(&self) -> &Blocking {
        &self.cluster
    }
}

/// A trial that needs the cluster whole.
pub(crate) fn on_whole(
    world: &Arc<World>,
    name: impl Into<String>,
    body: impl FnOnce(&World) -> Result<(), Failed> + Send + 'static,
) -> Trial {
    in_turn(world, Use::Whole, name, body)
}

/// A trial that breaks the cluster, and so has it for itself.
pub(crate) fn alone(
    world: &Arc<World>,
    name: impl Into<String>,
    body: impl FnOnce(&World) -> Result<(), Failed> + Send + 'static,
) -> Trial {
    in_turn(world, Use::Alone, name, body)
}

/// A trial that uses the cluster in one way.
pub(crate) fn in_turn(
    world: &Arc<World>,
    which: Use,
    name: impl Into<String>,
    body: impl FnOnce(&World) -> Result<(), Failed> + Send + 'static,
) -> Trial {
    let world = Arc::clone(world);
    Trial::test(name, move || {
        let _turn = world.turns.take(which);
        body(&world)
    })
}
