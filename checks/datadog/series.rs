//! What a query's reply holds, and whether it proves that metrics of this cluster arrive now.

use serde_json::Value;

use crate::cluster::Look;

/// Points that are younger than this, in seconds, may still change: other hosts' values, or the rest of an interval, are yet to come.
const SETTLED_AFTER: i64 = 60;
/// How far ahead of Datadog's clock a point is taken for one of now, in seconds. Datadog takes points up to ten minutes ahead.
///
/// <https://docs.datadoghq.com/api/latest/metrics/submit-metrics/>
const AHEAD: i64 = 5;

/// One point that has a value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    /// When, in seconds since the epoch, by Datadog's clock.
    pub(super) at: i64,
    /// The value.
    pub(super) value: f64,
}

/// The series of a reply that are this cluster's.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Findings {
    /// How many series.
    pub(super) series: usize,
    /// Their points that have a value, oldest first.
    pub(super) points: Vec<Point>,
    /// How many points have none.
    pub(super) nulls: usize,
    /// The scopes of series that are not this cluster's.
    pub(super) foreign: Vec<String>,
}

impl Findings {
    /// Reads a reply. Only a series whose scope or tags name the cluster counts: an echo of the query proves nothing by itself, but a
    /// reply that does not even name the cluster is certainly not about it.
    ///
    /// <https://docs.datadoghq.com/api/latest/metrics/query-timeseries-points/>
    pub(super) fn read(reply: &Value, tag: &str) -> Self {
        let mut findings = Self::default();
        for series in reply["series"].as_array().map_or(&[][..], Vec::as_slice) {
            let scope = series["scope"].as_str().unwrap_or_default();
            if !scopes(series).any(|found| found == tag) {
                findings.foreign.push(if scope.is_empty() { "no scope".to_owned() } else { scope.to_owned() });
                continue;
            }
            findings.series += 1;
            for point in series["pointlist"].as_array().map_or(&[][..], Vec::as_slice) {
                let (at, value) = (point[0].as_f64(), point[1].as_f64());
                match (at, value) {
                    // Milliseconds in replies, though seconds in requests.
                    (Some(at), Some(value)) => findings.points.push(Point { at: seconds(at), value }),
                    _ => findings.nulls += 1,
                }
            }
        }
        findings.points.sort_by_key(|point| point.at);
        findings
    }

    /// The newest point with a value that is not ahead of `now`.
    pub(super) fn newest(&self, now: i64) -> Option<Point> {
        self.points.iter().rev().find(|point| point.at <= now + AHEAD).copied()
    }

    /// The newest point with a value, be it ahead of the time.
    pub(super) fn last(&self) -> Option<Point> {
        self.points.last().copied()
    }
}

#[allow(clippy::cast_possible_truncation)] // a time in milliseconds fits for ages
fn seconds(milliseconds: f64) -> i64 {
    (milliseconds / 1000.0).floor() as i64
}

/// The tags that a series says it is about.
fn scopes(series: &Value) -> impl Iterator<Item = &str> {
    let scope = series["scope"].as_str().unwrap_or_default();
    let tags = series["tag_set"].as_array().map_or(&[][..], Vec::as_slice).iter().filter_map(Value::as_str);
    scope.split([',', ' ', '(', ')']).filter(|word| !word.is_empty()).chain(tags)
}

/// The names of the clusters in a reply that is grouped by the cluster's tag, at most five.
pub(super) fn clusters(reply: &Value, tag_key: &str) -> Vec<String> {
    let series = reply["series"].as_array().map_or(&[][..], Vec::as_slice);
    let names = series.iter().filter_map(|series| {
        scopes(series).find_map(|tag| tag.split_once(':').filter(|(key, _)| *key == tag_key)).map(|(_, name)| name)
    });
    let mut names: Vec<String> = names.filter(|name| *name != "*").map(str::to_owned).collect();
    names.sort();
    names.dedup();
    names.truncate(5);
    names
}

/// What makes a point a proof.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Proof {
    /// It was not there at the first question, so it has been sent since, whatever the clock of its host says.
    Arrived {
        /// The last point at the first question.
        after: Option<Point>,
    },
    /// It is from now, by Datadog's clock.
    Recent,
}

/// What is fresh.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Fresh {
    /// The point that proves it.
    pub(super) point: Point,
    /// Whether it is old enough to be final.
    pub(super) settled: bool,
    /// How many points are as fresh.
    pub(super) count: usize,
}

/// Looks for a point that proves arrival, at `since` or later. A settled one goes first.
///
/// `before`: the newest point that was known earlier, for the words.
pub(super) fn look(findings: &Findings, since: i64, now: i64, proof: Proof, before: Option<Point>) -> Look<Fresh> {
    let proves = |point: &&Point| {
        point.at >= since
            && match proof {
                Proof::Arrived { after } => after.is_none_or(|after| point.at > after.at),
                Proof::Recent => point.at <= now + AHEAD,
            }
    };
    let fresh: Vec<Point> = findings.points.iter().filter(proves).copied().collect();
    let settled = fresh.iter().rev().find(|point| point.at <= now - SETTLED_AFTER);
    if let Some(point) = settled.or(fresh.last()) {
        return Look::Found(Fresh { point: *point, settled: settled.is_some(), count: fresh.len() });
    }
    let newest = [findings.last(), before].into_iter().flatten().max_by_key(|point| point.at);
    Look::NotYet(match newest {
        Some(newest) if newest.at > now + AHEAD => format!(
            "no new point, and the last is {} ahead of Datadog's clock: a clock of the cluster is wrong",
            age(newest.at - now)
        ),
        Some(newest) => {
            format!("the newest point is {} old, from before {}", age(now - newest.at), from_what(since, now))
        }
        None if findings.nulls > 0 => format!("all {} points are null", findings.nulls),
        None => "no point".to_owned(),
    })
}

