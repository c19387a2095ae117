//! How often Datadog lets us ask.
//!
//! <https://docs.datadoghq.com/api/latest/rate-limits/>

use std::time::Duration;

use http::HeaderMap;

/// The longest pause between two questions while there are any left.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What the `X-RateLimit-*` headers of one reply say; `None` where a header is missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Limit {
    /// Requests that are allowed in a period.
    allowed: Option<u64>,
    /// The period, in seconds, aligned with the calendar.
    period: Option<u64>,
    /// Requests that are left in the current period.
    remaining: Option<u64>,
    /// Seconds until the next period.
    reset: Option<u64>,
    /// What the limit is called.
    name: Option<String>,
}

impl Limit {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
        let number = |name: &str| text(name)?.parse().ok();
        Self {
            allowed: number("x-ratelimit-limit"),
            period: number("x-ratelimit-period"),
            remaining: number("x-ratelimit-remaining"),
            reset: number("x-ratelimit-reset"),
            name: text("x-ratelimit-name").map(str::to_owned),
        }
    }

    /// How long to wait after a 429; zero, which leaves it to the back-off, where Datadog does not say.
    pub(super) fn until_reset(&self) -> Duration {
        self.reset.or(self.period).map_or(Duration::ZERO, Duration::from_secs)
    }

    /// The least pause before the next question after a good reply. What is left is the whole organisation's: while a quarter of it
    /// suffices for a question a second nothing holds us back, else it is spread over the time until the reset.
    pub(super) fn pause(&self, step_remaining: Duration) -> Duration {
        let (Some(remaining), Some(reset)) = (self.remaining, self.reset) else { return Duration::ZERO };
        match remaining {
            0 => Duration::from_secs(reset),
            _ if remaining / 4 >= step_remaining.as_secs().min(reset) => Duration::ZERO,
            _ => Duration::from_millis(reset.saturating_mul(1000) / remaining).min(LONGEST_PAUSE),
        }
    }
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.allowed, self.period) {
            (Some(allowed), Some(period)) => write!(f, "{allowed} requests in {period} s")?,
            _ => f.write_str("the limit of requests")?,
        }
        if let Some(name) = &self.name {
            write!(f, " ({name})")?;
        }
        match self.reset {
            Some(reset) => write!(f, ", more in {reset} s"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(remaining: u64, reset: u64) -> Limit {
        Limit { remaining: Some(remaining), reset: Some(reset), ..Limit::default() }
    }

    #[test]
    fn headers_are_read_and_garbage_is_not() {
        let mut headers = HeaderMap::new();
        headers.insert("X-RateLimit-Limit", "100".parse().unwrap());
        headers.insert("X-RateLimit-Period", "60".parse().unwrap());
        headers.insert("X-RateLimit-Remaining", "-1".parse().unwrap());
        headers.insert("X-RateLimit-Reset", "7".parse().unwrap());
        headers.insert("X-RateLimit-Name", "metrics".parse().unwrap());
        let read = Limit::of(&headers);
        assert_eq!(read.to_string(), "100 requests in 60 s (metrics), more in 7 s");
        assert_eq!((read.remaining, read.until_reset()), (None, Duration::from_secs(7)));
        assert_eq!(Limit::default().until_reset(), Duration::ZERO);
    }

    #[test]
    fn what_is_left_is_spread() {
        let step = Duration::from_secs(300);
        assert_eq!(limit(1600, 3600).pause(step), Duration::ZERO);
        assert_eq!(limit(600, 1200).pause(step), Duration::from_secs(2));
        assert_eq!(limit(1, 3600).pause(step), LONGEST_PAUSE);
        assert_eq!(limit(0, 9).pause(step), Duration::from_secs(9));
        assert_eq!(limit(50, 10).pause(step), Duration::ZERO);
        assert_eq!(Limit::default().pause(step), Duration::ZERO);
    }
}
