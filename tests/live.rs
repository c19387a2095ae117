//! The checks themselves as trials, against the cluster of KUBECONFIG: `cargo test --test live -- [NAME]`.
//!
//! Without KUBECONFIG the test cluster `tests` is brought up. Settings come from the environment, as for `kibertas-rs test`.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Failed, Trial};
use test_cluster::{Cluster, Profile, Progress};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let kubeconfig = match std::env::var_os("KUBECONFIG").filter(|value| !value.is_empty()) {
        Some(given) => PathBuf::from(given),
        None if arguments.list => PathBuf::new(),
        None => match test_cluster() {
            Ok(kubeconfig) => kubeconfig,
            Err(error) => {
                eprintln!("error: set KUBECONFIG, or let the test cluster come up: {error}");
                return ExitCode::FAILURE;
            }
        },
    };
    let trials = kibertas::checks::ALL.iter().map(|check| {
        let (name, kubeconfig) = (check.about().name, kubeconfig.clone());
        Trial::test(name, move || prove(name, &kubeconfig))
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

fn test_cluster() -> Result<PathBuf, Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Runtime::new()?;
    let cluster = runtime.block_on(Cluster::up("tests", Profile::Full, &[], &Progress::plain()))?;
    Ok(cluster.kubeconfig().to_owned())
}

fn prove(name: &str, kubeconfig: &std::path::Path) -> Result<(), Failed> {
    let program = env!("CARGO_BIN_EXE_kibertas-rs");
    let output = Command::new(program).args(["test", name]).env("KUBECONFIG", kubeconfig).output()?;
    if output.status.success() {
        return Ok(());
    }
    let (told, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Err(format!("{}\n{told}{errors}", output.status).into())
}
