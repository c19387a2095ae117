//! How often may be asked: a number of requests in a period that is aligned with the clock.

/// One limit.
#[derive(Debug)]
pub(super) struct Quota {
    pub(super) allowed: u64,
    pub(super) period: i64,
    /// The period that `used` counts in.
    current: i64,
    used: u64,
}

impl Quota {
    pub(super) fn new(allowed: u64, period: i64) -> Self {
        Self { allowed, period, current: 0, used: 0 }
    }

    /// Whether one more request is allowed.
    pub(super) fn take(&mut self, now: i64) -> bool {
        if now / self.period != self.current {
            (self.current, self.used) = (now / self.period, 0);
        }
        let allowed = self.used < self.allowed;
        self.used += u64::from(allowed);
        allowed
    }

    pub(super) fn headers(&self, now: i64) -> Vec<(&'static str, String)> {
        vec![
            ("X-RateLimit-Limit", self.allowed.to_string()),
            ("X-RateLimit-Period", self.period.to_string()),
            ("X-RateLimit-Remaining", (self.allowed - self.used).to_string()),
            ("X-RateLimit-Reset", (self.period - now % self.period).to_string()),
            ("X-RateLimit-Name", "batch_query".to_owned()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_ends_with_the_clock() {
        let mut quota = Quota::new(2, 10);
        assert!(quota.take(1008) && quota.take(1009) && !quota.take(1009));
        assert_eq!(quota.headers(1009)[3].1, "1");
        assert!(quota.take(1010));
    }
}
