//! What the pods of checks run: the program itself is the image, so that nothing is pulled from a public hub.
//!
//! Each probe is process 1 of a container FROM scratch. The kernel gives process 1 no default action for signals, so every probe
//! installs its own handler before it does anything else, and ends with code 0 as soon as SIGTERM or SIGINT arrives.
//! <https://man7.org/linux/man-pages/man2/kill.2.html>

pub mod exit;
pub mod http;
pub mod log;
pub mod pause;

use std::time::Duration;

use clap::Subcommand;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::setting::parse_duration;

/// The environment variable with the text by which a check knows its own pods again.
pub const NONCE_ENV: &str = "KIBERTAS_NONCE";
/// The environment variable with the version that a pod tells.
pub const VERSION_ENV: &str = "KIBERTAS_VERSION";

/// The probes.
#[derive(Debug, Clone, Subcommand)]
pub enum Probe {
    /// Answer HTTP requests with a JSON document that names this pod.
    Http(http::HttpArgs),
    /// Write numbered lines to standard output, then stay.
    Log(log::LogArgs),
    /// Do nothing until a signal comes.
    Pause(pause::PauseArgs),
    /// End with an exit code.
    Exit(exit::ExitArgs),
}

impl Probe {
    /// Runs the probe; the value is the process's exit code.
    pub async fn run(self) -> Result<u8, ProbeError> {
        match self {
            Self::Http(args) => http::serve(args).await.map(|()| 0),
            Self::Log(args) => log::write(args).await.map(|()| 0),
            Self::Pause(args) => pause::wait(args).await.map(|()| 0),
            Self::Exit(args) => exit::end(args).await,
        }
    }
}

/// Why a probe cannot do its work.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// No handler can be installed for a signal.
    #[error("cannot listen for signals")]
    Signals(#[source] std::io::Error),
    /// The port cannot be listened on.
    #[error("cannot listen on port {port}")]
    Listen {
        /// The TCP port.
        port: u16,
        /// Why.
        source: std::io::Error,
    },
    /// Nobody takes the lines.
    #[error("cannot write to standard output")]
    Write(#[source] std::io::Error),
}

/// The signals that end a probe. Made first, so that none is lost while the probe starts.
pub struct Termination {
    terminate: Signal,
    interrupt: Signal,
}

impl Termination {
    /// Installs the handlers.
    pub fn install() -> Result<Self, ProbeError> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).map_err(ProbeError::Signals)?,
            interrupt: signal(SignalKind::interrupt()).map_err(ProbeError::Signals)?,
        })
    }

    /// Waits for SIGTERM or SIGINT.
    pub async fn signalled(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Waits for `span`; `false` if a signal came first.
    pub async fn spared_for(&mut self, span: Duration) -> bool {
        tokio::select! {
            biased;
            () = self.signalled() => false,
            () = tokio::time::sleep(span) => true,
        }
    }
}

/// Reads a flag's time, as the configuration does.
fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "should be a time such as 250ms, 90s or 15m".to_owned())
}

/// The pod's name: the host name, unless the pod shares its node's network.
///
/// <https://kubernetes.io/docs/concepts/containers/container-environment/#container-information>
fn pod_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").map(|name| name.trim().to_owned()).unwrap_or_default()
}
