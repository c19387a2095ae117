//! Displays and reports. Each is a sink of the runner's events or a function of a run's result; none of them decides anything.

pub mod plain;
pub mod terminal;

mod evidence;
mod line;
mod printable;
mod reason;
mod summary;
mod text;

pub use self::line::wants_colours;

#[cfg(test)]
pub(crate) mod sample;
