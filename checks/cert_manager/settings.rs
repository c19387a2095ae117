//! The check's settings.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use super::objects::{CLUSTER_ISSUER, GROUP, ISSUER, IssuerRef};
use crate::config::setting::is_host_name;
use crate::config::{Core, Kind, Problem, Setting, Values};

/// The check's own CA, made anew by each run.
pub(super) const OWN: &str = "own";

/// The shortest duration that cert-manager takes.
///
/// <https://cert-manager.io/docs/reference/api-docs/#cert-manager.io/v1.CertificateSpec>
const SHORTEST: Duration = Duration::from_secs(3600);
/// The duration of the certificates of the own CA, where none is set.
const OWN_DURATION: Duration = SHORTEST;

/// The settings of the check.
pub(super) static SETTINGS: &[Setting] = &[
    Setting {
        key: "certName",
        env: &["CERT_NAME"],
        kind: Kind::ObjectName,
        default: Some("sample"),
        help: "The beginning of the Certificate's name and of its DNS names.",
    },
    Setting {
        key: "dnsNames",
        env: &["KIBERTAS_CERT_DNS_NAMES"],
        kind: Kind::List,
        default: None,
        help: "The DNS names of each certificate; default: NAME, NAME.NAMESPACE.svc and NAME.NAMESPACE.svc.cluster.local. \
               An ACME issuer needs names that it can prove.",
    },
    Setting {
        key: "issuerKind",
        env: &["KIBERTAS_CERT_ISSUER_KIND"],
        kind: Kind::Choice(&[OWN, ISSUER, CLUSTER_ISSUER]),
        default: Some(OWN),
        help: "Who issues: a CA that the run makes itself, or the Issuer or ClusterIssuer that issuerName names.",
    },
    Setting {
        key: "issuerName",
        env: &["KIBERTAS_CERT_ISSUER_NAME"],
        kind: Kind::ObjectName,
        default: None,
        help: "The Issuer or ClusterIssuer to use. An Issuer works only in its own namespace: set resourceNamespace to it.",
    },
    Setting {
        key: "caFile",
        env: &["KIBERTAS_CERT_CA_FILE"],
        kind: Kind::File,
        default: None,
        help: "PEM file with the root that the chain of an existing issuer has to lead to; \
               default: the ca.crt that the issuer gives.",
    },
    Setting {
        key: "count",
        env: &["KIBERTAS_CERT_COUNT"],
        kind: Kind::Integer { min: 1, max: 50 },
        default: Some("1"),
        help: "How many Certificates to request at once; a stuck queue shows only under several.",
    },
    Setting {
        key: "duration",
        env: &["KIBERTAS_CERT_DURATION"],
        kind: Kind::Duration { max_seconds: 366 * 86_400 },
        default: None,
        help: "How long the certificates are to be valid, at least 1h; default: 1h from the own CA, \
               what the issuer gives from an existing one.",
    },
    Setting {
        key: "keyAlgorithm",
        env: &["KIBERTAS_CERT_KEY_ALGORITHM"],
        kind: Kind::Choice(&["ECDSA", "RSA"]),
        default: Some("ECDSA"),
        help: "The algorithm of the private keys: ECDSA (P-256) or RSA (2048 bits).",
    },
    Setting {
        key: "renewal",
        env: &["KIBERTAS_CERT_RENEWAL"],
        kind: Kind::Flag,
        default: Some("false"),
        help: "Also renew each certificate, as `cmctl renew` does, and verify the second one.",
    },
];

/// The algorithm of a private key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyAlgorithm {
    /// ECDSA on the curve P-256.
    Ecdsa,
    /// RSA with 2048 bits.
    Rsa,
}

impl KeyAlgorithm {
    /// The name, as cert-manager and people write it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ecdsa => "ECDSA",
            Self::Rsa => "RSA",
        }
    }

    /// The size in bits.
    pub(super) const fn bits(self) -> u16 {
        match self {
            Self::Ecdsa => 256,
            Self::Rsa => 2048,
        }
    }

    /// The usages that a TLS server's key needs. An ECDSA key enciphers no keys.
    ///
    /// <https://www.rfc-editor.org/rfc/rfc5480#section-3>
    pub(super) const fn usages(self) -> &'static [&'static str] {
        match self {
            Self::Ecdsa => &["digital signature", "server auth"],
            Self::Rsa => &["digital signature", "key encipherment", "server auth"],
        }
    }
}

/// The settings, typed.
#[derive(Debug, Clone)]
pub(super) struct Options {
    /// The beginning of names.
    pub(super) cert_name: String,
    /// The DNS names of each certificate; empty: made from the name and the namespace.
    pub(super) dns_names: Vec<String>,
    /// The issuer to use; `None`: the run's own.
    pub(super) issuer: Option<IssuerRef>,
    /// The root of an existing issuer.
    pub(super) ca_file: Option<PathBuf>,
    /// How many Certificates.
    pub(super) count: u64,
    /// How long they are to be valid; `None`: as the issuer likes.
    pub(super) duration: Option<Duration>,
    /// The algorithm of the keys.
    pub(super) key: KeyAlgorithm,
    /// Whether to renew.
    pub(super) renewal: bool,
}

