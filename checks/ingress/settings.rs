//! The settings of the check.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use rustls::ClientConfig;

use crate::check::NotConfigured;
use crate::cluster::RunId;
use crate::config::{Kind, Problem, Setting, Values};
use crate::dns::Match;
use crate::failure::{Certainty, Failure, Origin};
use crate::tls;

pub(super) static ALL: &[Setting] = &[
    Setting {
        key: "host",
        env: &["EXTERNAL_HOSTNAME"],
        kind: Kind::HostName,
        default: Some("example.local"),
        help: "The host name of the Ingress; two clusters that are tested side by side need two, or `zone`.",
    },
    Setting {
        key: "zone",
        env: &["KIBERTAS_INGRESS_ZONE"],
        kind: Kind::HostName,
        default: None,
        help: "Instead of `host`: a zone that external-dns writes to; the host is then kibertas-RUN.ZONE, new in each run.",
    },
    Setting {
        key: "class",
        env: &["INGRESS_CLASS_NAME"],
        kind: Kind::HostName,
        default: Some("alb"),
        help: "The IngressClass.",
    },
    Setting {
        key: "annotations",
        env: &["KIBERTAS_INGRESS_ANNOTATIONS"],
        kind: Kind::Pairs,
        default: None,
        help: "Annotations of the Ingress, over those that the check sets itself; an empty value leaves one out.",
    },
    Setting {
        key: "scheme",
        env: &["KIBERTAS_INGRESS_SCHEME"],
        kind: Kind::Choice(&["http", "https"]),
        default: Some("http"),
        help: "How to ask; with https the certificate's chain and name are verified.",
    },
    Setting {
        key: "port",
        env: &["KIBERTAS_INGRESS_PORT"],
        kind: Kind::Integer { min: 1, max: 65_535 },
        default: None,
        help: "The load balancer's port; default: 80, with https 443.",
    },
    Setting {
        key: "tlsSecret",
        env: &["KIBERTAS_INGRESS_TLS_SECRET"],
        kind: Kind::ObjectName,
        default: None,
        help: "With https: the Secret with the certificate, in the check's namespace; default: the controller's own certificate.",
    },
    Setting {
        key: "caFile",
        env: &["KIBERTAS_INGRESS_CA_FILE"],
        kind: Kind::File,
        default: None,
        help: "With https: certificates in PEM, the only ones to trust; default: those of the machine and of Mozilla.",
    },
    Setting {
        key: "httpTimeout",
        env: &["KIBERTAS_HTTP_TIMEOUT"],
        kind: Kind::Duration { max_seconds: 60 },
        default: Some("3s"),
        help: "The longest that one request may take; it is repeated until the step's deadline.",
    },
    Setting {
        key: "dnsCheck",
        env: &["KIBERTAS_DNS_CHECK"],
        kind: Kind::Flag,
        default: Some("true"),
        help: "Whether DNS is part of the check; false, like --no-dns-check, ends it with requests to the address.",
    },
    Setting {
        key: "resolvers",
        env: &["KIBERTAS_DNS_SERVERS"],
        kind: Kind::Resolvers,
        default: None,
        help: "DNS servers to ask, and no others; default: the zone's own servers, then the machine's resolvers.",
    },
    Setting {
        key: "dnsMatch",
        env: &["KIBERTAS_DNS_MATCH"],
        kind: Kind::Choice(&["any", "all"]),
        default: Some("any"),
        help: "Whether the record has to name any of the load balancer's addresses, or exactly all of them.",
    },
];

/// The settings of one run, typed.
pub(super) struct Settings {
    /// The host, in lower case and without the last dot.
    pub(super) host: String,
    /// Whether it was made for this run.
    pub(super) host_is_new: bool,
    pub(super) class: String,
    /// Annotations that the user gave.
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) https: bool,
    /// Whom to trust; nobody without https.
    pub(super) tls: ClientConfig,
    pub(super) tls_secret: Option<String>,
    pub(super) port: u16,
    pub(super) http_timeout: Duration,
    /// `None`: DNS is not part of the check.
    pub(super) dns: Option<Dns>,
}

/// The settings for DNS.
pub(super) struct Dns {
    pub(super) resolvers: Vec<SocketAddr>,
    pub(super) how: Match,
}

