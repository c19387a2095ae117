//! `completions SHELL`.

use std::io::Write;

use clap::CommandFactory;

use super::UsageError;
use crate::cli::{Cli, CompletionsArgs};
use crate::exit;

/// Prints the completion script.
pub(super) fn run(args: &CompletionsArgs) -> Result<u8, UsageError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "kibertas-rs", &mut script);
    std::io::stdout().write_all(&script)?;
    Ok(exit::PASSED)
}
