//! The entries of `notify` in the configuration file: which service, when, and its settings.
//!
//! A secret is never written in the file itself nor on the command line: it comes from an environment variable (the usual one, or
//! the one that `…Env` names) or from a file of its own (`…File`), as a mounted Secret is.

mod declared;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use serde_json::{Map, Value};

pub use self::declared::settings_of;
use super::chatwork::Chatwork;
use super::github::{As, GitHub};
use super::slack::{Slack, Way};
use super::teams::Teams;
use super::webhook::Webhook;
use super::when::When;
use crate::config::{ConfigError, Kind, Problem, Setting, Sources, Values};

/// The services.
pub const SERVICES: &[&str] = &["chatwork", "slack", "teams", "webhook", "github"];

/// One entry of `notify`.
#[derive(Debug, Clone)]
pub struct Channel {
    /// What it is called in warnings: `slack (notify[0])`.
    pub name: String,
    /// When it is told.
    pub on: When,
    /// The certificate authorities that its server's certificate has to lead to; `None`: the usual ones.
    pub ca_file: Option<PathBuf>,
    /// Where its messages go.
    pub service: Service,
    /// Its secrets, for the redactor.
    pub(super) secrets: Secrets,
}

/// Texts that are never shown.
#[derive(Clone, Default)]
pub(super) struct Secrets(pub(super) Vec<String>);

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} secrets", self.0.len())
    }
}

/// A service with its settings.
#[derive(Debug, Clone)]
pub enum Service {
    /// Chatwork.
    Chatwork(Chatwork),
    /// Slack.
    Slack(Slack),
    /// Microsoft Teams.
    Teams(Teams),
    /// A webhook of one's own.
    Webhook(Webhook),
    /// GitHub.
    GitHub(GitHub),
}

/// Every entry of `notify`. Without any, a Chatwork room that the environment names as the Go tool's users have it is told after
/// every run. Everything that is wrong is told at once.
pub fn channels(sources: &Sources) -> Result<Vec<Channel>, ConfigError> {
    let of_go_tool = [serde_json::json!({"service": "chatwork"})];
    let named = |name: &str| sources.env.get(name).is_some_and(|value| !value.is_empty());
    let entries: Vec<(String, &Map<String, Value>)> = match sources.file.notify() {
        [] if named("CHATWORK_API_TOKEN") && named("CHATWORK_ROOM_ID") => {
            of_go_tool.iter().filter_map(Value::as_object).map(|entry| ("chatwork".to_owned(), entry)).collect()
        }
        entries => entries.iter().enumerate().map(|(index, entry)| (format!("notify[{index}]"), entry)).collect(),
    };
    let mut problems = Vec::new();
    let channels = entries.iter().filter_map(|(name, entry)| channel(name, entry, sources, &mut problems)).collect();
    if problems.is_empty() { Ok(channels) } else { Err(ConfigError(problems)) }
}

fn channel(name: &str, entry: &Map<String, Value>, sources: &Sources, problems: &mut Vec<Problem>) -> Option<Channel> {
    let before = problems.len();
    let service = entry.get("service").and_then(Value::as_str).unwrap_or_default();
    let Some(settings) = settings_of(service) else {
        let expected = format!("one of {}", SERVICES.join(", "));
        let value = entry.get("service").and_then(Value::as_str).map(str::to_owned);
        problems.push(Problem { field: format!("{name}.service"), value, expected });
        return None;
    };
    for setting in settings.iter().filter(|setting| setting.kind == Kind::Secret && entry.contains_key(setting.key)) {
        let key = setting.key;
        let expected = format!("given as {key}Env or {key}File: the configuration file is no place for a secret");
        problems.push(Problem { field: format!("{name}.{key}"), value: None, expected });
    }
    let mut fields = Fields {
        name,
        values: Values::of_entry(name, entry, settings, sources, problems),
        settings,
        sources,
        problems,
        secrets: Vec::new(),
    };
    let service = match service {
        "chatwork" => fields.chatwork(),
        "slack" => fields.slack(),
        "teams" => fields.teams(),
        "webhook" => fields.webhook(),
        _ => fields.github(),
    };
    let on = When::parse(fields.values.text_or_empty("on")).unwrap_or(When::Always);
    let ca_file = fields.values.text("caFile").map(PathBuf::from);
    let secrets = Secrets(std::mem::take(&mut fields.secrets));
    let kind = entry.get("service").and_then(Value::as_str).unwrap_or_default();
    let name = if name == kind { kind.to_owned() } else { format!("{kind} ({name})") };
    let service = service.filter(|_| problems.len() == before)?;
    Some(Channel { name, on, ca_file, service, secrets })
}

