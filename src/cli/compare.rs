//! The command line of `compare`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// The arguments of `compare`.
#[derive(Debug, Args)]
#[command(
    after_help = "Each side is a JSON report, or a folder of them: the results of repeated runs of one cluster. A path, s3://BUCKET/KEY (a folder\n\
    where it does not end in .json), or the https:// URL of a report. The report of a run on several clusters alone is both sides: its\n\
    first cluster, and the second.\n\
    Exit codes: 0 compared, and with --fail-on-regression nothing is worse; 1 something is worse; 2 usage; 4 nothing to compare."
)]
pub struct CompareArgs {
    /// What the other side is measured by: blue, or before.
    #[arg(value_name = "A")]
    pub a: String,
    /// What is looked at: green, or now.
    #[arg(value_name = "B")]
    pub b: Option<String>,
    /// The format.
    #[arg(long, value_enum, default_value = "terminal")]
    pub to: ComparisonFormat,
    /// Where it goes; - is standard output.
    #[arg(long, short, value_name = "FILE", default_value = "-")]
    pub out: PathBuf,
    /// End with 1 where a check or step broke, or a step takes at least so many times as long and chance does not explain it.
    #[arg(long, value_name = "RATIO", value_parser = ratio)]
    pub fail_on_regression: Option<u64>,
}

/// How a comparison is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ComparisonFormat {
    /// For people.
    Terminal,
    /// For pull requests.
    #[value(alias = "md")]
    Markdown,
    /// For programs.
    Json,
    /// One page with both timelines.
    Html,
}

/// Reads a ratio such as `1.5` into hundredths.
pub(crate) fn ratio(text: &str) -> Result<u64, String> {
    let wrong = || "should be a number of at least 1, such as 1.5".to_owned();
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let part: String = part.chars().chain("00".chars()).take(2.max(part.len())).collect();
    if part.len() > 4 || !part.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong());
    }
    let whole: u64 = whole.parse().map_err(|_| wrong())?;
    let hundredths: u64 = part[..2].parse().map_err(|_| wrong())?;
    match whole.checked_mul(100).map(|whole| whole + hundredths) {
        Some(ratio) if ratio >= 100 => Ok(ratio),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_read_as_people_write_them() {
        assert_eq!((ratio("1.5"), ratio("2"), ratio("1.05"), ratio("1.125")), (Ok(150), Ok(200), Ok(105), Ok(112)));
        for wrong in ["0.9", "", "x", "-1", "1.x", "1.5.2", "99999999999999999999"] {
            assert!(ratio(wrong).is_err(), "{wrong}");
        }
    }
}
