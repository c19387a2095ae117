//! `probe pause`: takes up room on a node and nothing else.

use super::{ProbeError, Termination};

/// `probe pause` has no options.
#[derive(Debug, Clone, clap::Args)]
pub struct PauseArgs {}

/// Waits for a signal.
pub async fn wait(PauseArgs {}: PauseArgs) -> Result<(), ProbeError> {
    Termination::install()?.signalled().await;
    Ok(())
}
