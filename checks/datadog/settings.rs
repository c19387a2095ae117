//! The settings of the check.

use std::path::Path;
use std::time::Duration;

use http::HeaderValue;
use rustls::ClientConfig;

use super::scope;
use crate::check::NotConfigured;
use crate::config::{Core, Kind, Problem, Setting, Values};
use crate::failure::{Certainty, Failure, Origin};
use crate::result::Target;
use crate::tls;

/// Datadog's sites; each is a Datadog of its own, with its own organisations and keys.
///
/// <https://docs.datadoghq.com/getting_started/site/>
pub(super) const SITES: &[&str] = &[
    "datadoghq.com",
    "us3.datadoghq.com",
    "us5.datadoghq.com",
    "datadoghq.eu",
    "uk1.datadoghq.com",
    "ap1.datadoghq.com",
    "ap2.datadoghq.com",
    "ddog-gov.com",
    "us2.ddog-gov.com",
];

pub(super) static ALL: &[Setting] = &[
    Setting {
        key: "query",
        env: &["QUERY_METRICS"],
        kind: Kind::Text,
        default: Some("avg:kubernetes.cpu.user.total{*}"),
        help: "The metric query; the check adds this cluster's tag to its scope.",
    },
    Setting {
        key: "apiKey",
        env: &["DD_API_KEY"],
        kind: Kind::Secret,
        default: None,
        help: "An API key of the organisation that the agent sends to.",
    },
    Setting {
        key: "appKey",
        env: &["DD_APP_KEY"],
        kind: Kind::Secret,
        default: None,
        help: "An application key of the same organisation, with the scope timeseries_query or unscoped.",
    },
    Setting {
        key: "site",
        env: &["DD_SITE"],
        kind: Kind::HostName,
        default: Some("datadoghq.com"),
        help: "The Datadog site, such as datadoghq.eu; the check asks https://api.SITE.",
    },
    Setting {
        key: "baseUrl",
        env: &["KIBERTAS_DATADOG_URL"],
        kind: Kind::Url,
        default: None,
        help: "Instead of `site`: where Datadog's API is asked, such as a reverse proxy.",
    },
    Setting {
        key: "proxy",
        env: &["KIBERTAS_DATADOG_PROXY", "DD_PROXY_HTTPS"],
        kind: Kind::Secret,
        default: None,
        help: "The URL of the forward proxy to Datadog, which may hold a password; default: HTTPS_PROXY and NO_PROXY.",
    },
    Setting {
        key: "caFile",
        env: &["KIBERTAS_DATADOG_CA_FILE"],
        kind: Kind::File,
        default: None,
        help: "Certificates in PEM, the only ones to trust; default: those of the machine and of Mozilla.",
    },
    Setting {
        key: "clusterTag",
        env: &["KIBERTAS_DATADOG_CLUSTER_TAG"],
        kind: Kind::LabelKey,
        default: Some("kube_cluster_name"),
        help: "The key of the tag that holds the cluster's name.",
    },
    Setting {
        key: "clusterName",
        env: &["KIBERTAS_DATADOG_CLUSTER_NAME", "DD_CLUSTER_NAME"],
        kind: Kind::Text,
        default: None,
        help: "The cluster's name as the agent sends it; default: CLUSTER_NAME, else the name that the kubeconfig gives it.",
    },
    Setting {
        key: "freshness",
        env: &["KIBERTAS_DATADOG_FRESHNESS"],
        kind: Kind::Duration { max_seconds: 3600 },
        default: None,
        help: "How old the newest point may be; default: it has to be newer than the check's start.",
    },
    Setting {
        key: "httpTimeout",
        env: &["KIBERTAS_DATADOG_HTTP_TIMEOUT"],
        kind: Kind::Duration { max_seconds: 60 },
        default: Some("10s"),
        help: "The longest that one request may take; it is repeated until the step's deadline.",
    },
];

/// The settings of one run, typed.
pub(super) struct Settings {
    /// The query as it was given.
    pub(super) given: String,
    /// The query scoped to this cluster.
    pub(super) query: String,
    /// The tag of this cluster, `KEY:VALUE`.
    pub(super) tag: String,
    /// The tag's key.
    pub(super) tag_key: String,
    pub(super) api_key: HeaderValue,
    pub(super) app_key: HeaderValue,
    /// Where the API is, without a slash at the end.
    pub(super) url: String,
    /// The site and where it was set; `None`: a base URL is given instead.
    pub(super) site: Option<String>,
    pub(super) proxy: Option<reqwest::Proxy>,
    pub(super) tls: ClientConfig,
    /// `None`: newer than the check's start.
    pub(super) freshness: Option<Duration>,
    pub(super) http_timeout: Duration,
}

