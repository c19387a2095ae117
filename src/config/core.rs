//! The harness's own settings.

use std::time::Duration;

use super::{ConfigError, Kind, Setting, Values};

/// The longest run that makes sense: a day.
const MAX_SECONDS: u64 = 86_400;

/// Every setting that belongs to no check. The Go tool's names and defaults are kept.
pub static SETTINGS: &[Setting] = &[
    Setting {
        key: "clusterName",
        env: &["CLUSTER_NAME"],
        kind: Kind::Text,
        default: None,
        help: "What the cluster is called in reports and chat; default: the name that the kubeconfig gives it.",
    },
    Setting {
        key: "timeout",
        env: &["KIBERTAS_TIMEOUT"],
        kind: Kind::Duration { max_seconds: MAX_SECONDS },
        default: Some("15m"),
        help: "The longest that one check may take, without its clean-up.",
    },
    Setting {
        key: "stepTimeout",
        env: &["KIBERTAS_STEP_TIMEOUT"],
        kind: Kind::Duration { max_seconds: MAX_SECONDS },
        default: Some("5m"),
        help: "The longest that one step of a check may take.",
    },
    Setting {
        key: "cleanupTimeout",
        env: &["KIBERTAS_CLEANUP_TIMEOUT"],
        kind: Kind::Duration { max_seconds: MAX_SECONDS },
        default: Some("2m"),
        help: "The longest that a check's clean-up may take; apart from the check's own time.",
    },
    Setting {
        key: "image",
        env: &["KIBERTAS_IMAGE"],
        kind: Kind::Text,
        default: Some(concat!("kibertas-rs:", env!("CARGO_PKG_VERSION"))),
        help: "The image of this program, as the cluster's nodes pull it: every pod of a check runs it.",
    },
    Setting {
        key: "baselines",
        env: &["KIBERTAS_BASELINES"],
        kind: Kind::Text,
        default: None,
        help: "Where the last results of each cluster are kept, for --baseline last and compare: a folder, s3://BUCKET/PREFIX, or \
               configmap://NAMESPACE/NAME in the cluster itself.",
    },
    Setting {
        key: "baselinesKept",
        env: &["KIBERTAS_BASELINES_KEPT"],
        kind: Kind::Integer { min: 1, max: 1000 },
        default: Some("20"),
        help: "How many results of each cluster are kept as baselines; a ConfigMap keeps as many of them as fit.",
    },
    Setting {
        key: "resourceName",
        env: &["RESOURCE_NAME"],
        kind: Kind::ObjectName,
        default: Some("kibertas"),
        help: "The beginning of the names of created objects.",
    },
    Setting {
        key: "resourceNamespace",
        env: &["RESOURCE_NAMESPACE"],
        kind: Kind::ObjectName,
        default: None,
        help: "The namespace to work in; default: a new one for each check and run, deleted afterwards. \
               One that exists already is used and never deleted; one that does not is made, and deleted after the last check.",
    },
    Setting {
        key: "publish",
        env: &["KIBERTAS_PUBLISH"],
        kind: Kind::Text,
        default: None,
        help: "Where all reports of each run are published: a folder, or s3://BUCKET/PREFIX.",
    },
    Setting {
        key: "publishUrl",
        env: &["KIBERTAS_PUBLISH_URL"],
        kind: Kind::Url,
        default: None,
        help: "The URL under which readers find what is published; messages link to it.",
    },
    Setting {
        key: "s3Endpoint",
        env: &["KIBERTAS_S3_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"],
        kind: Kind::Url,
        default: None,
        help: "The URL of the S3 server of publish and baselines, where it is not that of AWS.",
    },
    Setting {
        key: "s3Region",
        env: &["KIBERTAS_S3_REGION", "AWS_REGION", "AWS_DEFAULT_REGION"],
        kind: Kind::Text,
        default: None,
        help: "The region of the buckets of publish and baselines; default: as the AWS command line would find it, and us-east-1 at an \
               endpoint of your own.",
    },
    Setting {
        key: "s3PathStyle",
        env: &["KIBERTAS_S3_PATH_STYLE", "USE_PATH_STYLE"],
        kind: Kind::Flag,
        default: None,
        help: "Whether those buckets stand in the path of URLs and not in the host name; default: at an endpoint of your own.",
    },
    Setting {
        key: "events",
        env: &["KIBERTAS_EVENTS"],
        kind: Kind::ObjectName,
        default: None,
        help: "The namespace in which each run leaves Kubernetes Events of its outcome.",
    },
    Setting {
        key: "pushgateway",
        env: &["KIBERTAS_PUSHGATEWAY"],
        kind: Kind::Url,
        default: None,
        help: "The URL of a Prometheus Pushgateway that takes each run's metrics.",
    },
    Setting {
        key: "notifyTimeout",
        env: &["KIBERTAS_NOTIFY_TIMEOUT"],
        kind: Kind::Duration { max_seconds: 600 },
        default: Some("30s"),
        help: "The longest that all messages together may take, retries included; apart from the checks' time.",
    },
];

