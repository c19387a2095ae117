//! Slack's incoming webhooks and `chat.postMessage`.
//!
//! <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>,
//! <https://docs.slack.dev/reference/methods/chat.postMessage>, <https://docs.slack.dev/reference/block-kit/blocks>

use std::sync::Mutex;

use serde_json::{Value, json};

use crate::request::{Reply, Request};
use crate::server::{Rules, taken};

/// The most characters of a header block's text.
const HEADER: usize = 150;
/// The most characters of a section's text.
const SECTION: usize = 3_000;
/// The most blocks of a message.
const BLOCKS: usize = 50;
/// The most characters of a message's text.
const TEXT: usize = 40_000;

/// One workspace with one webhook, one bot and one channel.
pub struct Slack {
    /// The path of the webhook, its secret.
    pub webhook: String,
    token: String,
    channel: String,
    /// The messages, as they came.
    pub messages: Mutex<Vec<Value>>,
}

impl Slack {
    /// A workspace.
    pub fn new(webhook: &str, token: &str, channel: &str) -> Self {
        let own = |text: &str| text.to_owned();
        Self { webhook: own(webhook), token: own(token), channel: own(channel), messages: Mutex::default() }
    }

    fn method(&self, request: &Request) -> Reply {
        let says = |error: &str| Reply::json(200, &json!({"ok": false, "error": error}));
        let body = arguments(request);
        let authorized = request.header("authorization") == format!("Bearer {}", self.token);
        if !authorized && body["token"] != self.token.as_str() {
            return says("invalid_auth");
        }
        if body["channel"] != self.channel.as_str() {
            return says("channel_not_found");
        }
        if let Err(error) = valid(&body) {
            return says(error);
        }
        let mut messages = taken(&self.messages);
        let thread = body["thread_ts"].as_str().map(str::to_owned);
        if thread.is_some_and(|thread| !(1..=messages.len()).any(|number| thread == stamp(number))) {
            return says("thread_not_found");
        }
        messages.push(body);
        Reply::json(200, &json!({"ok": true, "channel": self.channel, "ts": stamp(messages.len())}))
    }
}

/// The arguments of a method: as JSON, or as a form whose structured fields are JSON; the token may be among those of a form.
///
/// <https://docs.slack.dev/apis/web-api/#basics>
fn arguments(request: &Request) -> Value {
    if request.header("content-type").starts_with("application/json") {
        return request.json();
    }
    let structured = |name: &str| ["blocks", "attachments"].contains(&name);
    let field = |(name, text): (String, String)| {
        let value = if structured(&name) { serde_json::from_str(&text).unwrap_or_default() } else { json!(text) };
        (name, value)
    };
    Value::Object(request.form().into_iter().map(field).collect())
}

fn stamp(number: usize) -> String {
    format!("1700000000.{number:06}")
}

/// What Slack finds wrong with a message.
fn valid(body: &Value) -> Result<(), &'static str> {
    let characters = |value: &Value| value.as_str().map_or(0, |text| text.chars().count());
    let blocks = body["blocks"].as_array().map(Vec::as_slice).unwrap_or_default();
    if blocks.is_empty() && characters(&body["text"]) == 0 {
        return Err("no_text");
    }
    if characters(&body["text"]) > TEXT {
        return Err("msg_too_long");
    }
    if blocks.len() > BLOCKS {
        return Err("invalid_blocks");
    }
    let right = |block: &Value| match block["type"].as_str() {
        Some("header") => {
            block["text"]["type"] == "plain_text" && (1..=HEADER).contains(&characters(&block["text"]["text"]))
        }
        Some("section") => (1..=SECTION).contains(&characters(&block["text"]["text"])),
        Some("divider") => true,
        Some("rich_text") => block["elements"].as_array().is_some_and(|all| !all.is_empty() && all.iter().all(rich)),
        _ => false,
    };
    if blocks.iter().all(right) { Ok(()) } else { Err("invalid_blocks") }
}

/// Whether an element of rich text is one: <https://docs.slack.dev/reference/block-kit/blocks/rich-text-block>
fn rich(element: &Value) -> bool {
    let children = element["elements"].as_array().map(Vec::as_slice).unwrap_or_default();
    let known = ["rich_text_section", "rich_text_quote", "rich_text_preformatted"];
    let leaf = |leaf: &Value| {
        let filled = |key: &str| leaf[key].as_str().is_some_and(|text| !text.is_empty());
        match leaf["type"].as_str() {
            Some("text") => filled("text"),
            Some("link") => filled("url"),
            Some("user") => filled("user_id"),
            Some("usergroup") => filled("usergroup_id"),
            Some("broadcast") => ["here", "channel", "everyone"].iter().any(|range| leaf["range"] == *range),
            _ => false,
        }
    };
    known.iter().any(|kind| element["type"] == *kind) && !children.is_empty() && children.iter().all(leaf)
}

impl Rules for Slack {
    fn reply(&self, request: &Request) -> Reply {
        if request.method == "POST" && request.path == "/api/chat.postMessage" {
            return self.method(request);
        }
        if request.method != "POST" || !request.header("content-type").starts_with("application/json") {
            return Reply::text(400, "invalid_payload");
        }
        if request.path != self.webhook {
            return Reply::text(403, "invalid_token");
        }
        match valid(&request.json()) {
            Ok(()) => {
                taken(&self.messages).push(request.json());
                Reply::text(200, "ok")
            }
            Err(error) => Reply::text(400, error),
        }
    }
}