impl Settings {
    pub(super) fn read(values: &Values, core: &Core, target: &Target) -> Result<Self, Failure> {
        let wrong = |key: &str, seen: String| {
            Failure::inconclusive("settings that fit together").saw(seen).because(
                Certainty::Certain,
                Origin::Harness,
                format!("the setting {key} of the check datadog-agent is wrong"),
            )
        };
        let tag_key = values.text_or_empty("clusterTag").to_owned();
        let tag = format!("{tag_key}:{}", cluster_name(values, core, target)?);
        let given = values.text_or_empty("query").to_owned();
        let query = scope::scoped(&given, &tag_key, &tag).map_err(|error| wrong("query", error.to_string()))?;
        let key = |name: &str| {
            let mut key = HeaderValue::from_str(values.text_or_empty(name).trim())
                .map_err(|_| wrong(name, "a character that no key has".to_owned()))?;
            key.set_sensitive(true);
            Ok::<_, Failure>(key)
        };
        let (api_key, app_key) = (key("apiKey")?, key("appKey")?);
        let proxy = values.text("proxy").map(str::trim).map(reqwest::Proxy::all).transpose();
        let proxy = proxy.map_err(|_| wrong("proxy", "a proxy that is no URL".to_owned()))?;
        let tls = tls::client_config(values.text("caFile").map(Path::new));
        let tls = tls.map_err(|error| wrong("caFile", error.to_string()))?;
        let site = values.text_or_empty("site").trim_end_matches('.').to_lowercase();
        let (url, site) = match values.text("baseUrl") {
            Some(url) => (url.trim_end_matches('/').to_owned(), None),
            None => (format!("https://api.{site}"), Some(site)),
        };
        let freshness = values.duration("freshness");
        let http_timeout = values.duration("httpTimeout").unwrap_or(Duration::from_secs(10));
        Ok(Self { given, query, tag, tag_key, api_key, app_key, url, site, proxy, tls, freshness, http_timeout })
    }

    /// Where Datadog is, and by which setting, for people.
    pub(super) fn place(&self) -> String {
        match &self.site {
            Some(site) if SITES.contains(&site.as_str()) => format!("the site {site} (DD_SITE)"),
            Some(site) => format!("{site} (DD_SITE), which is none of Datadog's sites that are known"),
            None => format!("{} (baseUrl)", self.url),
        }
    }
}

/// The cluster's name as a tag's value.
fn cluster_name(values: &Values, core: &Core, target: &Target) -> Result<String, Failure> {
    let given = values.text("clusterName").or(core.cluster_name.as_deref());
    match given {
        Some(name) => Ok(tag_value(name)),
        // Inside a cluster nothing says what it is called.
        None if target.context.is_none() => Err(Failure::inconclusive("the name of this cluster")
            .saw("none is given")
            .because(
                Certainty::Certain,
                Origin::Harness,
                "inside a cluster nothing tells the name that its agent sends metrics under",
            )
            .next("set CLUSTER_NAME to the agent's DD_CLUSTER_NAME")),
        None => Ok(tag_value(short_name(&target.name))),
    }
}

/// The cluster's own name in a kubeconfig's: the tools of EKS and GKE put account, project and region around it.
fn short_name(name: &str) -> &str {
    if name.starts_with("arn:") {
        return name.rsplit_once(":cluster/").map_or(name, |(_, name)| name);
    }
    if let Some((name, _region)) = name.strip_suffix(".eksctl.io").and_then(|rest| rest.rsplit_once('.')) {
        return name;
    }
    name.strip_prefix("gke_").and_then(|rest| rest.splitn(3, '_').nth(2)).unwrap_or(name)
}

/// A text as Datadog stores it in a tag: lower case, and `_` for what tags do not have.
///
/// <https://docs.datadoghq.com/getting_started/tagging/#define-tags>
fn tag_value(text: &str) -> String {
    let stored = |c: char| if c.is_alphanumeric() || "_-:./".contains(c) { c } else { '_' };
    text.trim().to_lowercase().chars().map(stored).collect()
}

/// Whether the settings suffice.
pub(super) fn configured(values: &Values) -> Result<(), NotConfigured> {
    let missing = |key: &str| values.text(key).is_none();
    let setting = match (missing("apiKey"), missing("appKey")) {
        (false, false) => return Ok(()),
        (true, true) => "apiKey (DD_API_KEY) and appKey (DD_APP_KEY)",
        (true, false) => "apiKey (DD_API_KEY)",
        (false, true) => "appKey (DD_APP_KEY)",
    };
    let expected = "set: an API key and an application key of the organisation that the agent sends to".to_owned();
    Err(NotConfigured { setting: setting.to_owned(), expected })
}

