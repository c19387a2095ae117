//! The metric query, scoped to one cluster.
//!
//! <https://docs.datadoghq.com/metrics/#anatomy-of-a-metric-query>

/// Why a query cannot be scoped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ScopeError {
    /// There is no filter in braces to add a tag to.
    #[error("it has no scope in braces after the metric's name")]
    NoScope,
    /// A brace is never closed.
    #[error("a brace is not closed")]
    Unclosed,
    /// A function makes points where nothing was sent.
    #[error("{0} makes points where none were sent")]
    Invents(&'static str),
    /// It asks for another cluster.
    #[error("its scope is that of another cluster: {0}")]
    OtherCluster(String),
}

/// Functions that fill gaps: with them a query has points though nothing arrives.
///
/// <https://docs.datadoghq.com/dashboards/functions/interpolation/>
const INVENTING: &[&str] = &["default_zero(", ".fill("];

/// The query with a tag in the scope of every metric in it.
pub(super) fn scoped(query: &str, tag_key: &str, tag: &str) -> Result<String, ScopeError> {
    let compact: String = query.chars().filter(|c| !c.is_whitespace()).collect();
    if let Some(function) = INVENTING.iter().find(|function| compact.contains(*function)) {
        return Err(ScopeError::Invents(function.trim_matches(['.', '('])));
    }
    let mut scoped = String::with_capacity(query.len() + tag.len());
    let mut rest = query;
    let mut metrics = 0;
    while let Some((before, after)) = rest.split_once('{') {
        let (inside, behind) = after.split_once('}').ok_or(ScopeError::Unclosed)?;
        scoped.push_str(before);
        scoped.push('{');
        if is_grouping(before) {
            scoped.push_str(inside);
        } else {
            metrics += 1;
            scoped.push_str(&narrowed(inside.trim(), tag_key, tag)?);
        }
        scoped.push('}');
        rest = behind;
    }
    scoped.push_str(rest);
    if metrics == 0 { Err(ScopeError::NoScope) } else { Ok(scoped) }
}

/// The first metric of a query, over all clusters, one series for each: what says who else sends it.
pub(super) fn by_cluster(query: &str, tag_key: &str) -> Option<String> {
    let (before, after) = query.split_once('{')?;
    let (scope, _) = after.split_once('}')?;
    let metric_letter = |c: char| c.is_ascii_alphanumeric() || "_.:".contains(c);
    let start = before.rfind(|c: char| !metric_letter(c)).map_or(0, |at| at + 1);
    let metric = &before[start..];
    (!metric.is_empty()).then(|| format!("{metric}{{{scope}}} by {{{tag_key}}}"))
}

/// Whether the braces that follow hold tags to group by.
fn is_grouping(before: &str) -> bool {
    let Some(head) = before.trim_end().strip_suffix("by") else { return false };
    head.is_empty() || head.ends_with([' ', '}', ')'])
}

/// One scope with the tag added.
fn narrowed(scope: &str, tag_key: &str, tag: &str) -> Result<String, ScopeError> {
    if tag.is_empty() {
        return Ok(scope.to_owned());
    }
    let words = || scope.split([',', ' ', '(', ')']).filter(|word| !word.is_empty());
    let of_cluster = words().find(|word| word.split_once(':').is_some_and(|(key, _)| key == tag_key));
    match of_cluster {
        Some(found) if found == tag || found.contains('*') => {}
        Some(found) => return Err(ScopeError::OtherCluster(found.to_owned())),
        None => {}
    }
    let has_operators = words().any(|word| matches!(word.to_uppercase().as_str(), "AND" | "OR" | "NOT" | "IN"));
    Ok(match scope {
        "" | "*" => tag.to_owned(),
        _ if words().any(|word| word == tag) && !has_operators => scope.to_owned(),
        _ if has_operators || scope.contains('(') => format!("({scope}) AND {tag}"),
        _ => format!("{scope},{tag}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_blue(query: &str) -> Result<String, ScopeError> {
        scoped(query, "cluster", "cluster:blue")
    }

    #[test]
    fn every_metric_gets_the_tag_and_groups_stay() {
        for (query, expected) in [
            ("avg:a.b{*}", "avg:a.b{cluster:blue}"),
            ("avg:a{}", "avg:a{cluster:blue}"),
            ("avg:a{env:x}", "avg:a{env:x,cluster:blue}"),
            ("avg:a{env:x,!host:y} by {host,pod}", "avg:a{env:x,!host:y,cluster:blue} by {host,pod}"),
            ("avg:a{*}by{host}", "avg:a{cluster:blue}by{host}"),
            ("sum:a{*}.as_rate() / sum:b{ * }", "sum:a{cluster:blue}.as_rate() / sum:b{cluster:blue}"),
            ("top(avg:a{x:y} by {h}, 5, 'mean', 'desc')", "top(avg:a{x:y,cluster:blue} by {h}, 5, 'mean', 'desc')"),
            ("avg:a{x:1 OR x:2}", "avg:a{(x:1 OR x:2) AND cluster:blue}"),
            ("avg:a{x IN (1,2)}", "avg:a{(x IN (1,2)) AND cluster:blue}"),
            ("avg:a{cluster:blue}", "avg:a{cluster:blue}"),
            ("avg:a{cluster:b*}", "avg:a{cluster:b*,cluster:blue}"),
            ("avg:a{x:1 OR cluster:blue}", "avg:a{(x:1 OR cluster:blue) AND cluster:blue}"),
            ("avg:standby{*}", "avg:standby{cluster:blue}"),
        ] {
            assert_eq!(of_blue(query).as_deref(), Ok(expected), "{query}");
        }
    }

    #[test]
    fn what_proves_nothing_is_refused() {
        assert_eq!(of_blue("avg:a"), Err(ScopeError::NoScope));
        assert_eq!(of_blue("avg:a by {host}"), Err(ScopeError::NoScope));
        assert_eq!(of_blue("avg:a{*"), Err(ScopeError::Unclosed));
        assert_eq!(of_blue("default_zero (avg:a{*})"), Err(ScopeError::Invents("default_zero")));
        assert_eq!(of_blue("avg:a{*}.fill(last, 60)"), Err(ScopeError::Invents("fill")));
        assert_eq!(of_blue("avg:a{cluster:green}"), Err(ScopeError::OtherCluster("cluster:green".into())));
    }

    #[test]
    fn the_first_metric_by_cluster() {
        let query = |text| by_cluster(text, "cluster");
        assert_eq!(query("avg:a.b{*}").as_deref(), Some("avg:a.b{*} by {cluster}"));
        assert_eq!(query("abs(sum:a{x:y} by {h}) / sum:b{*}").as_deref(), Some("sum:a{x:y} by {cluster}"));
        assert_eq!(query("{*}"), None);
    }
}
