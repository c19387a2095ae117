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
    /// The length of a numbered line in bytes, if that is more than its words take.
    #[arg(long, default_value_t = 0)]
    pub length: usize,
    /// The time between two lines.
    #[arg(long, value_parser = duration, default_value = "0s")]
    pub interval: Duration,
    /// End after the last line instead of waiting for a signal.
    #[arg(long)]
    pub once: bool,
}

// The words are letters, digits, spaces and dots alone: no encoder of a log pipeline escapes any of them. The end shows that nothing
// was cut off, and the dots before it that nothing was left out.

/// What every line begins with, before the nonce.
pub const MARK: &str = "kibertas-rs nonce ";

/// The line that begins: `kibertas-rs nonce NONCE begin TOTAL lines end`.
pub fn first_line(nonce: &str, total: u32) -> String {
    format!("{MARK}{nonce} begin {total} lines end")
}

/// One numbered line, from 1 on: `kibertas-rs nonce NONCE line NUMBER of TOTAL … end`, with dots up to `length` bytes.
pub fn numbered_line(nonce: &str, number: u32, total: u32, length: usize) -> String {
    const END: &str = "end";
    let mut line = format!("{MARK}{nonce} line {number} of {total} ");
    let dots = length.saturating_sub(line.len() + END.len());
    line.extend(std::iter::repeat_n('.', dots));
    line.push_str(END);
    line
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
        write_line(to, numbered_line(&args.nonce, number, args.lines, args.length))?;
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
        let args = LogArgs { nonce: "n-1".into(), lines: 3, length: 0, interval: Duration::from_secs(1), once: true };
        let mut out = Vec::new();
        assert!(write_lines(&args, &mut out, &mut Termination::install().unwrap()).await.unwrap());
        let expected = "kibertas-rs nonce n-1 begin 3 lines end\nkibertas-rs nonce n-1 line 1 of 3 end\n\
                        kibertas-rs nonce n-1 line 2 of 3 end\nkibertas-rs nonce n-1 line 3 of 3 end\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn a_line_has_the_length_that_is_asked_for_and_its_end() {
        let line = numbered_line("n-1", 7, 10, 100);
        assert_eq!(line.len(), 100);
        assert!(line.starts_with("kibertas-rs nonce n-1 line 7 of 10 ...") && line.ends_with("...end"), "{line}");
    }
}
