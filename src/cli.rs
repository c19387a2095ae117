//! The command line: definitions only.

pub mod compare;
pub mod rollouts;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::probe::Probe;
use crate::report::{Format, ReportTarget};

/// Proves, end to end, that a Kubernetes cluster's add-ons really work.
#[derive(Debug, Parser)]
#[command(
    name = "kibertas-rs",
    version,
    arg_required_else_help = true,
    after_help = "Examples:\n  \
        kibertas-rs test                          every check that is configured, side by side\n  \
        kibertas-rs test rollouts                 one check\n  \
        kibertas-rs --context green test ingress  against another cluster of the kubeconfig\n  \
        kibertas-rs test --target blue --target green --compare   two clusters side by side\n  \
        kibertas-rs test --report junit=out.xml   with a report\n  \
        kibertas-rs rollouts promote --full -l app=web   the emergency button, for many Rollouts at once\n  \
        kibertas-rs compare blue.json green.json  what is worse on green\n  \
        kibertas-rs list                          what the checks prove, their settings and permissions\n\n\
        Exit codes: 0 all passed, 1 any failed, 2 usage or configuration, 3 any inconclusive, 4 nothing ran, \
        128+N ended by signal N."
)]
pub struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
pub struct Global {
    /// The kubeconfig; default: $KUBECONFIG, ~/.kube/config, then the Pod's own ServiceAccount.
    #[arg(long, global = true, value_name = "FILE", help_heading = "Cluster")]
    pub kubeconfig: Option<PathBuf>,
    /// The kubeconfig's context; default: its current one.
    #[arg(long, global = true, value_name = "NAME", help_heading = "Cluster")]
    pub context: Option<String>,
    /// The configuration file (YAML); environment variables and flags win over it.
    #[arg(long, global = true, value_name = "FILE", env = "KIBERTAS_CONFIG", help_heading = "Configuration")]
    pub config: Option<PathBuf>,
    /// One setting, as CHECK.KEY=VALUE or KEY=VALUE; `kibertas-rs list` names them. Repeatable.
    #[arg(long = "set", global = true, value_name = "CHECK.KEY=VALUE", help_heading = "Configuration")]
    pub set: Vec<String>,
    /// The longest that one check may take, such as 90s or 15m; a bare number means minutes.
    #[arg(long, global = true, value_name = "TIME", allow_hyphen_values = true, help_heading = "Configuration")]
    pub timeout: Option<String>,
    /// The longest that one step of a check may take.
    #[arg(long, global = true, value_name = "TIME", allow_hyphen_values = true, help_heading = "Configuration")]
    pub step_timeout: Option<String>,
    /// Log more, and keep the objects in the cluster as --keep does.
    #[arg(long, global = true, help_heading = "Logging")]
    pub debug: bool,
    /// How much to log on standard error.
    #[arg(long, global = true, value_enum, default_value = "info", value_name = "LEVEL", help_heading = "Logging")]
    pub log_level: LogLevel,
    /// How to log.
    #[arg(long, global = true, value_enum, default_value = "text", value_name = "FORMAT", help_heading = "Logging")]
    pub log_format: LogFormat,
}

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// Everything, the requests to the API server included.
    Trace,
    /// For finding a defect.
    Debug,
    /// What is worth knowing.
    Info,
    /// What may be wrong.
    #[value(alias = "warning")]
    Warn,
    /// What is wrong. The Go tool's `fatal` and `panic` mean the same here.
    #[value(aliases = ["fatal", "panic"])]
    Error,
}

/// How lines are logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run checks against the cluster.
    Test(TestArgs),
    /// List the checks: what each proves, its settings and its permissions.
    List(ListArgs),
    /// Remove what killed runs have left in the cluster.
    Sweep(SweepArgs),
    /// Send messages to the channels of the configuration.
    #[command(subcommand)]
    Notify(NotifyCommand),
    /// Look at the configuration without touching a cluster.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Work with stored reports.
    #[command(subcommand)]
    Report(ReportCommand),
    /// List, follow and operate Argo Rollouts, many at once.
    #[command(subcommand)]
    Rollouts(rollouts::RolloutsCommand),
    /// Put two reports side by side, step by step: blue and green, or before and now.
    Compare(compare::CompareArgs),
    /// Print a script that completes this command line in a shell.
    Completions(CompletionsArgs),
    /// What the pods of checks run.
    #[command(subcommand)]
    Probe(Probe),
}

/// Which clusters.
#[derive(Debug, Clone, Default, Args)]
pub struct Targets {
    /// A cluster, by its name or address.
    #[arg(
        long,
        value_name = "TARGET",
        help_heading = "Cluster",
        help = "A cluster: a name of targets: in the configuration, or context://NAME, in-cluster, eks://REGION/CLUSTER, \
                argocd://NAMESPACE/CLUSTER, or argocd://NAMESPACE?LABEL=VALUE for all that Argo CD knows by these labels. Repeatable: all side by side"
    )]
    pub target: Vec<String>,
}