/// Whether a point is ahead of the time, so that its time says nothing about when it was sent.
pub(super) fn is_ahead(point: Option<Point>, now: i64) -> bool {
    point.is_some_and(|point| point.at > now + AHEAD)
}

fn from_what(since: i64, now: i64) -> String {
    format!("what counts as fresh ({} ago)", age(now - since))
}

/// A time in words; the seconds alone up to two minutes.
fn age(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{} s", seconds.max(0)),
        120..7200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const TAG: &str = "cluster:blue";
    const NOW: i64 = 1_700_000_000;

    fn reply(scope: &str, points: &[(i64, Option<f64>)]) -> Value {
        let points: Vec<Value> = points.iter().map(|(ago, value)| json!([(NOW - ago) * 1000, value])).collect();
        json!({"status": "ok", "series": [{"scope": scope, "tag_set": [], "pointlist": points}]})
    }

    fn seen(points: &[(i64, Option<f64>)], since: i64) -> Result<(i64, bool), String> {
        match look(&Findings::read(&reply(TAG, points), TAG), NOW - since, NOW, Proof::Recent, None) {
            Look::Found(fresh) => Ok((NOW - fresh.point.at, fresh.settled)),
            Look::NotYet(seen) => Err(seen),
            Look::Never(failure) => panic!("{failure}"),
        }
    }

    #[test]
    fn only_series_of_this_cluster_count() {
        let points = &[(1, Some(1.0))];
        for ours in [TAG, "env:x,cluster:blue", "(env:x) AND cluster:blue"] {
            assert_eq!(Findings::read(&reply(ours, points), TAG).series, 1, "{ours}");
        }
        for other in ["cluster:green", "*", "", "cluster:blue-2", "x:cluster:blue"] {
            let findings = Findings::read(&reply(other, points), TAG);
            assert_eq!((findings.series, findings.points.len(), findings.foreign.len()), (0, 0, 1), "{other}");
        }
        let mut by_tag_set = reply("env:x", points);
        by_tag_set["series"][0]["tag_set"] = json!([TAG]);
        assert_eq!(Findings::read(&by_tag_set, TAG).series, 1);
    }

    #[test]
    fn nulls_and_malformed_points_are_no_points() {
        let mut reply = reply(TAG, &[(1, None), (2, None)]);
        reply["series"][0]["pointlist"].as_array_mut().unwrap().extend([json!([1]), json!("x"), json!(null)]);
        let findings = Findings::read(&reply, TAG);
        assert_eq!((findings.points.len(), findings.nulls), (0, 5));
        for empty in [json!({}), json!({"series": null}), json!({"series": []}), json!("x"), json!([1])] {
            assert_eq!(Findings::read(&empty, TAG), Findings::default(), "{empty}");
        }
    }

    #[test]
    fn a_settled_point_goes_before_a_newer_one() {
        assert_eq!(seen(&[(70, Some(1.0)), (10, Some(2.0)), (0, None)], 100), Ok((70, true)));
        assert_eq!(seen(&[(50, Some(1.0)), (10, Some(2.0)), (0, None)], 100), Ok((10, false)));
        assert_eq!(seen(&[(10, Some(0.0))], 10), Ok((10, false)), "zero is a value, and the limit counts");
    }

    #[test]
    fn what_is_there_instead_is_told() {
        assert_eq!(seen(&[(5, None), (3, None)], 10).unwrap_err(), "all 2 points are null");
        assert_eq!(seen(&[], 10).unwrap_err(), "no point");
        assert!(seen(&[(300, Some(1.0)), (3, None)], 10).unwrap_err().contains("the newest point is 5 min old"));
        assert!(seen(&[(-400, Some(1.0))], 10).unwrap_err().contains("6 min ahead of Datadog's clock"));
        assert_eq!(seen(&[(-400, Some(1.0)), (4, Some(1.0))], 10), Ok((4, false)));
        let before = Some(Point { at: NOW - 7300, value: 1.0 });
        let Look::NotYet(told) = look(&Findings::default(), NOW - 10, NOW, Proof::Recent, before) else { panic!() };
        assert!(told.contains("2 h old"), "{told}");
    }

    #[test]
    fn what_was_there_at_the_first_question_has_not_arrived_since() {
        let at = |ago: i64| Some(Point { at: NOW - ago, value: 1.0 });
        let found = |points: &[(i64, Option<f64>)], after: Option<Point>| {
            let findings = Findings::read(&reply(TAG, points), TAG);
            matches!(look(&findings, NOW - 10, NOW, Proof::Arrived { after }, after), Look::Found(_))
        };
        assert!(found(&[(9, Some(1.0))], None), "a cluster that had sent nothing before");
        assert!(found(&[(9, Some(1.0))], at(300)));
        assert!(!found(&[(11, Some(1.0))], at(300)), "from before the start");
        // A clock that is 400 s ahead: these points seem new, but were there before.
        assert!(!found(&[(8, Some(1.0)), (-400, Some(1.0))], at(-400)));
        assert!(found(&[(8, Some(1.0)), (-401, Some(1.0))], at(-400)));
    }

    #[test]
    fn other_clusters_are_named_once() {
        let series = |name: &str| json!({"scope": format!("cluster:{name}"), "tag_set": [format!("cluster:{name}")]});
        let reply = json!({"series": [series("green"), series("green"), series("a"), {"scope": "*"}]});
        assert_eq!(clusters(&reply, "cluster"), ["a", "green"]);
    }
}