impl Settings {
    pub(super) fn read(values: &Values, run: &RunId) -> Result<Self, Failure> {
        let host = match values.text("zone") {
            Some(zone) => format!("kibertas-{run}.{zone}"),
            None => values.text_or_empty("host").to_owned(),
        };
        let https = is_https(values);
        let trusted =
            if https { tls::client_config(values.text("caFile").map(Path::new)) } else { tls::trusting_nobody() };
        let tls = trusted.map_err(|error| {
            Failure::inconclusive("certificates to trust").saw(error.to_string()).because(
                Certainty::Certain,
                Origin::Harness,
                "the setting caFile of the check ingress is wrong",
            )
        })?;
        let default_port = if https { 443 } else { 80 };
        let how = if values.text("dnsMatch") == Some("all") { Match::All } else { Match::Any };
        Ok(Self {
            host_is_new: values.text("zone").is_some(),
            host: host.trim_end_matches('.').to_lowercase(),
            class: values.text_or_empty("class").to_owned(),
            annotations: values.pairs("annotations"),
            https,
            tls,
            tls_secret: values.text("tlsSecret").map(str::to_owned),
            port: u16::try_from(values.integer("port")).ok().filter(|port| *port != 0).unwrap_or(default_port),
            http_timeout: values.duration("httpTimeout").unwrap_or(Duration::from_secs(3)),
            dns: values.flag("dnsCheck").then(|| Dns { resolvers: values.resolvers("resolvers"), how }),
        })
    }
}

/// Whether the settings suffice.
pub(super) fn configured(values: &Values) -> Result<(), NotConfigured> {
    if values.flag("dnsCheck") && !values.is_given("host") && values.text("zone").is_none() {
        return Err(NotConfigured {
            setting: "host (EXTERNAL_HOSTNAME) or zone (KIBERTAS_INGRESS_ZONE)".to_owned(),
            expected: "a name in a zone that external-dns writes to; without DNS: --no-dns-check".to_owned(),
        });
    }
    Ok(())
}

/// Settings that contradict each other.
pub(super) fn contradictions(values: &Values) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut wrong = |key: &str, expected: String| {
        let value = values.text(key).map(str::to_owned);
        problems.push(Problem { field: format!("checks.ingress.{key}"), value, expected });
    };
    if values.is_given("host") && values.text("zone").is_some() {
        wrong("host", "unset where zone is set (EXTERNAL_HOSTNAME and KIBERTAS_INGRESS_ZONE)".to_owned());
    }
    for key in ["tlsSecret", "caFile"] {
        if values.is_given(key) && !is_https(values) {
            wrong(key, "unset, or scheme be https".to_owned());
        }
    }
    if let Some(Err(error)) = values.text("caFile").map(|path| tls::client_config(Some(Path::new(path)))) {
        wrong("caFile", format!("a file of certificates in PEM ({error})"));
    }
    problems
}

fn is_https(values: &Values) -> bool {
    values.text("scheme") == Some("https")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sources;

    fn values(given: &[&str]) -> Values {
        let mut sources = Sources::default();
        for assignment in given {
            sources.set(&format!("ingress.{assignment}")).unwrap();
        }
        let mut problems = Vec::new();
        let values = Values::resolve("ingress", ALL, &sources, &mut problems);
        assert!(problems.is_empty(), "{problems:?}");
        values
    }

    #[test]
    fn a_generated_host_is_of_this_run_alone() {
        let run = RunId::random();
        let settings = Settings::read(&values(&["zone=E2E.test."]), &run).unwrap();
        assert_eq!(settings.host, format!("kibertas-{run}.e2e.test"));
        assert_eq!(settings.port, 80);
        assert!(settings.dns.is_some() && !settings.https);
    }

    #[test]
    fn the_scheme_chooses_port_and_trust() {
        let settings = Settings::read(&values(&["scheme=https"]), &RunId::random()).unwrap();
        assert!(settings.port == 443 && settings.https);
        let settings = Settings::read(&values(&["port=8080"]), &RunId::random()).unwrap();
        assert_eq!(settings.port, 8080);
    }

    #[test]
    fn what_does_not_fit_together_is_told() {
        assert!(configured(&values(&[])).is_err());
        assert!(configured(&values(&["dnsCheck=false"])).is_ok());
        assert!(configured(&values(&["host=example.local"])).is_ok());
        let told = |given: &[&str]| contradictions(&values(given)).into_iter().map(|p| p.field).collect::<Vec<_>>();
        assert_eq!(told(&["host=a.b", "zone=b"]), ["checks.ingress.host"]);
        assert_eq!(told(&["host=a.b", "tlsSecret=x"]), ["checks.ingress.tlsSecret"]);
        assert!(told(&["host=a.b", "tlsSecret=x", "scheme=https"]).is_empty());
        let no_certificates = concat!("caFile=", env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        assert_eq!(told(&["host=a.b", "scheme=https", no_certificates]), ["checks.ingress.caFile"]);
    }
}
