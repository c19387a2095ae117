//! `probe log`: writes lines that can be counted at the other end of a log pipeline.

use std::io::Write;
use std::time::Duration;

use super::{NONCE_ENV, ProbeError, Termination, duration};

/// What `probe log` writes.
#[derive(Debug, Clone, clap::Args)]
pub struct LogArgs {
    /// The text by which the check knows its own lines again.
    #[arg(long, env = NONCE_ENV, default_value = "", hide_env_values = true)]
    pub nonce: String,
    /// The number of numbered lines, after the one that begins.
    #[arg(long, default_value_t = 10)]
    pub lines: u32,
    /// The time between two lines.
    #[arg(long, value_parser = duration, default_value = "0s")]
    pub interval: Duration,
    /// End after the last line instead of waiting for a signal.
    #[arg(long)]
    pub once: bool,
}

/// The line that begins: `kibertas-rs nonce=NONCE begin lines=TOTAL`.
pub fn first_line(nonce: &str, total: u32) -> String {
    format!("kibertas-rs nonce={nonce} begin lines={total}")
}

/// One numbered line, from 1 on: `kibertas-rs nonce=NONCE line=NUMBER/TOTAL`.
pub fn numbered_line(nonce: &str, number: u32, total: u32) -> String {
    format!("kibertas-rs nonce={nonce} line={number}/{total}")
}

/// Writes the lines, then stays until a signal comes, because a pod that ends may be gone before its log was shipped.
pub async fn write(args: LogArgs) -> Result<(), ProbeError> {
    let mut termination = Termination::install()?;
    if write_lines(&args, &mut std::io::stdout(), &mut termination).await? && !args.once {
        termination.signalled().await;
    }
    Ok(())
}

/// Writes the lines; `false` if a signal came before the last one.
async fn write_lines(args: &LogArgs, to: &mut impl Write, termination: &mut Termination) -> Result<bool, ProbeError> {
    write_line(to, first_line(&args.nonce, args.lines))?;
    for number in 1..=args.lines {
        if !args.interval.is_zero() && !termination.spared_for(args.interval).await {
            return Ok(false);
        }
        write_line(to, numbered_line(&args.nonce, number, args.lines))?;
    }
    Ok(true)
}

/// One write and one flush a line, so that no collector ever sees half of one.
pub(super) fn write_line(to: &mut impl Write, mut line: String) -> Result<(), ProbeError> {
    line.push('\n');
    to.write_all(line.as_bytes()).map_err(ProbeError::Write)?;
    to.flush().map_err(ProbeError::Write)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn every_line_is_there_once_and_in_order() {
        let args = LogArgs { nonce: "n-1".into(), lines: 3, interval: Duration::from_secs(1), once: true };
        let mut out = Vec::new();
        assert!(write_lines(&args, &mut out, &mut Termination::install().unwrap()).await.unwrap());
        let expected = "kibertas-rs nonce=n-1 begin lines=3\nkibertas-rs nonce=n-1 line=1/3\n\
                        kibertas-rs nonce=n-1 line=2/3\nkibertas-rs nonce=n-1 line=3/3\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
