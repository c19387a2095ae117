//! What an agent sends, as a function of time: nothing has to run for it.

use super::now;

/// The metrics of one cluster's agent: a point a second, as long as it lives.
#[derive(Debug, Clone)]
pub struct Agent {
    metric: String,
    tags: Vec<String>,
    /// When it sent first and last, in seconds since the epoch.
    from: i64,
    until: i64,
    /// How long a point is on its way, in seconds.
    latency: i64,
    /// Whether its points have values.
    valued: bool,
    /// How far its hosts' clocks are ahead, in seconds.
    ahead: i64,
}

impl Agent {
    /// The agent of a cluster, which has been sending for an hour and goes on.
    pub fn of_cluster(name: &str) -> Self {
        Self {
            metric: "kubernetes.cpu.user.total".to_owned(),
            tags: vec![format!("kube_cluster_name:{name}"), "env:test".to_owned(), "host:node-1".to_owned()],
            from: now() - 3600,
            until: i64::MAX,
            latency: 1,
            valued: true,
            ahead: 0,
        }
    }

    /// Stopped so many seconds ago.
    #[must_use]
    pub fn stopped_ago(mut self, seconds: i64) -> Self {
        self.until = now() - seconds;
        self
    }

    /// Starts to send at a time, in seconds since the epoch.
    #[must_use]
    pub fn starts_at(mut self, second: i64) -> Self {
        self.from = second;
        self
    }

    /// Its points arrive so many seconds late.
    #[must_use]
    pub fn late(mut self, seconds: i64) -> Self {
        self.latency = seconds;
        self
    }

    /// Its points have no values.
    #[must_use]
    pub fn without_values(mut self) -> Self {
        self.valued = false;
        self
    }

    /// The clocks of its hosts are ahead.
    #[must_use]
    pub fn clock_ahead(mut self, seconds: i64) -> Self {
        self.ahead = seconds;
        self
    }

    pub(super) fn metric(&self) -> &str {
        &self.metric
    }

    pub(super) fn tags(&self) -> &[String] {
        &self.tags
    }

    /// Its points between two times that have arrived at `now`, by Datadog's clock. The second that goes on has no value yet.
    pub(super) fn points(&self, from: i64, to: i64, now: i64) -> Vec<(i64, Option<f64>)> {
        let first = from.max(self.from + self.ahead);
        let last = to.min(self.until.saturating_add(self.ahead)).min(now - self.latency + self.ahead);
        let mut points: Vec<(i64, Option<f64>)> =
            (first..=last).map(|at| (at, self.valued.then_some(1_000_000.0))).collect();
        if last < to && !points.is_empty() && last < now {
            points.push((last + 1, None));
        }
        points
    }
}
