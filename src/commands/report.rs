//! `report render`: draws another report from a stored one.

use std::path::Path;

use super::UsageError;
use crate::cli::{RenderArgs, ReportCommand};
use crate::exit;
use crate::report::{Destination, FileReport, ReportTarget, read};

/// Reads, renders and writes.
pub(super) fn run(command: ReportCommand) -> Result<u8, UsageError> {
    let ReportCommand::Render(RenderArgs { file, to, out }) = command;
    let destination = if out == Path::new("-") { Destination::Stdout } else { Destination::File(out) };
    let report = FileReport::open(ReportTarget { format: to, destination })?;
    let results = read::read(&file)?;
    report.write(&results).map_err(|error| UsageError::Flag(error.to_string()))?;
    Ok(exit::PASSED)
}