/// Settings that are right one by one but do not do.
pub(super) fn contradictions(values: &Values) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut wrong = |key: &str, shown: bool, expected: String| {
        let value = values.text(key).filter(|_| shown).map(str::to_owned);
        problems.push(Problem { field: format!("checks.datadog-agent.{key}"), value, expected });
    };
    if let Err(error) = scope::scoped(values.text_or_empty("query"), "", "") {
        wrong("query", true, format!("a metric query such as avg:kubernetes.cpu.user.total{{*}} ({error})"));
    }
    let site = values.text_or_empty("site");
    if site.starts_with("app.") || site.starts_with("api.") {
        wrong("site", true, format!("the site alone (DD_SITE), such as {}", &site[4..]));
    }
    for key in ["apiKey", "appKey"] {
        let no_header = |text: &str| HeaderValue::from_str(text.trim()).is_err() || !text.is_ascii();
        if values.text(key).is_some_and(no_header) {
            wrong(key, false, "a key, which has letters, digits and '_' alone".to_owned());
        }
    }
    if values.text("proxy").is_some_and(|url| !Kind::Url.accepts(url.trim())) {
        wrong("proxy", false, Kind::Url.expectation());
    }
    if let Some(Err(error)) = values.text("caFile").map(|path| tls::client_config(Some(Path::new(path)))) {
        wrong("caFile", true, format!("a file of certificates in PEM ({error})"));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Sources};

    static CHECKS: &[&dyn crate::check::Check] = &[&super::super::Datadog];

    fn config(given: &[&str]) -> Result<Config, String> {
        let mut sources = Sources::default();
        for assignment in ["datadog-agent.apiKey=api-key", "datadog-agent.appKey=app-key"].iter().chain(given) {
            sources.set(assignment).unwrap();
        }
        Config::resolve(&sources, CHECKS).map_err(|error| error.to_string())
    }

    fn settings(given: &[&str], target: &Target) -> Result<Settings, Failure> {
        let config = config(given).unwrap();
        Settings::read(config.of("datadog-agent"), &config.core, target)
    }

    fn target(name: &str) -> Target {
        Target { name: name.to_owned(), context: Some("x".to_owned()), ..Target::default() }
    }

    #[test]
    fn without_keys_it_is_not_configured() {
        let reason = |env: &[(&str, &str)]| {
            let mut given = Sources::default();
            given.env.extend(env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
            let config = Config::resolve(&given, CHECKS).unwrap();
            configured(config.of("datadog-agent")).map_err(|missing| missing.setting)
        };
        assert_eq!(reason(&[]).unwrap_err(), "apiKey (DD_API_KEY) and appKey (DD_APP_KEY)");
        assert_eq!(reason(&[("DD_API_KEY", "aaaa")]).unwrap_err(), "appKey (DD_APP_KEY)");
        assert_eq!(reason(&[("DD_APP_KEY", "aaaa"), ("DD_API_KEY", "")]).unwrap_err(), "apiKey (DD_API_KEY)");
        assert!(reason(&[("DD_APP_KEY", "aaaa"), ("DD_API_KEY", "bbbb")]).is_ok());
    }

    #[test]
    fn the_cluster_is_called_what_its_agent_calls_it() {
        let tag = |given: &[&str], name: &str| settings(given, &target(name)).unwrap().tag;
        assert_eq!(tag(&[], "arn:aws:eks:eu-west-1:123:cluster/Blue"), "kube_cluster_name:blue");
        assert_eq!(tag(&[], "blue.eu-west-1.eksctl.io"), "kube_cluster_name:blue");
        assert_eq!(tag(&[], "gke_project_europe-west1-b_blue"), "kube_cluster_name:blue");
        assert_eq!(tag(&["clusterName=Green 2"], "x"), "kube_cluster_name:green_2");
        let both = ["clusterName=core", "datadog-agent.clusterName=own", "datadog-agent.clusterTag=cluster"];
        assert_eq!(tag(&both, "x"), "cluster:own");
    }

    #[test]
    fn inside_a_cluster_the_name_has_to_be_given() {
        let inside = Target { name: "in-cluster".to_owned(), ..Target::default() };
        let failure = settings(&[], &inside).err().unwrap();
        assert_eq!(failure.verdict, crate::verdict::Verdict::Inconclusive);
        assert!(failure.next[0].contains("CLUSTER_NAME"), "{failure:?}");
        assert_eq!(settings(&["clusterName=blue"], &inside).unwrap().tag, "kube_cluster_name:blue");
    }

    #[test]
    fn the_site_chooses_the_host() {
        let url = |given: &[&str]| settings(given, &target("blue")).unwrap().url;
        assert_eq!(url(&[]), "https://api.datadoghq.com");
        assert_eq!(url(&["datadog-agent.site=US5.datadoghq.com"]), "https://api.us5.datadoghq.com");
        assert_eq!(url(&["datadog-agent.baseUrl=http://127.0.0.1:1/"]), "http://127.0.0.1:1");
    }

    #[test]
    fn what_cannot_work_is_told_before_anything_runs_and_keys_are_not_shown() {
        for (set, told) in [
            ("datadog-agent.query=avg:kubernetes.cpu.user.total", "a metric query such as"),
            ("datadog-agent.query=default_zero(avg:a{*})", "default_zero"),
            ("datadog-agent.site=app.datadoghq.eu", "the site alone (DD_SITE), such as datadoghq.eu"),
            ("datadog-agent.apiKey=geh\u{e4}im", "apiKey should be a key"),
            ("datadog-agent.proxy=hunter2", "proxy should be a URL"),
        ] {
            let error = config(&[set]).unwrap_err();
            assert!(error.contains(told) && !error.contains("hunter2") && !error.contains("im\""), "{set}: {error}");
        }
    }
}
