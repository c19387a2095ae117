//! The metric queries that the stand-in understands: `AGGREGATION:METRIC{SCOPE} [by {TAGS}]`, a scope of tags that all have to be
//! there, written with commas or `AND`.
//!
//! <https://docs.datadoghq.com/metrics/#anatomy-of-a-metric-query>

use std::collections::BTreeMap;

use serde_json::Value;

use super::agent::Agent;
use super::series;

/// A parsed query.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) text: String,
    pub(super) aggregation: String,
    pub(super) metric: String,
    scope: Vec<String>,
    by: Vec<String>,
}

impl Query {
    /// `None` where it is not understood.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (head, rest) = text.split_once('{')?;
        let (scope, rest) = rest.split_once('}')?;
        let (aggregation, metric) = head.trim().split_once(':')?;
        if !["avg", "sum", "min", "max"].contains(&aggregation) || metric.is_empty() {
            return None;
        }
        let by = match rest.trim() {
            "" => Vec::new(),
            rest => words(rest.strip_prefix("by")?.trim().strip_prefix('{')?.strip_suffix('}')?),
        };
        let scope = words(scope).into_iter().filter(|word| word != "*" && word != "AND").collect();
        Some(Self { text: text.to_owned(), aggregation: aggregation.to_owned(), metric: metric.to_owned(), scope, by })
    }

    /// The keys of tags that it groups by.
    pub(super) fn groups(&self) -> &[String] {
        &self.by
    }

    /// The series of a reply: one for each combination of the tags that it groups by.
    pub(super) fn series(&self, agents: &[Agent], from: i64, to: i64, now: i64) -> Vec<Value> {
        let matches = |agent: &&Agent| {
            agent.metric() == self.metric
                && self.scope.iter().all(|wanted| match wanted.strip_prefix('!') {
                    Some(unwanted) => !agent.tags().iter().any(|tag| tag == unwanted),
                    None => agent.tags().contains(wanted),
                })
        };
        let mut groups: BTreeMap<Vec<String>, BTreeMap<i64, Option<f64>>> = BTreeMap::new();
        for agent in agents.iter().filter(matches) {
            let tag_of = |key: &String| agent.tags().iter().find(|tag| tag.starts_with(&format!("{key}:"))).cloned();
            let group: Vec<String> = self.by.iter().filter_map(tag_of).collect();
            let points = groups.entry(group).or_default();
            for (at, value) in agent.points(from, to, now) {
                let known = points.entry(at).or_default();
                *known = known.or(value);
            }
        }
        groups.retain(|_, points| !points.is_empty());
        let of_group = |(group, points): (Vec<String>, BTreeMap<i64, Option<f64>>)| {
            let scope: Vec<String> = self.scope.iter().chain(&group).cloned().collect();
            series(self, &scope, &group, &points.into_iter().collect::<Vec<_>>())
        };
        groups.into_iter().map(of_group).collect()
    }
}

fn words(text: &str) -> Vec<String> {
    text.split([',', ' ', '(', ')']).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datadog::now;

    #[test]
    fn a_scope_selects_and_a_group_splits() {
        let agents = [Agent::of_cluster("blue"), Agent::of_cluster("green")];
        let now = now();
        let scopes = |text: &str| {
            let series = Query::parse(text).unwrap().series(&agents, now - 60, now, now);
            series.iter().map(|series| series["scope"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let metric = "avg:kubernetes.cpu.user.total";
        assert_eq!(scopes(&format!("{metric}{{*}}")), ["*"]);
        assert_eq!(scopes(&format!("{metric}{{kube_cluster_name:blue}}")), ["kube_cluster_name:blue"]);
        assert!(scopes(&format!("{metric}{{kube_cluster_name:red}}")).is_empty());
        assert!(scopes("avg:other{*}").is_empty());
        let both = scopes(&format!("{metric}{{env:test}} by {{kube_cluster_name}}"));
        assert_eq!(both, ["env:test,kube_cluster_name:blue", "env:test,kube_cluster_name:green"]);
    }

    #[test]
    fn what_is_no_query_is_refused() {
        for wrong in ["", "a{*}", "avg:a", "avg:a{*", "mean:a{*}", "avg:a{*} with {x}"] {
            assert_eq!(Query::parse(wrong), None, "{wrong}");
        }
    }
}
