//! `probe exit`: an analysis that passes or fails, a canary that crashes.

use std::time::Duration;

use super::log::write_line;
use super::{ProbeError, Termination, duration};

/// How `probe exit` ends.
#[derive(Debug, Clone, clap::Args)]
pub struct ExitArgs {
    /// The exit code.
    #[arg(long, default_value_t = 0)]
    pub code: u8,
    /// How long to live before.
    #[arg(long, value_parser = duration, default_value = "0s")]
    pub after: Duration,
    /// A line to write at once; may be given several times.
    #[arg(long = "line", value_name = "TEXT")]
    pub lines: Vec<String>,
}

/// Writes the lines, waits, and tells the exit code: `code`, or 0 if a signal came first.
pub async fn end(args: ExitArgs) -> Result<u8, ProbeError> {
    let mut termination = Termination::install()?;
    let mut out = std::io::stdout();
    for line in args.lines {
        write_line(&mut out, line)?;
    }
    let on_its_own = args.after.is_zero() || termination.spared_for(args.after).await;
    Ok(if on_its_own { args.code } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_code_is_told_after_the_time() {
        let started = tokio::time::Instant::now();
        let args = ExitArgs { code: 7, after: Duration::from_secs(30), lines: vec![] };
        assert_eq!(end(args).await.unwrap(), 7);
        assert_eq!(started.elapsed(), Duration::from_secs(30));
    }
}