impl Options {
    /// Reads values that [`contradictions`] has nothing to say about.
    pub(super) fn of(values: &Values) -> Self {
        let kind = values.text_or_empty("issuerKind");
        let issuer = (kind != OWN).then(|| IssuerRef {
            name: values.text_or_empty("issuerName").to_owned(),
            kind: kind.to_owned(),
            group: GROUP.to_owned(),
        });
        Self {
            cert_name: values.text_or_empty("certName").to_owned(),
            dns_names: values.list("dnsNames"),
            ca_file: values.text("caFile").map(PathBuf::from),
            count: values.integer("count"),
            duration: values.duration("duration").or_else(|| issuer.is_none().then_some(OWN_DURATION)),
            key: if values.text("keyAlgorithm") == Some("RSA") { KeyAlgorithm::Rsa } else { KeyAlgorithm::Ecdsa },
            renewal: values.flag("renewal"),
            issuer,
        }
    }

    /// The DNS names of certificate number `index` in `namespace`; the Go tool's, where none are set.
    pub(super) fn dns_names(&self, index: u64, namespace: &str) -> BTreeSet<String> {
        if !self.dns_names.is_empty() {
            return self.dns_names.iter().cloned().collect();
        }
        let name = if index == 0 { self.cert_name.clone() } else { format!("{}-{index}", self.cert_name) };
        [format!("{name}.{namespace}.svc"), format!("{name}.{namespace}.svc.cluster.local"), name].into()
    }
}

/// Settings that contradict each other.
pub(super) fn contradictions(values: &Values, core: &Core) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut wrong = |key: &str, expected: String| {
        let value = values.text(key).map(str::to_owned);
        problems.push(Problem { field: format!("checks.cert-manager.{key}"), value, expected });
    };
    let kind = values.text_or_empty("issuerKind");
    match (kind, values.text("issuerName")) {
        (OWN, Some(_)) => wrong("issuerKind", format!("{ISSUER} or {CLUSTER_ISSUER} where issuerName is set")),
        (OWN, None) | (_, Some(_)) => {}
        (_, None) => wrong("issuerName", format!("the name of the {kind}, as issuerKind is {kind}")),
    }
    if kind == OWN && values.is_given("caFile") {
        wrong("caFile", format!("unset where issuerKind is {OWN}: the run knows its own CA"));
    }
    if kind == ISSUER && core.resource_namespace.is_none() {
        wrong("issuerKind", format!("{CLUSTER_ISSUER}, or resourceNamespace be set to the namespace of the {ISSUER}"));
    }
    if values.duration("duration").is_some_and(|duration| duration < SHORTEST) {
        wrong("duration", "at least 1h, the shortest that cert-manager takes".to_owned());
    }
    let is_dns_name = |name: &String| is_host_name(name.strip_prefix("*.").unwrap_or(name));
    if !values.list("dnsNames").iter().all(is_dns_name) {
        wrong("dnsNames", "DNS names such as a.example.com, separated by commas".to_owned());
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Check;
    use crate::config::{Config, Sources};

    static CHECKS: &[&dyn Check] = &[&super::super::CertManager];

    fn resolve(set: &[&str]) -> Result<Options, String> {
        let mut sources = Sources::default();
        for assignment in set {
            let scoped = if assignment.starts_with("resource") { "" } else { "cert-manager." };
            sources.set(&format!("{scoped}{assignment}")).unwrap();
        }
        let config = Config::resolve(&sources, CHECKS).map_err(|error| error.to_string())?;
        Ok(Options::of(config.of("cert-manager")))
    }

    #[test]
    fn without_settings_the_run_makes_its_own_ca() {
        let options = resolve(&[]).unwrap();
        assert_eq!(options.issuer, None);
        assert_eq!(options.duration, Some(Duration::from_secs(3600)));
        let names = options.dns_names(0, "ns");
        assert_eq!(names, ["sample", "sample.ns.svc", "sample.ns.svc.cluster.local"].map(str::to_owned).into());
        assert!(options.dns_names(7, "ns").contains("sample-7.ns.svc"));
    }

    #[test]
    fn an_existing_issuer_chooses_the_duration() {
        let options = resolve(&["issuerKind=ClusterIssuer", "issuerName=company"]).unwrap();
        assert_eq!(options.issuer.unwrap().name, "company");
        assert_eq!(options.duration, None);
    }

    #[test]
    fn contradictions_are_told_before_anything_is_created() {
        for (set, told) in [
            (
                &["issuerName=x"][..],
                "issuerKind is \"own\", but should be Issuer or ClusterIssuer where issuerName is set",
            ),
            (&["issuerKind=ClusterIssuer"], "issuerName should be the name of the ClusterIssuer"),
            (&["issuerKind=Issuer", "issuerName=x"], "resourceNamespace be set"),
            (&["duration=59m"], "duration is \"59m\", but should be at least 1h"),
            (&["dnsNames=a.example.com,http://b"], "dnsNames is"),
            (&["caFile=/dev/null"], "caFile is \"/dev/null\", but should be unset"),
            (&["count=51"], "count is \"51\", but should be a whole number from 1 to 50"),
            (&["keyAlgorithm=Ed25519"], "one of ECDSA, RSA"),
        ] {
            let error = resolve(set).unwrap_err();
            assert!(error.contains(told), "{set:?}: {error}");
        }
        resolve(&["issuerKind=Issuer", "issuerName=x", "resourceNamespace=there"]).unwrap();
        resolve(&["dnsNames=*.example.com, b.example.com"]).unwrap();
    }
}
