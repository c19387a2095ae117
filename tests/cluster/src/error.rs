//! What can go wrong, said so that the reader knows what to do next.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why the test cluster could not do what it was asked to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// This host cannot run the cluster at all.
    #[error("{missing}\n{WAY_OUT}")]
    Host {
        /// What the cluster needs and the host lacks.
        missing: String,
    },
    /// Programs from Debian packages are missing and were not installed.
    #[error("missing programs: {}\ninstall them with: {command}", missing.join(", "))]
    Packages {
        /// `program (package)` each.
        missing: Vec<String>,
        /// The command that installs them.
        command: String,
    },
    /// The name of a cluster is not usable.
    #[error("`{name}` is no name for a cluster: expected 1 to 20 characters of a-z, 0-9 and -, starting with a letter")]
    Name {
        /// What was given.
        name: String,
    },
    /// No cluster of that name is up.
    #[error(
        "there is no cluster `{name}` here; `cargo cluster status` lists those that are, `cargo cluster up {name}` makes it"
    )]
    NoCluster {
        /// What was asked for.
        name: String,
    },
    /// No component of that name exists, or the cluster does not have it.
    #[error("there is no component `{name}`; known are: {known}")]
    NoComponent {
        /// What was asked for.
        name: String,
        /// The names to choose from.
        known: String,
    },
    /// Kubernetes cannot be had in that version.
    #[error("there is no Kubernetes `{version}` here; known are: {known}")]
    NoKubernetes {
        /// What was asked for.
        version: String,
        /// The versions to choose from.
        known: String,
    },
    /// The cluster is of another version of Kubernetes than it is asked to be.
    #[error(
        "the cluster `{name}` is of Kubernetes {has}, not {asked}, and what one version has stored another need not read; \
         take it down first (`cargo cluster down {name}`), or leave the version out to keep it"
    )]
    OtherKubernetes {
        /// The cluster.
        name: String,
        /// Its version.
        has: String,
        /// The version that was asked for.
        asked: String,
    },
    /// What should be a flag of a component is none.
    #[error("`{argument}` is no flag for {component}: expected --NAME or --NAME=VALUE")]
    Flag {
        /// The component.
        component: String,
        /// What was given.
        argument: String,
    },
    /// All address ranges are taken.
    #[error(
        "all {0} address ranges are taken; take a cluster down first (`cargo cluster status`, `cargo cluster down NAME`)"
    )]
    NoAddresses(u8),
    /// A file could not be handled.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was tried: "read", "write".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A file of the cluster's state is not what it should be.
    #[error("{} is damaged: {problem}; `cargo cluster down` removes it", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A program could not be started.
    #[error("cannot start {program}")]
    Start {
        /// The program.
        program: String,
        /// Why not.
        source: std::io::Error,
    },
    /// A program ended with a failure.
    #[error("`{command}` ended with {status}{}", indented(output))]
    Command {
        /// The program and its arguments.
        command: String,
        /// Its exit status.
        status: String,
        /// The last lines that it printed.
        output: String,
    },
    /// A component's process ended while it was starting.
    #[error("{component} ended while starting; {log}")]
    Exited {
        /// The component.
        component: String,
        /// The end of its log.
        log: Box<LogTail>,
    },
    /// A component did not become ready in time.
    #[error(
        "{component} is not ready after {} s: expected {expected}, last seen: {seen}; {log}",
        waited.as_secs()
    )]
    NotReady {
        /// The component.
        component: String,
        /// What would have been ready.
        expected: String,
        /// What was seen last.
        seen: String,
        /// How long it was waited for.
        waited: Duration,
        /// The end of its log.
        log: Box<LogTail>,
    },
    /// A process did not end, although it was killed.
    #[error("process {pid} ({component}) did not end {} s after SIGKILL; it hangs in the kernel (see /proc/{pid}/stack)", waited.as_secs())]
    Unkillable {
        /// The component.
        component: String,
        /// Its process id.
        pid: i32,
        /// How long it was waited for.
        waited: Duration,
    },
    /// A process could not be watched or signalled.
    #[error("cannot {action} process {pid}")]
    Process {
        /// What was tried.
        action: &'static str,
        /// The process id.
        pid: i32,
        /// Why not.
        source: std::io::Error,
    },
    /// The cluster's API refused something.
    #[error("the API server refused to {action}")]
    Api {
        /// What was tried: "apply Deployment default/web".
        action: String,
        /// Its answer.
        source: Box<kube::Error>,
    },
    /// A condition on an object did not come true in time.
    #[error("{object} is not {expected} after {} s; last seen: {seen}", waited.as_secs())]
    Condition {
        /// The object.
        object: String,
        /// What was expected of it.
        expected: &'static str,
        /// What was seen last.
        seen: String,
        /// How long it was waited for.
        waited: Duration,
    },
    /// A manifest is not as expected.
    #[error("{manifest}: {problem}")]
    Manifest {
        /// The file, or the program that rendered it.
        manifest: String,
        /// What is wrong.
        problem: String,
    },
    /// A certificate could not be made.
    #[error("cannot make the certificate `{name}`")]
    Certificate {
        /// The name of the file.
        name: String,
        /// Why not.
        source: rcgen::Error,
    },
    /// The machine still has something of a cluster that was taken down.
    #[error("`{name}` is down, but this is left: {}", left.join(", "))]
    Left {
        /// The cluster.
        name: String,
        /// What is left.
        left: Vec<String>,
    },
    /// A part that runs concurrently failed first; its error is reported apart.
    #[error("{component} was not started, since {needed} did not become ready")]
    Needed {
        /// The component that waited.
        component: String,
        /// What it waited for.
        needed: String,
    },
}

/// The end of a component's log, in an error.
#[derive(Debug)]
pub struct LogTail {
    /// Where the log is.
    pub path: PathBuf,
    /// Its last lines.
    pub lines: String,
}

impl std::fmt::Display for LogTail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the end of its log ({}):{}", self.path.display(), indented(&self.lines))
    }
}

const WAY_OUT: &str = "Everything but the test cluster works without it: point kibertas-rs at a cluster that exists \
                       with `--kubeconfig FILE` (or KUBECONFIG), and its tests with `cargo test --test live`.";

impl Error {
    /// What went wrong, and below it each cause.
    pub fn with_causes(&self) -> String {
        let causes = std::iter::successors(std::error::Error::source(self), |cause| cause.source());
        std::iter::once(self.to_string()).chain(causes.map(|cause| format!("\n  because: {cause}"))).collect()
    }

    /// For `map_err` on input and output of files.
    pub(crate) fn file(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::File { action, path, source }
    }

    /// For `map_err` on requests to the API server.
    pub(crate) fn api(action: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let action = action.into();
        move |source| Self::Api { action, source: Box::new(source) }
    }
}

/// The text on lines of its own, set in; nothing for no text.
fn indented(text: &str) -> String {
    text.trim_end().lines().fold(String::new(), |all, line| all + "\n    " + line)
}