/// The arguments of `test`.
#[derive(Debug, Args)]
#[command(
    after_help = "A check that is not configured is skipped with the reason under `all`, and an error when asked for by name.\n\
    Everything that a check creates carries the run's id and is removed afterwards, whatever happens."
)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own on the command line")]
pub struct TestArgs {
    /// The checks by name; none, or `all`, means every one.
    #[arg(value_name = "CHECK")]
    pub checks: Vec<String>,
    /// Which clusters; none: all of `targets:` in the configuration, else the one of the kubeconfig.
    #[command(flatten)]
    pub targets: Targets,
    /// Leave the objects in the cluster for a look by hand.
    #[arg(long)]
    pub keep: bool,
    /// Also write a report: json, junit, html, markdown, prometheus or text, to a file or - for standard output. Repeatable.
    #[arg(long, value_name = "FORMAT=PATH")]
    pub report: Vec<ReportTarget>,
    /// Also publish all reports: to a folder or `s3://BUCKET/PREFIX`, as CLUSTER/RUN/report.* and CLUSTER/latest/report.*.
    #[arg(long, value_name = "PLACE")]
    pub publish: Option<String>,
    /// Tell nobody: no message, metrics or Events, whatever the configuration says.
    #[arg(long)]
    pub no_notify: bool,
    /// Also write the end in short to this file, at most 4096 bytes; in a pod it is /dev/termination-log, where there is such a file.
    #[arg(long, value_name = "PATH", env = "KIBERTAS_TERMINATION_LOG")]
    pub termination_log: Option<PathBuf>,
    /// What to print: progress and verdicts for people, or the JSON report (progress then goes to standard error).
    #[arg(long, short, value_enum, default_value = "human")]
    pub output: Output,
    /// Run so many times, one after another; every result goes to the baselines, the worst one (the last among equals) to reports and messages.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub repeat: u16,
    /// Compare with an earlier result: `last` of this cluster in `baselines`, or a report or folder of reports: a path, `s3://BUCKET/KEY` or
    /// the URL of one.
    #[arg(long, value_name = "last|PLACE")]
    pub baseline: Option<String>,
    /// With several clusters: compare the others with the first one.
    #[arg(long)]
    pub compare: bool,
    /// With --baseline or --compare: end with 1 where something broke, or takes at least so many times as long.
    #[arg(long, value_name = "RATIO", value_parser = compare::ratio)]
    pub fail_on_regression: Option<u64>,
    /// The image of this program, as the cluster's nodes pull it.
    #[arg(long, value_name = "IMAGE")]
    pub image: Option<String>,
    /// ingress: leave DNS out; requests go to the load balancer's address.
    #[arg(long)]
    pub no_dns_check: bool,
    /// ingress: the IngressClass.
    #[arg(long, value_name = "NAME")]
    pub ingress_class_name: Option<String>,
}

/// What `test` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Human,
    /// The report as JSON.
    Json,
}

/// What can be sent.
#[derive(Debug, Subcommand)]
pub enum NotifyCommand {
    /// Send a sample to every channel, whatever its `on`, and say what became of it.
    Test,
    /// Send the message of stored JSON reports: several, such as blue's and green's, in one message.
    Send(SendArgs),
}

/// The arguments of `notify send`.
#[derive(Debug, Args)]
pub struct SendArgs {
    /// The JSON reports, one a cluster.
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
}

/// What can be asked about the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Tell everything that is wrong with it; with nothing wrong, which checks would run.
    Check(ConfigArgs),
    /// Print every setting with its value and where that came from; secrets are masked.
    Show(ConfigArgs),
}

/// The arguments of `config`.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// The configuration file; - is standard input; default: that of --config. The environment and flags count as for `test`.
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// How to print.
    #[arg(long, short, value_enum, default_value = "human")]
    pub output: Output,
}

/// What can be done with stored reports.
#[derive(Debug, Subcommand)]
pub enum ReportCommand {
    /// Draw another report from a stored JSON one.
    Render(RenderArgs),
}

/// The arguments of `report render`.
#[derive(Debug, Args)]
pub struct RenderArgs {
    /// The JSON report; - is standard input.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The format: json, junit, html, markdown, prometheus or text.
    #[arg(long, value_name = "FORMAT")]
    pub to: Format,
    /// Where it goes; - is standard output.
    #[arg(long, short, value_name = "FILE", default_value = "-")]
    pub out: PathBuf,
}

/// The arguments of `list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only these checks.
    #[arg(value_name = "CHECK")]
    pub checks: Vec<String>,
    /// How to print.
    #[arg(long, short, value_enum, default_value = "human")]
    pub output: ListOutput,
}

/// How `list` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ListOutput {
    /// For people.
    Human,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

/// The arguments of `sweep`.
#[derive(Debug, Args)]
#[command(
    after_help = "Only objects whose labels say that kibertas-rs made them are touched; by default only those whose run must be over."
)]
pub struct SweepArgs {
    /// Which clusters; none: all of `targets:` in the configuration, else the one of the kubeconfig.
    #[command(flatten)]
    pub targets: Targets,
    /// Show what would be removed.
    #[arg(long)]
    pub dry_run: bool,
    /// Remove everything of this run, expired or not.
    #[arg(long, value_name = "ID", conflicts_with = "all")]
    pub run: Option<String>,
    /// Remove everything of every run, live ones included.
    #[arg(long)]
    pub all: bool,
    /// How to print.
    #[arg(long, short, value_enum, default_value = "human")]
    pub output: Output,
}

/// The arguments of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}
