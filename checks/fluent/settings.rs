//! The check's settings.

use std::time::Duration;

use super::lines::Wanted;
use super::path::Pattern;
use crate::aws::Keys;
use crate::config::{Kind, Problem, Setting, Values};

/// As much as a node's kubelet keeps of a container's log before it rotates it is 10 MiB; the lines stay well below.
///
/// <https://kubernetes.io/docs/concepts/cluster-administration/logging/#log-rotation>
const MOST_BYTES: u64 = 8 << 20;

/// Every setting of the check.
pub(super) static SETTINGS: &[Setting] = &[
    Setting {
        key: "bucket",
        env: &["LOG_BUCKET_NAME"],
        kind: Kind::Text,
        default: Some("kubernetes-logs"),
        help: "The bucket that the log shipper writes to.",
    },
    Setting {
        key: "path",
        env: &["LOG_PATH"],
        kind: Kind::Text,
        default: Some("fluentd/{env}/{namespace}/dt=%Y%m%d"),
        help: "What the keys of the objects begin with; placeholders are strftime's, in UTC, {env}, {namespace} and {cluster}.",
    },
    Setting {
        key: "env",
        env: &["ENV"],
        kind: Kind::Text,
        default: Some("test"),
        help: "The environment, as {env} in the path.",
    },
    Setting {
        key: "usePathStyle",
        env: &["USE_PATH_STYLE"],
        kind: Kind::Flag,
        default: Some("false"),
        help: "Whether the bucket stands in the path of URLs and not in the host name, as most servers other than AWS need.",
    },
    Setting {
        key: "endpoint",
        env: &["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"],
        kind: Kind::Url,
        default: None,
        help: "The S3 server's URL, where it is not that of AWS.",
    },
    Setting {
        key: "region",
        env: &["AWS_REGION", "AWS_DEFAULT_REGION"],
        kind: Kind::Text,
        default: None,
        help: "The bucket's region; default: as the AWS command line would find it, and us-east-1 at an endpoint of your own.",
    },
    Setting {
        key: "accessKeyId",
        env: &["AWS_ACCESS_KEY_ID"],
        // No secret by itself: <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_access-keys.html>
        kind: Kind::Text,
        default: None,
        help: "The access key; default: as the AWS command line would find one (IRSA, pod identity, profile, instance).",
    },
    Setting {
        key: "secretAccessKey",
        env: &["AWS_SECRET_ACCESS_KEY"],
        kind: Kind::Secret,
        default: None,
        help: "The access key's secret.",
    },
    Setting {
        key: "sessionToken",
        env: &["AWS_SESSION_TOKEN"],
        kind: Kind::Secret,
        default: None,
        help: "The session's token, where the access key is a temporary one.",
    },
    Setting {
        key: "lines",
        env: &["KIBERTAS_FLUENT_LINES"],
        kind: Kind::Integer { min: 1, max: 100_000 },
        default: Some("100"),
        help: "The number of numbered lines that have to arrive.",
    },
    Setting {
        key: "lineLength",
        env: &["KIBERTAS_FLUENT_LINE_LENGTH"],
        kind: Kind::Integer { min: 0, max: 1 << 20 },
        default: Some("200"),
        help: "The length of a line in bytes; above 16384 the container runtime splits lines, and the shipper has to join them.",
    },
    Setting {
        key: "flushInterval",
        env: &["KIBERTAS_FLUENT_FLUSH_INTERVAL"],
        kind: Kind::Duration { max_seconds: 86_400 },
        default: None,
        help: "The longest that the shipper holds lines before it uploads them (fluent-bit: 10m, fluentd: 1h10m by default); the check \
               waits a minute more, beyond its timeout if need be. Default: it waits until its timeout.",
    },
    Setting {
        key: "lookBack",
        env: &["KIBERTAS_FLUENT_LOOK_BACK"],
        kind: Kind::Duration { max_seconds: 86_400 },
        default: Some("1h"),
        help: "How long before the run the time in an object's key may be: shippers take that of an object's first line.",
    },
    Setting {
        key: "allowDoubled",
        env: &["KIBERTAS_FLUENT_ALLOW_DOUBLED"],
        kind: Kind::Flag,
        default: Some("true"),
        help: "Whether a line may arrive more than once, as shippers promise no better; doubled lines are reported either way.",
    },
];

/// The settings, typed.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) bucket: String,
    pub(super) path: String,
    env: String,
    pub(super) path_style: bool,
    pub(super) endpoint: Option<String>,
    pub(super) region: Option<String>,
    pub(super) keys: Option<Keys>,
    lines: u32,
    length: usize,
    pub(super) flush_interval: Option<Duration>,
    pub(super) look_back: Duration,
    pub(super) allow_doubled: bool,
}

