//! The checks themselves as trials, against the cluster of KUBECONFIG: `cargo test --test live -- [NAME]`.
//!
//! Without KUBECONFIG the test cluster `tests` is brought up. Settings come from the environment, as for `kibertas-rs test`.

use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Arc;

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use test_cluster::{ADD_ONS, Cluster, OutsideServices, Profile, Progress};

const PROGRAM: &str = env!("CARGO_BIN_EXE_kibertas-rs");

/// What the checks run with.
type Environment = Vec<(&'static str, String)>;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let given = std::env::var_os("KUBECONFIG").is_some_and(|value| !value.is_empty());
    let prepared = if given || arguments.list { Ok((Environment::new(), None)) } else { test_cluster() };
    // What stands in for outside services does so until the last trial has ended.
    let (environment, _outside) = match prepared {
        Ok((environment, outside)) => (Arc::new(environment), outside),
        Err(error) => {
            eprintln!("error: set KUBECONFIG, or let the test cluster come up: {error}");
            return ExitCode::FAILURE;
        }
    };
    let trials = kibertas::checks::ALL.iter().map(|check| {
        let (name, environment) = (check.about().name, Arc::clone(&environment));
        Trial::ignorable_test(name, move || prove(name, &environment))
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

/// The test cluster, with the program's image on its node.
fn test_cluster() -> Result<(Environment, Option<OutsideServices>), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let cluster = Cluster::up("tests", Profile::Full, ADD_ONS, &Progress::plain()).await?;
        let image = cluster.load_harness(Path::new(PROGRAM)).await?;
        let outside = OutsideServices::of_cluster("tests")?;
        let mut environment = cluster.harness_environment(&image);
        environment.extend(outside.environment());
        Ok((environment, Some(outside)))
    })
}

/// Runs one check. On a cluster of the user's one that is not configured is ignored, with the reason.
fn prove(name: &str, environment: &Environment) -> Result<Completion, Failed> {
    let output = Command::new(PROGRAM).args(["test", name]).envs(environment.iter().cloned()).output()?;
    if output.status.success() {
        return Ok(Completion::Completed);
    }
    let (told, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if environment.is_empty() && errors.contains("is not configured") {
        return Ok(Completion::ignored_with(errors.trim()));
    }
    Err(format!("{}\n{told}{errors}", output.status).into())
}
