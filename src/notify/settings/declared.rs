//! The settings of each service, declared as data.

use crate::config::{Kind, Setting};
use crate::notify::when;

use super::SERVICES;

const fn setting(
    key: &'static str,
    env: &'static [&'static str],
    kind: Kind,
    default: Option<&'static str>,
    help: &'static str,
) -> Setting {
    Setting { key, env, kind, default, help }
}

const SERVICE: Setting = setting("service", &[], Kind::Choice(SERVICES), None, "Which service.");
const ON: Setting = setting(
    "on",
    &[],
    Kind::Choice(when::WORDS),
    Some("always"),
    "When: after every run, after every one that is not OK, or where a verdict differs from the run before (needs publish).",
);
const CA_FILE: Setting = setting(
    "caFile",
    &[],
    Kind::File,
    None,
    "Certificate authorities in PEM to trust for this server alone; default: the machine's and Mozilla's.",
);

static CHATWORK: &[Setting] = &[
    SERVICE,
    ON,
    CA_FILE,
    setting("token", &["CHATWORK_API_TOKEN"], Kind::Secret, None, "The API token of the account that writes."),
    setting("tokenEnv", &[], Kind::Text, None, "The environment variable that holds it."),
    setting("tokenFile", &[], Kind::File, None, "The file that holds it."),
    setting("room", &["CHATWORK_ROOM_ID"], Kind::Integer { min: 1, max: u64::MAX }, None, "The room's number."),
    setting("site", &["CHATWORK_SITE"], Kind::Text, Some("api.chatwork.com"), "The API's host, or its URL."),
    setting("mention", &[], Kind::List, None, "Whom to mention where something is not OK: account numbers, or all."),
];

static SLACK: &[Setting] = &[
    SERVICE,
    ON,
    CA_FILE,
    setting("webhookUrl", &["SLACK_WEBHOOK_URL"], Kind::Secret, None, "The incoming webhook's URL, which is a secret."),
    setting("webhookUrlEnv", &[], Kind::Text, None, "The environment variable that holds it."),
    setting("webhookUrlFile", &[], Kind::File, None, "The file that holds it."),
    setting("token", &["SLACK_BOT_TOKEN"], Kind::Secret, None, "A bot's token with chat:write, instead of a webhook."),
    setting("tokenEnv", &[], Kind::Text, None, "The environment variable that holds it."),
    setting("tokenFile", &[], Kind::File, None, "The file that holds it."),
    setting("channel", &["SLACK_CHANNEL"], Kind::Text, None, "The bot's channel: its id, or its name."),
    setting("apiUrl", &[], Kind::Url, Some("https://slack.com/api"), "The API's base URL."),
    setting(
        "mention",
        &[],
        Kind::List,
        None,
        "Whom to mention where something is not OK: here, channel, everyone, or the ids of users (U…) and groups (S…).",
    ),
];

static TEAMS: &[Setting] = &[
    SERVICE,
    ON,
    CA_FILE,
    setting("webhookUrl", &["TEAMS_WEBHOOK_URL"], Kind::Secret, None, "The workflow's URL, which is a secret."),
    setting("webhookUrlEnv", &[], Kind::Text, None, "The environment variable that holds it."),
    setting("webhookUrlFile", &[], Kind::File, None, "The file that holds it."),
    setting(
        "mention",
        &[],
        Kind::Pairs,
        None,
        "Whom to mention where something is not OK: names, and their user principal names or ids.",
    ),
];

static WEBHOOK: &[Setting] = &[
    SERVICE,
    ON,
    CA_FILE,
    setting(
        "url",
        &["KIBERTAS_WEBHOOK_URL"],
        Kind::Secret,
        None,
        "The receiver's URL; it may hold a token, and so is a secret.",
    ),
    setting("urlEnv", &[], Kind::Text, None, "The environment variable that holds it."),
    setting("urlFile", &[], Kind::File, None, "The file that holds it."),
    setting(
        "secret",
        &["KIBERTAS_WEBHOOK_SECRET"],
        Kind::Secret,
        None,
        "What signs the body; without one it is not signed.",
    ),
    setting("secretEnv", &[], Kind::Text, None, "The environment variable that holds it."),
    setting("secretFile", &[], Kind::File, None, "The file that holds it."),
];

static GITHUB: &[Setting] = &[
    SERVICE,
    ON,
    CA_FILE,
    setting(
        "token",
        &["GITHUB_TOKEN"],
        Kind::Secret,
        None,
        "A token that may write statuses, or comments and read pull requests.",
    ),
    setting("tokenEnv", &[], Kind::Text, None, "The environment variable that holds it."),
    setting("tokenFile", &[], Kind::File, None, "The file that holds it."),
    setting("repository", &["GITHUB_REPOSITORY"], Kind::Text, None, "The repository, as OWNER/NAME."),
    setting(
        "commit",
        &["KIBERTAS_COMMIT", "GITHUB_SHA"],
        Kind::Text,
        None,
        "The commit, in full: the one that Argo CD has synced.",
    ),
    setting(
        "as",
        &[],
        Kind::Choice(&["status", "comment"]),
        Some("status"),
        "A status of the commit, or a comment in its pull requests.",
    ),
    setting("apiUrl", &["GITHUB_API_URL"], Kind::Url, Some("https://api.github.com"), "The API's base URL."),
];

/// The settings of a service; `None` where there is no such service.
pub fn settings_of(service: &str) -> Option<&'static [Setting]> {
    match service {
        "chatwork" => Some(CHATWORK),
        "slack" => Some(SLACK),
        "teams" => Some(TEAMS),
        "webhook" => Some(WEBHOOK),
        "github" => Some(GITHUB),
        _ => None,
    }
}