/// The fields of one entry while it is read.
struct Fields<'a> {
    name: &'a str,
    values: Values,
    settings: &'static [Setting],
    sources: &'a Sources,
    problems: &'a mut Vec<Problem>,
    secrets: Vec<String>,
}

impl Fields<'_> {
    fn wrong(&mut self, key: &str, expected: impl Into<String>) {
        self.problems.push(Problem { field: format!("{}.{key}", self.name), value: None, expected: expected.into() });
    }

    fn required(&mut self, key: &str) -> Option<String> {
        if let Some(text) = self.values.text(key) {
            return Some(text.to_owned());
        }
        let env = self.settings.iter().find(|setting| setting.key == key).and_then(|setting| setting.env.first());
        let env = env.map(|name| format!(" (or {name} in the environment)")).unwrap_or_default();
        self.wrong(key, format!("given{env}"));
        None
    }

    /// A secret from where it may come; `None`, and no problem, where it is given nowhere.
    fn secret(&mut self, key: &str) -> Option<String> {
        let (from_env, from_file) = (format!("{key}Env"), format!("{key}File"));
        let found = match (self.values.text(&from_file), self.values.text(&from_env)) {
            (Some(_), Some(_)) => {
                self.wrong(&from_file, format!("given alone, without {from_env}"));
                return None;
            }
            (Some(path), None) => std::fs::read_to_string(path).map_err(|error| (from_file, error.to_string())),
            (None, Some(variable)) => match self.sources.env.get(variable) {
                Some(text) => Ok(text.clone()),
                None => Err((from_env, format!("{variable} is not in the environment"))),
            },
            (None, None) => Ok(self.values.text(key).unwrap_or_default().to_owned()),
        };
        let given = self.values.is_given(&format!("{key}File")) || self.values.is_given(&format!("{key}Env"));
        match found.map(|text| text.trim().to_owned()) {
            Ok(text) if text.is_empty() => {
                if given {
                    self.wrong(key, "a text that is not empty, but there is none where it was said to be");
                }
                None
            }
            // Such a text is no header's value, and what it is must not be shown.
            Ok(text) if text.contains(char::is_control) => {
                self.wrong(key, "a text in one line");
                None
            }
            Ok(text) => {
                self.secrets.push(text.clone());
                Some(text)
            }
            Err((field, reason)) => {
                self.wrong(&field, format!("where the secret is, but {reason}"));
                None
            }
        }
    }

    fn required_secret(&mut self, key: &str) -> Option<String> {
        let problems = self.problems.len();
        let secret = self.secret(key);
        if secret.is_none() && problems == self.problems.len() {
            let env = self.settings.iter().find(|setting| setting.key == key).and_then(|setting| setting.env.first());
            let env = env.map(|name| format!(", or as {name} in the environment")).unwrap_or_default();
            self.wrong(key, format!("given as {key}Env or {key}File{env}"));
        }
        secret
    }

    fn url(&mut self, key: &str, secret: Option<String>) -> Option<String> {
        let url = secret?;
        if Kind::Url.accepts(&url) {
            return Some(url);
        }
        self.wrong(key, Kind::Url.expectation());
        None
    }

    /// The words of `mention`, each of which `holds`.
    fn mention(&mut self, holds: impl Fn(&str) -> bool, expected: &str) -> Vec<String> {
        let words = self.values.list("mention");
        if !words.iter().all(|word| holds(word)) {
            self.wrong("mention", expected);
        }
        words
    }

    fn chatwork(&mut self) -> Option<Service> {
        let (token, room) = (self.required_secret("token"), self.required("room"));
        let number = |word: &str| word == "all" || (!word.is_empty() && word.bytes().all(|b| b.is_ascii_digit()));
        let mention = self.mention(number, "numbers of accounts, or all");
        let site = self.values.text_or_empty("site").to_owned();
        let as_url = if site.contains("://") { site.clone() } else { format!("https://{site}") };
        if !Kind::Url.accepts(&as_url) {
            self.wrong("site", "a host such as api.chatwork.com, or a URL");
        }
        Some(Service::Chatwork(Chatwork { token: token?, room: room?, site, mention }))
    }

    fn slack(&mut self) -> Option<Service> {
        let (url, token) = (self.secret("webhookUrl"), self.secret("token"));
        let id = |word: &str| {
            matches!(word, "here" | "channel" | "everyone")
                || (word.starts_with(['U', 'W', 'S'])
                    && word.len() > 2
                    && word.bytes().all(|b| b.is_ascii_alphanumeric()))
        };
        let mention = self.mention(id, "here, channel, everyone, or ids of users (U…) and groups (S…)");
        // What the file names wins over what happens to be in the environment.
        let named = |key: &str| ["Env", "File"].iter().any(|end| self.values.is_given(&format!("{key}{end}")));
        let way = match (url, token, named("webhookUrl"), named("token")) {
            (Some(_), Some(_), a, b) if a == b => {
                self.wrong("webhookUrl", "given alone, without token");
                None
            }
            (Some(url), None, ..) | (Some(url), Some(_), true, _) => {
                Some(Way::Webhook { url: self.url("webhookUrl", Some(url))? })
            }
            (_, Some(token), ..) => {
                let api = self.values.text_or_empty("apiUrl").to_owned();
                self.required("channel").map(|channel| Way::Bot { token, channel, api })
            }
            (None, None, ..) => {
                self.wrong(
                    "webhookUrl",
                    "given as webhookUrlEnv or webhookUrlFile; or tokenEnv or tokenFile and channel",
                );
                None
            }
        };
        Some(Service::Slack(Slack { way: way?, mention }))
    }

    fn teams(&mut self) -> Option<Service> {
        let url = self.required_secret("webhookUrl");
        let url = self.url("webhookUrl", url);
        let mention = self.values.pairs("mention");
        if mention.keys().any(|name| name.contains(['<', '>', '[', ']', '*', '_', '`'])) {
            self.wrong("mention", "names without markup");
        }
        Some(Service::Teams(Teams { url: url?, mention }))
    }

    fn webhook(&mut self) -> Option<Service> {
        let url = self.required_secret("url");
        let url = self.url("url", url);
        let secret = self.secret("secret");
        Some(Service::Webhook(Webhook { url: url?, secret }))
    }

    fn github(&mut self) -> Option<Service> {
        let token = self.required_secret("token");
        let (repository, commit) = (self.required("repository"), self.required("commit"));
        let name = |part: &str| {
            !part.is_empty()
                && !part.bytes().all(|b| b == b'.')
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        };
        if repository.as_ref().is_some_and(|text| !text.split_once('/').is_some_and(|(a, b)| name(a) && name(b))) {
            self.wrong("repository", "OWNER/NAME");
        }
        let sha = |text: &String| matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit());
        if commit.as_ref().is_some_and(|text| !sha(text)) {
            self.wrong("commit", "the SHA of a commit in full, 40 hexadecimal digits");
        }
        let form = if self.values.text_or_empty("as") == "comment" { As::Comment } else { As::Status };
        let api = self.values.text_or_empty("apiUrl").to_owned();
        Some(Service::GitHub(GitHub { token: token?, repository: repository?, commit: commit?, form, api }))
    }
}
