//! The command line of `rollouts`.

use clap::{Args, Subcommand, ValueEnum};

use super::{Output, Targets};

/// What can be done with Rollouts.
#[derive(Debug, Subcommand)]
pub enum RolloutsCommand {
    /// Show Rollouts, one a line.
    List(ListRollouts),
    /// Show how Rollouts stand, or watch them until they are there.
    Status(StatusArgs),
    /// End the pause that Rollouts wait at; with --full, make the new template stable at once.
    Promote(PromoteArgs),
    /// Go back to the stable template.
    Abort(OperateArgs),
    /// Try aborted updates again, from their first step.
    Retry(OperateArgs),
    /// Bring an earlier template back.
    Undo(UndoArgs),
    /// Stop updates where they are, until somebody promotes them.
    Pause(OperateArgs),
    /// Replace all pods, as the update strategy would.
    Restart(OperateArgs),
}

/// Which Rollouts.
#[derive(Debug, Clone, Args)]
pub struct Which {
    /// Which clusters; none: the one of the kubeconfig.
    #[command(flatten)]
    pub targets: Targets,
    /// Rollouts by name: NAME, or NAMESPACE/NAME.
    #[arg(value_name = "ROLLOUT", conflicts_with_all = ["selector", "project", "all", "all_namespaces"])]
    pub names: Vec<String>,
    /// The namespace; default: the context's.
    #[arg(long, short, value_name = "NAMESPACE", help_heading = "Which Rollouts")]
    pub namespace: Option<String>,
    /// Look in all namespaces.
    #[arg(long, short = 'A', conflicts_with = "namespace", help_heading = "Which Rollouts")]
    pub all_namespaces: bool,
    /// Those with these labels.
    #[arg(long, short = 'l', value_name = "SELECTOR", help_heading = "Which Rollouts")]
    pub selector: Option<String>,
    /// Those of the Applications of this Argo CD project, in all namespaces unless one is given.
    #[arg(long, value_name = "APPPROJECT", help_heading = "Which Rollouts")]
    pub project: Option<String>,
    /// Every one of the namespace, or with -A of the cluster.
    #[arg(long, help_heading = "Which Rollouts")]
    pub all: bool,
}

/// The arguments of `rollouts list`.
#[derive(Debug, Args)]
pub struct ListRollouts {
    /// Which Rollouts; none: every one of the namespace.
    #[command(flatten)]
    pub which: Which,
    /// How to print.
    #[arg(long, short, value_enum, default_value = "human")]
    pub output: Output,
}

/// The arguments of `rollouts status`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 as asked for, 1 any Degraded or not there in time, 3 the API server cannot tell."
)]
pub struct StatusArgs {
    /// Which Rollouts.
    #[command(flatten)]
    pub which: Which,
    /// Wait until each is there, or cannot get there; --timeout is the longest.
    #[arg(long, short)]
    pub watch: bool,
    /// Where each has to be.
    #[arg(long, value_enum, default_value = "healthy", requires = "watch")]
    pub until: Until,
    /// How to print.
    #[arg(long, short, value_enum, default_value = "human")]
    pub output: Output,
}

/// What `status --watch` waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Until {
    /// At a pause, or Healthy.
    Paused,
    /// Healthy, with the current template.
    Healthy,
}

/// What all operations take.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes, by the worst of all Rollouts: 0 done, or nothing had to be done; 1 any failed; 2 usage; \
    3 the API server cannot tell; 4 none acted upon; 128+N ended by signal N. Done twice is done once: repeat it after a failure."
)]
pub struct OperateArgs {
    /// Which Rollouts.
    #[command(flatten)]
    pub which: Which,
    /// How it is done.
    #[command(flatten)]
    pub how: How,
}

/// How an operation is done.
#[derive(Debug, Args)]
pub struct How {
    /// Do not ask.
    #[arg(long, short)]
    pub yes: bool,
    /// Show the plan and change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Do not wait until each came to what the operation is for.
    #[arg(long)]
    pub no_wait: bool,
    /// How many Rollouts are patched at the same time.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub concurrency: u16,
    /// What to print: lines and a table for people, or JSON (progress then goes to standard error).
    #[arg(long, short, value_enum, default_value = "human")]
    pub output: Output,
}

/// The arguments of `rollouts promote`.
#[derive(Debug, Args)]
#[command(
    after_help = "Left alone, with the reason: what has no new template, what is Degraded or aborted unless included.\n\
    Without --full one step: a Rollout at a pause goes on, one between pauses skips its running step."
)]
pub struct PromoteArgs {
    /// Which Rollouts.
    #[command(flatten)]
    pub which: Which,
    /// Make the new template stable at once: no analysis, no pause, no step.
    #[arg(long)]
    pub full: bool,
    /// Promote these as well; aborted ones are tried again first. Repeatable.
    #[arg(long, value_enum, value_name = "STATE")]
    pub include: Vec<Included>,
    /// How it is done.
    #[command(flatten)]
    pub how: How,
}

/// What is promoted only when told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Included {
    /// Rollouts that are Degraded.
    Degraded,
    /// Rollouts whose update is aborted.
    Aborted,
}

/// The arguments of `rollouts undo`.
#[derive(Debug, Args)]
pub struct UndoArgs {
    /// Which Rollouts.
    #[command(flatten)]
    pub which: Which,
    /// The revision to bring back; default: the one before the newest.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..))]
    pub to_revision: Option<i64>,
    /// How it is done.
    #[command(flatten)]
    pub how: How,
}
