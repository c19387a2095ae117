//! Runs checks: plans them, runs them side by side, and tells what happens as events. It owns no output.

pub mod advice;
mod executor;
pub mod plan;
pub mod preflight;
pub mod signals;
pub mod unreached;

pub use self::executor::{Run, RunOptions, finish};
pub use self::plan::{Plan, PlanError, Planned};
