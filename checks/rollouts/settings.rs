//! The check's settings.

use std::time::Duration;

use crate::check::NotConfigured;
use crate::config::{Kind, Setting, Values};

/// The value of `trafficRouter` for weights by the numbers of pods alone.
pub(super) const NO_ROUTER: &str = "none";
/// The value of `trafficRouter` for Traefik.
pub(super) const TRAEFIK: &str = "traefik";

const ROUTER_URL: &str = "routerUrl";

/// Every setting of the check.
pub(super) static SETTINGS: &[Setting] = &[
    Setting {
        key: "replicas",
        env: &["KIBERTAS_ROLLOUTS_REPLICAS"],
        kind: Kind::Integer { min: 2, max: 100 },
        default: Some("4"),
        help: "The number of pods of the Rollout whose weights come from the numbers of pods.",
    },
    Setting {
        key: "analysis",
        env: &["KIBERTAS_ROLLOUTS_ANALYSIS"],
        kind: Kind::Flag,
        default: Some("true"),
        help: "Whether analyses are proved as well: one that passes, and one that fails and aborts the update by itself.",
    },
    Setting {
        key: "trafficRouter",
        env: &["KIBERTAS_ROLLOUTS_TRAFFIC_ROUTER"],
        kind: Kind::Choice(&[NO_ROUTER, TRAEFIK]),
        default: Some(NO_ROUTER),
        help: "The router whose traffic the Rollouts controller weighs; a second Rollout is then proved through it.",
    },
    Setting {
        key: ROUTER_URL,
        env: &["KIBERTAS_ROLLOUTS_ROUTER_URL"],
        kind: Kind::Url,
        default: None,
        help: "Where requests reach the router, such as http://10.0.0.2; default: the address that it writes into the status of an \
               Ingress of its class.",
    },
    Setting {
        key: "routerClass",
        env: &["KIBERTAS_ROLLOUTS_ROUTER_CLASS"],
        kind: Kind::ObjectName,
        default: Some(TRAEFIK),
        help: "The ingress class of the router, where its address is asked for by an Ingress.",
    },
    Setting {
        key: "requests",
        env: &["KIBERTAS_ROLLOUTS_REQUESTS"],
        kind: Kind::Integer { min: 100, max: 10_000 },
        default: Some("400"),
        help: "The number of requests that are sent through the router to count a weight.",
    },
    Setting {
        key: "controllerTimeout",
        env: &["KIBERTAS_ROLLOUTS_CONTROLLER_TIMEOUT"],
        kind: Kind::Duration { max_seconds: 3600 },
        default: Some("60s"),
        help: "How long the Rollouts controller may take to notice a change. A new leader needs about 17 s to take over.",
    },
];

/// The settings, typed.
#[derive(Debug, Clone)]
pub(super) struct Options {
    pub(super) replicas: i32,
    pub(super) analysis: bool,
    /// The traffic router, if one is to be proved.
    pub(super) router: Option<RouterOptions>,
    pub(super) controller_timeout: Duration,
}

/// The settings about the traffic router.
#[derive(Debug, Clone)]
pub(super) struct RouterOptions {
    /// Where requests reach it; `None`: where the status of an Ingress says.
    pub(super) url: Option<String>,
    pub(super) class: String,
    pub(super) requests: u32,
}

impl Options {
    pub(super) fn of(values: &Values) -> Self {
        let number = |key| values.integer(key);
        let router = RouterOptions {
            url: values.text(ROUTER_URL).map(str::to_owned),
            class: values.text_or_empty("routerClass").to_owned(),
            requests: u32::try_from(number("requests")).unwrap_or(u32::MAX),
        };
        Self {
            replicas: i32::try_from(number("replicas")).unwrap_or(i32::MAX),
            analysis: values.flag("analysis"),
            router: (values.text("trafficRouter") == Some(TRAEFIK)).then_some(router),
            controller_timeout: values.duration("controllerTimeout").unwrap_or_default(),
        }
    }
}

/// Requests are counted over plain HTTP: TLS would add nothing to the proof of a weight.
pub(super) fn configured(values: &Values) -> Result<(), NotConfigured> {
    match values.text(ROUTER_URL) {
        Some(url) if !url.starts_with("http://") => Err(NotConfigured {
            setting: format!("checks.rollouts.{ROUTER_URL} (KIBERTAS_ROLLOUTS_ROUTER_URL)"),
            expected: "a URL that begins with http://".to_owned(),
        }),
        _ => Ok(()),
    }
}
