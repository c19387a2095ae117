//! The only place that reads the time of day, so that nothing else depends on it unseen.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

/// The time of day, in UTC, to the millisecond.
#[allow(clippy::disallowed_methods)] // the one place
pub fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

/// The time of day after `span`, which stays in range for every span that the configuration lets through.
pub fn after(span: Duration) -> Timestamp {
    now().checked_add(span).unwrap_or(Timestamp::MAX)
}

/// Whole milliseconds between two instants; 0 where `later` is earlier.
pub fn millis_between(earlier: Instant, later: Instant) -> u64 {
    u64::try_from(later.saturating_duration_since(earlier).as_millis()).unwrap_or(u64::MAX)
}

/// A time as people read it: `0.3 s`, `12.0 s`, `2 min 05 s`.
pub fn human(millis: u64) -> String {
    let tenths = (millis + 50) / 100;
    if tenths < 600 {
        format!("{}.{} s", tenths / 10, tenths % 10)
    } else {
        let seconds = (millis + 500) / 1000;
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::human;

    #[test]
    fn times_are_rounded_and_carried() {
        assert_eq!(human(0), "0.0 s");
        assert_eq!(human(1_249), "1.2 s");
        assert_eq!(human(59_960), "1 min 00 s");
        assert_eq!(human(125_000), "2 min 05 s");
    }
}
