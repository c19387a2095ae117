//! The commands: what each does, and the exit code that it ends with.

mod compare;
mod completions;
mod config;
mod list;
mod notify;
mod report;
mod rollouts;
mod sweep;
mod test;

use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;

use crate::checks;
use crate::cli::{Cli, Command, Global};
use crate::cluster::Access;
use crate::config::{Config, ConfigError, Sources};
use crate::exit;
use crate::logging;

/// Anything that is wrong before something is created: told with exit code 2.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The way to the cluster.
    #[error(transparent)]
    Connect(#[from] crate::cluster::ConnectError),
    /// A cluster of several.
    #[error(transparent)]
    Target(#[from] crate::targets::TargetError),
    /// The choice of checks.
    #[error(transparent)]
    Plan(#[from] crate::runner::PlanError),
    /// The command line.
    #[error("{0}")]
    Flag(String),
    /// A probe.
    #[error("{0}: {reason}", reason = crate::cluster::connect::innermost(.0))]
    Probe(#[from] crate::probe::ProbeError),
    /// A report's place.
    #[error(transparent)]
    Report(#[from] crate::report::TargetError),
    /// A stored report.
    #[error(transparent)]
    Read(#[from] crate::report::read::ReadError),
    /// A report to compare with.
    #[error(transparent)]
    Baseline(#[from] crate::compare::baseline::BaselineError),
    /// The output.
    #[error("cannot print: {0}")]
    Output(#[from] std::io::Error),
}

/// Runs a parsed command line.
pub fn run(cli: Cli) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: the process cannot start its runtime: {error}");
            return ExitCode::from(exit::USAGE);
        }
    };
    let outcome = runtime.block_on(async {
        match cli.command {
            Command::Test(args) => test::run(&cli.global, args).await,
            Command::List(args) => list::run(&args),
            Command::Sweep(args) => sweep::run(&cli.global, &args).await,
            Command::Notify(command) => notify::run(&cli.global, command).await,
            Command::Config(command) => config::run(&cli.global, &command),
            Command::Report(command) => report::run(command),
            Command::Rollouts(command) => rollouts::run(&cli.global, command).await,
            Command::Compare(args) => compare::run(&cli.global, &args).await,
            Command::Completions(args) => completions::run(&args),
            Command::Probe(probe) => Ok(probe.run().await?),
        }
    });
    match outcome {
        Ok(code) => ExitCode::from(code),
        // Somebody stopped reading, as `head` does: nothing is wrong with the command.
        Err(UsageError::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            ExitCode::from(exit::PASSED)
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(exit::USAGE)
        }
    }
}

/// Reads the configuration's sources, the common flags included, and starts logging.
fn sources(global: &Global) -> Result<Sources, UsageError> {
    sources_with(global, global.config.as_deref())
}

/// The same with another file, or none.
fn sources_with(global: &Global, file: Option<&Path>) -> Result<Sources, UsageError> {
    logging::start(if global.debug { crate::cli::LogLevel::Debug } else { global.log_level }, global.log_format);
    let mut sources = Sources::gather(file)?;
    for assignment in &global.set {
        sources.set(assignment)?;
    }
    let times = [("--timeout", "timeout", &global.timeout), ("--step-timeout", "stepTimeout", &global.step_timeout)];
    for (name, key, value) in times {
        if let Some(value) = value {
            sources.flag(name, "", key, value);
        }
    }
    Ok(sources)
}

/// The way to the cluster that the command line names.
fn access(global: &Global) -> Access {
    Access { kubeconfig: global.kubeconfig.clone(), context: global.context.clone() }
}

/// A value for programs, ended by a line break.
fn json(what: &impl Serialize) -> Result<String, UsageError> {
    Ok(serde_json::to_string_pretty(what).map_err(|error| UsageError::Flag(error.to_string()))? + "\n")
}

/// Resolves the configuration of all checks.
fn configuration(sources: &Sources) -> Result<Config, UsageError> {
    Ok(Config::resolve(sources, checks::ALL)?)
}
