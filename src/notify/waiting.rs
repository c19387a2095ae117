//! How long a service asks to be left alone, by the headers of its answer.

use std::time::Duration;

use http::HeaderMap;
use jiff::Timestamp;

/// The wait that an answer of status 429 asks for: `Retry-After`, else the time at which the limit is reset.
///
/// Chatwork and GitHub send `x-ratelimit-reset` in seconds since 1970:
/// <https://developer.chatwork.com/docs/endpoints>,
/// <https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api>
pub fn asked(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    retry_after(headers, now).or_else(|| {
        let reset: i64 = text(headers, "x-ratelimit-reset")?.parse().ok()?;
        Some(until(Timestamp::from_second(reset).ok()?, now))
    })
}

/// `Retry-After` in seconds or as a date: <https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3>
pub fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = text(headers, "retry-after")?;
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_zoned(text).ok()?;
    Some(until(date.timestamp(), now))
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// The time from now; nothing where it is past.
fn until(then: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(then.duration_since(now)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked_by(pairs: &[(&'static str, &'static str)]) -> Option<u64> {
        let headers = pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let now: Timestamp = "2026-11-21T02:14:07Z".parse().unwrap();
        asked(&headers, now).map(|wait| wait.as_secs())
    }

    #[test]
    fn seconds_dates_and_resets() {
        assert_eq!(asked_by(&[("retry-after", "12")]), Some(12));
        assert_eq!(asked_by(&[("retry-after", "Sat, 21 Nov 2026 02:14:37 GMT")]), Some(30));
        assert_eq!(asked_by(&[("x-ratelimit-reset", "1795227257")]), Some(10));
        assert_eq!(asked_by(&[("retry-after", "1"), ("x-ratelimit-reset", "1795227257")]), Some(1));
    }

    #[test]
    fn what_is_past_needs_no_wait_and_nonsense_asks_for_nothing() {
        assert_eq!(asked_by(&[("retry-after", "Sat, 21 Nov 2026 02:14:00 GMT")]), Some(0));
        assert_eq!(asked_by(&[("x-ratelimit-reset", "1")]), Some(0));
        for nonsense in ["soon", "-5", "1e9", ""] {
            assert_eq!(asked_by(&[("retry-after", nonsense)]), None, "{nonsense}");
        }
        assert_eq!(asked_by(&[("x-ratelimit-reset", "never")]), None);
    }
}
