//! `cargo demo`: a cluster, the harness built and run against it, the reports, and nothing left.

use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus, Stdio};

use serde_json::Value;
use test_cluster::{ADD_ONS, Cluster, Error, Options, OutsideServices, Profile, Progress, Result};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::Demo;

const NAME: &str = "demo";

/// SIGINT and SIGTERM, with which the demo ends early but tidily.
struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
}

pub(crate) async fn run(arguments: Demo) -> Result<ExitCode> {
    let listen =
        |kind| signal(kind).map_err(|source| Error::Start { program: "the signal handler".to_owned(), source });
    let mut interrupts =
        Interrupts { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? };
    let prepared = tokio::select! {
        prepared = prepare() => prepared,
        number = interrupts.next() => {
            eprintln!("interrupted");
            tidy(arguments.keep).await?;
            return Ok(code(128 + number));
        }
    };
    let result = match prepared {
        Ok((cluster, reference, binary)) => test(&cluster, &reference, &binary, &arguments, &mut interrupts).await,
        Err(error) => Err(error),
    };
    // The first failure is what counts, also if the cluster then cannot be taken down either.
    let tidied = tidy(arguments.keep).await;
    let code = result?;
    tidied?;
    Ok(code)
}

/// The cluster and the harness, made at the same time, and the harness's image in the cluster.
async fn prepare() -> Result<(Cluster, String, PathBuf)> {
    let progress = Progress::auto();
    let with = ADD_ONS.iter().map(|&name| name.to_owned()).collect();
    let options = Options { profile: Profile::Full, with, kubernetes: None, install: true };
    let (cluster, binary) = tokio::try_join!(Cluster::up_with(NAME, &options, &progress), build(&progress))?;
    let reference = cluster.load_harness(&binary).await?;
    progress.say(&format!("the image {reference} is loaded"));
    Ok((cluster, reference, binary))
}

/// Builds the harness, and returns where cargo says that it is.
async fn build(progress: &Progress) -> Result<PathBuf> {
    progress.say("building kibertas-rs");
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut command = Command::new(&cargo);
    command.args(["build", "--quiet", "--release", "--package", "kibertas-rs", "--bin", "kibertas-rs"]);
    command.arg("--message-format=json-render-diagnostics").current_dir(workspace());
    let failed = |source| Error::Start { program: cargo.clone(), source };
    let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().map_err(failed)?;
    let mut binary = None;
    if let Some(output) = child.stdout.take() {
        let mut lines = BufReader::new(output).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let message: Value = serde_json::from_str(&line).unwrap_or_default();
            binary = message["executable"].as_str().map(PathBuf::from).or(binary);
        }
    }
    let status = child.wait().await.map_err(failed)?;
    binary.filter(|_| status.success()).ok_or_else(|| Error::Command {
        command: "cargo build --release --package kibertas-rs".to_owned(),
        status: status.to_string(),
        output: "see above".to_owned(),
    })
}

/// Runs the checks, with their live progress on this terminal.
async fn test(
    cluster: &Cluster,
    reference: &str,
    binary: &Path,
    arguments: &Demo,
    interrupts: &mut Interrupts,
) -> Result<ExitCode> {
    let reports = [("json", "report.json"), ("junit", "report.xml"), ("html", "report.html")];
    std::fs::create_dir_all(folder()).map_err(|source| Error::File { action: "create", path: folder(), source })?;
    let mut command = Command::new(binary);
    command.arg("test");
    // What is asked for may be flags only: then for all checks.
    if arguments.arguments.first().is_none_or(|first| first.starts_with('-')) {
        command.arg("all");
    }
    command.args(&arguments.arguments);
    for (format, file) in reports {
        command.arg("--report").arg(format!("{format}={}", folder().join(file).display()));
    }
    command.envs(cluster.harness_environment(reference));
    let outside = OutsideServices::of_cluster(NAME)?;
    command.envs(outside.environment());
    let failed = |source| Error::Start { program: binary.display().to_string(), source };
    let mut child = command.spawn().map_err(failed)?;
    let status = interrupts.wait(&mut child).await.map_err(failed)?;
    for report in reports.map(|(_, file)| folder().join(file)).iter().filter(|report| report.exists()) {
        println!("report: {}", report.display());
    }
    Ok(exit_code(status))
}

impl Interrupts {
    /// The number of the next signal.
    async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.interrupt.recv() => SignalKind::interrupt().as_raw_value(),
            _ = self.terminate.recv() => SignalKind::terminate().as_raw_value(),
        }
    }

    /// Waits for the harness, which cleans up after itself when it is interrupted.
    async fn wait(&mut self, child: &mut Child) -> std::io::Result<ExitStatus> {
        loop {
            tokio::select! {
                status = child.wait() => return status,
                // The terminal sends this one to the harness, too.
                _ = self.interrupt.recv() => {}
                _ = self.terminate.recv() => {
                    let pid = child.id().and_then(|id| rustix::process::Pid::from_raw(id.cast_signed()));
                    if let Some(pid) = pid {
                        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
                    }
                }
            }
        }
    }
}

async fn tidy(keep: bool) -> Result<()> {
    if !keep {
        Cluster::remove(NAME).await?;
        return Ok(());
    }
    println!("the cluster stays up: export KUBECONFIG=$(cargo cluster kubeconfig {NAME})");
    println!("take it down with: cargo cluster down {NAME}");
    Ok(())
}

fn exit_code(status: ExitStatus) -> ExitCode {
    use std::os::unix::process::ExitStatusExt;

    code(status.code().or_else(|| status.signal().map(|number| 128 + number)).unwrap_or(1))
}

fn code(number: i32) -> ExitCode {
    ExitCode::from(u8::try_from(number).unwrap_or(1))
}

/// The root of the checkout that this program was built from.
fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new(".")).to_owned()
}

/// Where the reports go.
fn folder() -> PathBuf {
    workspace().join("target/demo")
}
