//! The two clusters, the checks that run on both of them side by side, and what `compare` makes of the results.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use libtest_mimic::{Failed, Trial};
use serde_json::Value;
use test_cluster::{Blocking, Profile};

/// The ratio from which a pipeline would stop.
pub(crate) const RATIO: &str = "1.5";

/// Both clusters, once a trial needs them.
#[derive(Default)]
pub(crate) struct World(OnceLock<Result<Sides, String>>);

impl World {
    /// Both clusters. The first trial brings them up.
    pub(crate) fn sides(&self) -> Result<&Sides, Failed> {
        let sides = self.0.get_or_init(|| {
            let of = |name| Side::of(Blocking::up(name, Profile::Full, &[])?);
            let both = of("blue-trials").and_then(|blue| Ok(Sides { blue, green: of("green-trials")? }));
            both.map_err(|error| error.with_causes())
        });
        sides.as_ref().map_err(|error| Failed::from(error.as_str()))
    }
}

/// A trial of both clusters.
pub(crate) fn trial(
    world: &std::sync::Arc<World>,
    name: &str,
    body: impl FnOnce(&Sides) -> Result<(), Failed> + Send + 'static,
) -> Trial {
    let world = std::sync::Arc::clone(world);
    Trial::test(name, move || body(world.sides()?))
}

/// Blue beside green.
pub(crate) struct Sides {
    pub(crate) blue: Side,
    pub(crate) green: Side,
}

/// A cluster, and what the program needs to run its checks there.
pub(crate) struct Side {
    pub(crate) cluster: Blocking,
    environment: Vec<(&'static str, String)>,
}

impl Side {
    /// Loads the program's image.
    pub(crate) fn of(cluster: Blocking) -> Result<Self, test_cluster::Error> {
        let image = cluster.wait(cluster.cluster().load_harness(program()))?;
        let mut environment = cluster.cluster().harness_environment(&image);
        // Analyses and weighed requests take most of the time, and the controller's speed shows without them.
        environment.retain(|(name, _)| *name != "KIBERTAS_ROLLOUTS_TRAFFIC_ROUTER");
        environment.push(("KIBERTAS_ROLLOUTS_ANALYSIS", "false".to_owned()));
        Ok(Self { cluster, environment })
    }

    /// Starts the checks, so many runs one after another; their results go below `folder`.
    fn start(&self, runs: usize, folder: &Path) -> Result<Child, Failed> {
        let mut command = Command::new(program());
        command.env_clear().envs(self.environment.iter().cloned()).env("KIBERTAS_BASELINES", folder);
        command.args(["test", "ingress", "cert-manager", "rollouts", "--no-notify", "--repeat", &runs.to_string()]);
        Ok(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?)
    }
}

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_kibertas-rs"))
}

impl Sides {
    /// Runs the checks on both clusters at the same time, as often on each, and compares the results.
    pub(crate) fn compare(&self, runs: usize) -> Result<Compared, Failed> {
        let folder = tempfile::tempdir()?;
        let sides = [&self.blue, &self.green];
        let running = sides.map(|side| side.start(runs, folder.path()));
        for (side, child) in sides.iter().zip(running) {
            let output = child?.wait_with_output()?;
            if !output.status.success() {
                let name = side.cluster.cluster().site().name();
                return Err(format!("{name}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)).into());
            }
        }
        let results = |side: &Side| folder.path().join(side.cluster.cluster().site().name());
        let mut command = Command::new(program());
        command.env_clear().arg("compare").args(sides.map(results)).args([
            "--to",
            "json",
            "--fail-on-regression",
            RATIO,
        ]);
        let output = command.output()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let comparison = serde_json::from_slice(&output.stdout).map_err(|_| text(&output.stderr))?;
        Ok(Compared { code: output.status.code(), said: text(&output.stderr), comparison })
    }
}

/// What `compare` said.
pub(crate) struct Compared {
    /// The exit code.
    pub(crate) code: Option<i32>,
    /// Standard error: the regressions.
    pub(crate) said: String,
    /// The comparison as JSON.
    pub(crate) comparison: Value,
}

impl Compared {
    /// The steps that are judged so, as `CHECK: STEP`, with what was measured on both sides.
    pub(crate) fn judged(&self, judgement: &str) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for check in self.comparison["checks"].as_array().into_iter().flatten() {
            for step in check["steps"].as_array().into_iter().flatten().filter(|step| step["judgement"] == judgement) {
                let time = |side: &str| format!("{} ± {} ms", step[side]["medianMs"], step[side]["noiseMs"]);
                let name = format!("{}: {}", text(&check["name"]), text(&step["name"]));
                found.push((name, format!("{} → {}", time("a"), time("b"))));
            }
        }
        found
    }

    /// What was measured of a step: shortest, median and longest on each side.
    pub(crate) fn times(&self, check: &str, step: &str) -> String {
        let named = |list: &Value, name: &str| {
            list.as_array().into_iter().flatten().find(|one| one["name"] == name).cloned().unwrap_or_default()
        };
        let step = named(&named(&self.comparison["checks"], check)["steps"], step);
        let side = |side: &str| {
            let cell = &step[side];
            format!("{}, {}, {} ms", cell["leastMs"], cell["medianMs"], cell["mostMs"])
        };
        format!("{} → {}", side("a"), side("b"))
    }

    /// The number of steps that both sides have, so that "nothing is worse" says something.
    pub(crate) fn steps(&self) -> usize {
        let checks = self.comparison["checks"].as_array().into_iter().flatten();
        let steps = checks.filter_map(|check| check["steps"].as_array()).flatten();
        steps.filter(|step| step["a"].is_object() && step["b"].is_object()).count()
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
