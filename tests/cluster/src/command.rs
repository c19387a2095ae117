//! Running a program to its end.

use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

use crate::{Error, Result};

/// A command for [`run`], from its program and arguments.
pub(crate) fn command<A: AsRef<std::ffi::OsStr>>(
    program: impl AsRef<Path>,
    arguments: impl IntoIterator<Item = A>,
) -> Command {
    let mut command = Command::new(program.as_ref());
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Runs it to its end, and returns what it printed to standard output.
pub(crate) async fn run(mut command: Command) -> Result<String> {
    let shown = shown(&command);
    let program = command.as_std().get_program().to_string_lossy().into_owned();
    let output = command.output().await.map_err(|source| Error::Start { program, source })?;
    if !output.status.success() {
        let said = if output.stderr.is_empty() { &output.stdout } else { &output.stderr };
        return Err(Error::Command {
            command: shown,
            status: output.status.to_string(),
            output: last_lines(&String::from_utf8_lossy(said), 20),
        });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The command as a person would type it.
pub(crate) fn shown(command: &Command) -> String {
    let command = command.as_std();
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

/// The last lines of a text.
pub(crate) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<_> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_lines_are_the_last() {
        assert_eq!(last_lines("a\nb\nc\n", 2), "b\nc");
        assert_eq!(last_lines("a\n", 2), "a");
        assert_eq!(last_lines("", 2), "");
    }

    #[tokio::test]
    async fn a_failure_says_what_ran_and_what_it_said() {
        let error = run(command("sh", ["-c", "echo no such thing >&2; exit 3"])).await.unwrap_err().to_string();
        assert!(
            error.contains("sh -c") && error.contains("exit status: 3") && error.contains("no such thing"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn what_cannot_be_started_says_why() {
        let mut nowhere = command("sh", ["-c", "true"]);
        nowhere.current_dir("/no/such/folder");
        let error = run(nowhere).await.unwrap_err().with_causes();
        assert_eq!(error, "cannot start sh\n  because: No such file or directory (os error 2)");
    }
}
