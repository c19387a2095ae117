//! Logging on standard error.

use tracing_subscriber::EnvFilter;

use crate::cli::{LogFormat, LogLevel};

/// Starts logging; a second call changes nothing.
pub fn start(level: LogLevel, format: LogFormat) {
    // The client's own lines are about single requests; what matters of them is in the step that made them.
    let filter = match level {
        LogLevel::Trace => "trace",
        LogLevel::Debug => "info,kibertas=debug,kube_client=debug",
        LogLevel::Info => "warn,kibertas=info,kube_client=off,kube_runtime=off",
        LogLevel::Warn => "warn,kube_client=off,kube_runtime=off",
        LogLevel::Error => "error,kube_client=off,kube_runtime=off",
    };
    let builder = tracing_subscriber::fmt().with_env_filter(EnvFilter::new(filter)).with_writer(std::io::stderr);
    let _already_started = match format {
        LogFormat::Text => builder.with_ansi(console::colors_enabled_stderr()).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
}
