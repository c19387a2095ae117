//! `rollouts`: lists, follows and operates Rollouts.

mod display;
mod list;
mod operate;
mod scene;
mod status;
mod summary;
mod table;

use super::UsageError;
use crate::cli::Global;
use crate::cli::rollouts::{Included, PromoteArgs, RolloutsCommand, UndoArgs};
use crate::clock;
use crate::rollout::bulk::{Include, Task};
use crate::rollout::plan::Operation;

/// Runs one of the commands.
pub(super) async fn run(global: &Global, command: RolloutsCommand) -> Result<u8, UsageError> {
    let plain = Include::default();
    let operate = |operation| Task::Operate(operation);
    match command {
        RolloutsCommand::List(args) => list::run(global, &args).await,
        RolloutsCommand::Status(args) => status::run(global, &args).await,
        RolloutsCommand::Promote(PromoteArgs { which, full, include, how }) => {
            let operation = if full { Operation::PromoteFull } else { Operation::PromoteStep };
            let told = |state| include.contains(&state);
            let include = Include { degraded: told(Included::Degraded), aborted: told(Included::Aborted) };
            operate::run(global, &which, &how, operate(operation), include).await
        }
        RolloutsCommand::Abort(args) => {
            operate::run(global, &args.which, &args.how, operate(Operation::Abort), plain).await
        }
        RolloutsCommand::Retry(args) => {
            operate::run(global, &args.which, &args.how, operate(Operation::Retry), plain).await
        }
        RolloutsCommand::Undo(UndoArgs { which, to_revision, how }) => {
            operate::run(global, &which, &how, Task::Undo { revision: to_revision }, plain).await
        }
        RolloutsCommand::Pause(args) => {
            operate::run(global, &args.which, &args.how, operate(Operation::Pause), plain).await
        }
        RolloutsCommand::Restart(args) => {
            // The API server keeps whole seconds of it.
            let now = clock::now();
            let at = jiff::Timestamp::from_second(now.as_second()).unwrap_or(now);
            operate::run(global, &args.which, &args.how, operate(Operation::Restart { at }), plain).await
        }
    }
}
