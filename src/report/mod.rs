//! Displays and reports. Displays are sinks of the runner's events, reports functions of the runs' results; none of them decides anything.
//!
//! ```ignore
//! let reports = FileReport::open_all(targets)?;                 // before the run: every place can be written
//! let sinks: Vec<Box<dyn Sink>> = vec![display(&Term::stdout())];
//! let results = run(sinks).await;
//! reports.iter().try_for_each(|report| report.write(&results))?;
//! ```

pub mod file;
pub mod format;
pub(crate) mod line;
pub mod plain;
pub mod prometheus;
pub mod read;
pub mod terminal;
pub mod termination;

mod evidence;
pub(crate) mod html;
mod json;
mod junit;
mod labelled;
pub(crate) mod markdown;
pub(crate) mod printable;
mod reason;
pub(crate) mod summary;
mod text;

use console::Term;

pub(crate) use self::file::to_file as write_whole;
pub use self::file::{Destination, FileReport, ReportTarget, TargetError};
pub use self::format::{FORMATS, Format, RenderError, render};
pub use self::labelled::{Labelled, SharedDisplay};
pub use self::line::wants_colours;
pub use self::plain::Plain;
pub use self::terminal::{LogLines, Terminal};
pub use self::termination::TerminationLog;

use crate::event::Sink;

/// The display for people: live on a terminal that can move its cursor, else plain lines.
pub fn display(term: &Term) -> Box<dyn Sink> {
    let env = |name: &str| std::env::var(name).ok();
    if term.is_term() && env("TERM").as_deref() != Some("dumb") {
        Box::new(Terminal::new(term.clone(), wants_colours(true, env)))
    } else {
        Box::new(Plain::new(term.clone()))
    }
}

#[cfg(test)]
pub(crate) mod sample;