/// The harness's own settings, typed.
#[derive(Debug, Clone)]
pub struct Core {
    /// What the cluster is called; `None`: as the kubeconfig calls it.
    pub cluster_name: Option<String>,
    /// The longest that one check may take, without its clean-up.
    pub timeout: Duration,
    /// The longest that one step may take.
    pub step_timeout: Duration,
    /// The longest that a check's clean-up may take.
    pub cleanup_timeout: Duration,
    /// The image that every pod of a check runs.
    pub image: String,
    /// Where the last results of each cluster are kept.
    pub baselines: Option<String>,
    /// How many results of each cluster are kept there.
    pub baselines_kept: usize,
    /// The beginning of the names of created objects.
    pub resource_name: String,
    /// The namespace to work in; `None`: a new one for each check and run.
    pub resource_namespace: Option<String>,
    /// Where reports are published.
    pub publish: Option<String>,
    /// The URL under which readers find what is published.
    pub publish_url: Option<String>,
    /// The URL of the S3 server of what is published and kept.
    pub s3_endpoint: Option<String>,
    /// The region of its buckets.
    pub s3_region: Option<String>,
    /// Whether its buckets stand in the path of URLs; `None`: at an endpoint of one's own.
    pub s3_path_style: Option<bool>,
    /// The namespace in which runs leave Kubernetes Events.
    pub events: Option<String>,
    /// The URL of a Pushgateway.
    pub pushgateway: Option<String>,
    /// The longest that all messages together may take.
    pub notify_timeout: Duration,
}

impl Core {
    pub(super) fn from_values(values: &Values) -> Result<Self, ConfigError> {
        let time = |key: &str| values.duration(key).unwrap_or_default();
        let core = Self {
            cluster_name: values.text("clusterName").map(str::to_owned),
            timeout: time("timeout"),
            step_timeout: time("stepTimeout"),
            cleanup_timeout: time("cleanupTimeout"),
            image: values.text_or_empty("image").to_owned(),
            baselines: values.text("baselines").map(str::to_owned),
            baselines_kept: usize::try_from(values.integer("baselinesKept")).unwrap_or(usize::MAX),
            resource_name: values.text_or_empty("resourceName").to_owned(),
            resource_namespace: values.text("resourceNamespace").map(str::to_owned),
            publish: values.text("publish").map(str::to_owned),
            publish_url: values.text("publishUrl").map(str::to_owned),
            s3_endpoint: values.text("s3Endpoint").map(str::to_owned),
            s3_region: values.text("s3Region").map(str::to_owned),
            s3_path_style: values.text("s3PathStyle").and_then(super::setting::parse_flag),
            events: values.text("events").map(str::to_owned),
            pushgateway: values.text("pushgateway").map(str::to_owned),
            notify_timeout: time("notifyTimeout"),
        };
        if values.is_given("stepTimeout") && values.is_given("timeout") && core.step_timeout > core.timeout {
            return Err(ConfigError::one(
                "stepTimeout",
                Some(format!("{}s", core.step_timeout.as_secs_f64())),
                format!("at most the timeout of a whole check, {}s", core.timeout.as_secs_f64()),
            ));
        }
        Ok(core)
    }
}