impl Settings {
    pub(super) fn of(values: &Values) -> Self {
        let owned = |key| values.text(key).map(str::to_owned);
        let keys = owned("accessKeyId").zip(owned("secretAccessKey"));
        Self {
            bucket: values.text_or_empty("bucket").to_owned(),
            path: values.text_or_empty("path").to_owned(),
            env: values.text_or_empty("env").to_owned(),
            path_style: values.flag("usePathStyle"),
            endpoint: owned("endpoint"),
            region: owned("region"),
            keys: keys.map(|(id, secret)| Keys { id, secret, token: owned("sessionToken") }),
            lines: u32::try_from(values.integer("lines")).unwrap_or(u32::MAX),
            length: usize::try_from(values.integer("lineLength")).unwrap_or(usize::MAX),
            flush_interval: values.duration("flushInterval"),
            look_back: values.duration("lookBack").unwrap_or_default(),
            allow_doubled: values.flag("allowDoubled"),
        }
    }

    /// The lines of a run with this nonce.
    pub(super) fn wanted(&self, nonce: String) -> Wanted {
        Wanted { nonce, lines: self.lines, length: self.length }
    }

    /// Where the objects lie; a wrong pattern is told before the check runs.
    pub(super) fn pattern(&self, namespace: &str, cluster: &str) -> Result<Pattern, super::path::PatternError> {
        Pattern::parse(&self.path, &[("env", &self.env), ("namespace", namespace), ("cluster", cluster)])
    }
}

pub(super) fn contradictions(values: &Values) -> Vec<Problem> {
    let settings = Settings::of(values);
    let mut problems = Vec::new();
    let mut wrong = |key: &str, value: Option<String>, expected: String| {
        problems.push(Problem { field: format!("checks.fluent.{key}"), value, expected });
    };
    if let Err(error) = settings.pattern("namespace", "cluster") {
        wrong("path", Some(settings.path.clone()), error.to_string());
    }
    if values.text("accessKeyId").is_some() != values.text("secretAccessKey").is_some() {
        let expected = "set together with secretAccessKey (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY), or neither";
        wrong("accessKeyId", None, expected.to_owned());
    }
    if values.integer("lines") * values.integer("lineLength").max(100) > MOST_BYTES {
        let expected = format!("so that lines of lineLength bytes (at least 100) are {MOST_BYTES} bytes at most");
        wrong("lines", values.text("lines").map(str::to_owned), expected);
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sources;

    fn values(given: &[(&str, &str)]) -> Values {
        let mut sources = Sources::default();
        sources.env.extend(given.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())));
        let mut problems = Vec::new();
        let values = Values::resolve("fluent", SETTINGS, &sources, &mut problems);
        assert!(problems.is_empty(), "{problems:?}");
        values
    }

    #[test]
    fn the_go_tools_defaults_are_kept() {
        let settings = Settings::of(&values(&[]));
        assert_eq!((settings.bucket.as_str(), settings.path_style), ("kubernetes-logs", false));
        let at = "2026-11-21T10:00:00Z".parse().unwrap();
        let windows = settings.pattern("kibertas-1", "blue").unwrap().windows(at, at);
        assert_eq!(windows[0].prefix, "fluentd/test/kibertas-1/dt=20261121");
    }

    #[test]
    fn contradictions_are_told() {
        let told =
            |given: &[(&str, &str)]| contradictions(&values(given)).into_iter().map(|p| p.field).collect::<Vec<_>>();
        assert!(told(&[]).is_empty());
        assert_eq!(told(&[("LOG_PATH", "logs/{pod}")]), ["checks.fluent.path"]);
        assert_eq!(told(&[("AWS_ACCESS_KEY_ID", "x")]), ["checks.fluent.accessKeyId"]);
        assert_eq!(told(&[("KIBERTAS_FLUENT_LINES", "100000")]), ["checks.fluent.lines"]);
    }

    #[test]
    fn only_a_given_flush_interval_is_waited_for() {
        use crate::check::Check;
        use crate::checks::fluent::Fluent;

        let beyond = |values: &Values| Fluent.beyond_timeout(values);
        assert_eq!(beyond(&values(&[])), Duration::ZERO);
        assert_eq!(beyond(&values(&[("KIBERTAS_FLUENT_FLUSH_INTERVAL", "1h")])), Duration::from_secs(3600));
    }

    #[test]
    fn credentials_never_show() {
        let given = [("AWS_ACCESS_KEY_ID", "AKIA1"), ("AWS_SECRET_ACCESS_KEY", "hush")];
        let settings = Settings::of(&values(&given));
        assert!(settings.keys.is_some());
        let shown = format!("{settings:?}");
        assert!(!shown.contains("AKIA1") && !shown.contains("hush"), "{shown}");
    }
}
