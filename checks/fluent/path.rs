//! Where objects lie: a pattern with times, and the part of the bucket that it leaves to list.

use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// A part of the bucket to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Window {
    /// What the keys begin with.
    pub(super) prefix: String,
    /// Where to begin after; `None`: at the first key.
    pub(super) after: Option<String>,
}

/// Where objects lie, as far as it can be known beforehand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    /// Up to the first placeholder that is finer than an hour: few windows then hold any run.
    hourly: String,
    /// The same with that placeholder, if it is the minute: keys within an hour then sort by it.
    minutely: Option<String>,
}

/// Why a pattern is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a path whose placeholders are those of strftime, {{env}}, {{namespace}} and {{cluster}}: {0}")]
pub(super) struct PatternError(String);

/// Conversions of strftime that are finer than an hour, or contain such.
const FINER: &str = "MSsfNLTRcXr+";

impl Pattern {
    /// Reads a pattern. `names` are the placeholders in braces with their values.
    ///
    /// It ends where something begins that cannot be known beforehand: fluent-bit's `$TAG` and `$UUID`, fluentd's `%{index}` and
    /// `${tag}`. A leading `/` is left out, as both do.
    ///
    /// <https://docs.fluentbit.io/manual/data-pipeline/outputs/s3>, <https://docs.fluentd.org/output/s3>
    pub(super) fn parse(text: &str, names: &[(&str, &str)]) -> Result<Self, PatternError> {
        let mut hourly = String::new();
        let mut minutely = None;
        let mut rest = text.strip_prefix('/').unwrap_or(text);
        while let Some(first) = rest.chars().next() {
            if first == '$' || rest.starts_with("%{") {
                break;
            }
            let token = match first {
                '%' => conversion(rest)?,
                '{' => rest.split_inclusive('}').next().unwrap_or(rest),
                other => &rest[..other.len_utf8()],
            };
            rest = &rest[token.len()..];
            if let Some(name) = token.strip_prefix('{') {
                hourly.push_str(&named(name, names)?.replace('%', "%%"));
                continue;
            }
            if first == '%' && token.ends_with(|c| FINER.contains(c)) {
                minutely = token.ends_with('M').then(|| format!("{hourly}{token}"));
                break;
            }
            hourly.push_str(token);
        }
        let pattern = Self { hourly, minutely };
        for part in std::iter::once(&pattern.hourly).chain(&pattern.minutely) {
            let utc = Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC);
            strtime::format(part, &utc).map_err(|error| PatternError(error.to_string()))?;
        }
        Ok(pattern)
    }

    /// The windows that hold every object whose key's time, in UTC, is between two times. There is always one.
    pub(super) fn windows(&self, from: Timestamp, to: Timestamp) -> Vec<Window> {
        let mut windows: Vec<Window> = Vec::new();
        let mut at = from;
        loop {
            let prefix = expand(&self.hourly, at);
            if !windows.iter().any(|window| window.prefix == prefix) {
                windows.push(Window { prefix, after: None });
            }
            if at >= to {
                break;
            }
            at = at.checked_add(SignedDuration::from_hours(1)).unwrap_or(to).min(to);
        }
        windows[0].after = self.minutely.as_deref().map(|pattern| expand(pattern, from));
        windows
    }
}

fn conversion(text: &str) -> Result<&str, PatternError> {
    // Flags and a width may stand between: `%-d`, `%3N`.
    let end = text[1..].find(|c: char| !matches!(c, '-' | '_' | '0'..='9' | '^' | '#' | ':'));
    let letter = end.and_then(|at| text[1 + at..].chars().next().map(|c| 1 + at + c.len_utf8()));
    letter.map(|end| &text[..end]).ok_or_else(|| PatternError(format!("{text:?} ends in the middle of one")))
}

fn named<'n>(token: &str, names: &[(&str, &'n str)]) -> Result<&'n str, PatternError> {
    let value = names.iter().find(|(name, _)| token.strip_suffix('}') == Some(*name));
    value.map(|(_, value)| *value).ok_or_else(|| PatternError(format!("there is no {{{token}")))
}

/// The pattern was proved when it was read.
fn expand(pattern: &str, at: Timestamp) -> String {
    strtime::format(pattern, &at.to_zoned(TimeZone::UTC)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windows(pattern: &str, from: &str, to: &str) -> Vec<(String, Option<String>)> {
        let names = [("env", "test"), ("namespace", "k-1%"), ("cluster", "blue")];
        let pattern = Pattern::parse(pattern, &names).unwrap();
        let windows = pattern.windows(from.parse().unwrap(), to.parse().unwrap());
        windows.into_iter().map(|window| (window.prefix, window.after)).collect()
    }

    #[test]
    fn a_path_without_times_is_one_window() {
        let all = [("logs/test/k-1%/".to_owned(), None)];
        assert_eq!(windows("/logs/{env}/{namespace}/", "2026-11-21T00:00:00Z", "2026-11-23T00:00:00Z"), all);
    }

    #[test]
    fn midnight_and_the_hour_make_a_second_window() {
        let days = windows("{cluster}/dt=%Y%m%d", "2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z");
        assert_eq!(days, [("blue/dt=20261231".to_owned(), None), ("blue/dt=20270101".to_owned(), None)]);
        let hours = windows("%Y/%m/%d/%H/", "2026-11-21T14:50:00Z", "2026-11-21T16:10:00Z");
        let hours: Vec<String> = hours.into_iter().map(|(prefix, _)| prefix).collect();
        assert_eq!(hours, ["2026/11/21/14/", "2026/11/21/15/", "2026/11/21/16/"]);
    }

    #[test]
    fn minutes_say_where_to_begin_and_make_no_windows() {
        let found = windows("h=%H/m=%M/s=%S/", "2026-11-21T14:50:10Z", "2026-11-21T15:10:00Z");
        let expected = [("h=14/m=".to_owned(), Some("h=14/m=50".to_owned())), ("h=15/m=".to_owned(), None)];
        assert_eq!(found, expected);
        // Seconds alone do not sort by time.
        assert_eq!(windows("%S", "2026-11-21T14:50:10Z", "2026-11-21T14:50:11Z"), [(String::new(), None)]);
    }

    #[test]
    fn what_nobody_can_know_ends_the_prefix() {
        let at = "2026-11-21T14:50:00Z";
        for (pattern, prefix) in
            [("a/$TAG/%Y", "a/"), ("a/%{index}", "a/"), ("%Y/${tag}", "2026/"), ("%Y%%%3N", "2026%")]
        {
            assert_eq!(windows(pattern, at, at)[0].0, prefix, "{pattern}");
        }
    }

    #[test]
    fn a_wrong_placeholder_is_told() {
        for wrong in ["a/%", "a/%-", "a/%Ö", "a/{pod}", "a/{env", "%E"] {
            assert!(Pattern::parse(wrong, &[("env", "x")]).is_err(), "{wrong}");
        }
    }
}
