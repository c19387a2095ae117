//! Slack: an incoming webhook, or a bot whose message has the details in its thread.
//!
//! The cluster's text stands in `rich_text` and `plain_text` alone, where Slack reads no markup and no mentions:
//! <https://docs.slack.dev/reference/block-kit/blocks/rich-text-block>. The fallback text of notifications is escaped:
//! <https://docs.slack.dev/messaging/formatting-message-text#escaping>

use http::Method;
use serde_json::{Value, json};

use super::delivery::{Answer, Http, Meaning, Request, Undelivered, by_status};
use super::message::{Line, Message, Part, word};
use crate::clock;
use crate::report::printable::shortened;

/// The most blocks of a message: <https://docs.slack.dev/reference/block-kit/blocks>
const MOST_BLOCKS: usize = 50;
/// The most characters of a header.
const MOST_OF_HEADER: usize = 150;
/// The most characters of all texts of one message. A section's text may have 3,000 and a message's 40,000 characters; rich text
/// has no documented limit of its own, so that this stays well below both.
const MOST_OF_TEXT: usize = 12_000;
/// The most characters of the text for notifications.
const MOST_OF_FALLBACK: usize = 3_000;

/// A channel.
#[derive(Clone)]
pub struct Slack {
    /// How it is reached.
    pub way: Way,
    /// Whom to mention where something is not OK: `here`, `channel`, `everyone`, a user's id (`U…`, `W…`) or a group's (`S…`).
    pub mention: Vec<String>,
}

/// How a channel is reached.
#[derive(Clone)]
pub enum Way {
    /// <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>
    Webhook {
        /// The URL, which is a secret.
        url: String,
    },
    /// <https://docs.slack.dev/reference/methods/chat.postMessage>
    Bot {
        /// The bot's token, `xoxb-…`.
        token: String,
        /// The channel's id or name.
        channel: String,
        /// The API's base URL.
        api: String,
    },
}

impl Slack {
    /// Sends the message; the details of a bot's message go into its thread.
    pub async fn send(&self, http: &Http, message: &Message) -> Result<u32, Undelivered> {
        match &self.way {
            Way::Webhook { url } => {
                let request = Request::json(Method::POST, url.clone(), &self.whole(message));
                Ok(http.deliver(&request, by_status).await?.tries)
            }
            Way::Bot { token, channel, api } => {
                let post = |mut body: Value, thread: Option<&str>| {
                    body["channel"] = channel.as_str().into();
                    body["unfurl_links"] = false.into();
                    if let Some(thread) = thread {
                        body["thread_ts"] = thread.into();
                    }
                    let url = format!("{}/chat.postMessage", api.trim_end_matches('/'));
                    let request = Request::json(Method::POST, url, &body);
                    Request { wants_body: true, ..request }.header("authorization", format!("Bearer {token}"))
                };
                let first = http.deliver(&post(self.overview(message), None), of_method).await?;
                let Some(details) = self.details(message) else { return Ok(first.tries) };
                let posted: Value = serde_json::from_str(&first.answer.body).unwrap_or_default();
                let Some(thread) = posted["ts"].as_str() else {
                    let reason = "the message is posted, but Slack did not name it, so that its thread has no details";
                    return Err(Undelivered { reason: reason.to_owned(), tries: first.tries });
                };
                let second =
                    http.deliver(&post(details, Some(thread)), of_method).await.map_err(|error| Undelivered {
                        reason: format!("the message is posted without its details: {}", error.reason),
                        ..error
                    })?;
                Ok(first.tries.max(second.tries))
            }
        }
    }

    /// Everything in one message.
    pub fn whole(&self, message: &Message) -> Value {
        let render = |message: &Message| self.rendered(message, |part| rich(part, true));
        message.fitted(render, fits)
    }

    /// The words alone.
    pub fn overview(&self, message: &Message) -> Value {
        let render = |message: &Message| self.rendered(message, |part| rich(part, false));
        message.fitted(render, fits)
    }

    /// The reasons alone; `None` where there are none.
    pub fn details(&self, message: &Message) -> Option<Value> {
        let troubled = |part: &Part| part.checks.iter().any(|check| check.trouble.is_some());
        if !message.parts.iter().any(troubled) {
            return None;
        }
        let render = |message: &Message| {
            let mut blocks = Vec::new();
            for part in message.parts.iter().filter(|part| troubled(part)) {
                let mut elements = Vec::new();
                if message.parts.len() > 1 {
                    elements.push(section(&[bold(&part.cluster)]));
                }
                for check in part.checks.iter().filter(|check| check.trouble.is_some()) {
                    elements.extend(row(check, true));
                }
                blocks.push(json!({"type": "rich_text", "elements": elements}));
            }
            json!({"text": fallback(message), "blocks": blocks})
        };
        Some(message.fitted(render, fits))
    }

    fn rendered(&self, message: &Message, body: impl Fn(&Part) -> Value) -> Value {
        let title = message.title();
        let mut blocks = vec![header(&title)];
        if !message.is_ok() && !self.mention.is_empty() {
            let mentions: Vec<Value> = self.mention.iter().map(|who| mention(who)).collect();
            blocks.push(json!({"type": "rich_text", "elements": [section(&separated(mentions))]}));
        }
        for part in &message.parts {
            if message.parts.len() > 1 {
                blocks.push(header(&part.title()));
            }
            blocks.push(body(part));
        }
        json!({"text": fallback(message), "blocks": blocks})
    }
}

impl std::fmt::Debug for Slack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.way {
            Way::Webhook { .. } => f.write_str("Slack webhook"),
            Way::Bot { channel, .. } => write!(f, "Slack channel {channel}"),
        }
    }
}

/// A method's answer has status 200 even where it says no: <https://docs.slack.dev/apis/web-api/#responses>
fn of_method(answer: &Answer) -> Meaning {
    let by_status = by_status(answer);
    if by_status != Meaning::Taken {
        return by_status;
    }
    let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    let error = body["error"].as_str().unwrap_or("an answer that is no JSON of Slack's");
    match error {
        _ if body["ok"] == true => Meaning::Taken,
        "ratelimited" | "rate_limited" | "service_unavailable" | "internal_error" => {
            Meaning::Later(error.to_owned(), super::waiting::asked(&answer.headers, clock::now()))
        }
        error => Meaning::Refused(format!("Slack says {error}")),
    }
}

fn header(text: &str) -> Value {
    json!({"type": "header", "text": {"type": "plain_text", "text": shortened(text, MOST_OF_HEADER), "emoji": false}})
}

fn rich(part: &Part, reasons: bool) -> Value {
    let mut elements: Vec<Value> = part.checks.iter().flat_map(|check| row(check, reasons)).collect();
    if part.more_checks > 0 {
        elements.push(section(&[text(&format!("… and {} more", part.more_checks))]));
    }
    let took = clock::human(part.duration_ms);
    let mut about = vec![text(&format!("{}, {} in {took}, run {}", part.versions(), part.counts, part.run))];
    if let Some(report) = &part.report {
        about.push(text("\nreport: "));
        // Only a URL may be a link; a folder's name is text.
        about.push(match report.starts_with("https://") || report.starts_with("http://") {
            true => json!({"type": "link", "url": report}),
            false => text(report),
        });
    }
    elements.push(section(&about));
    json!({"type": "rich_text", "elements": elements})
}

fn row(check: &Line, reasons: bool) -> Vec<Value> {
    let took = check.duration_ms.map(|millis| format!(" ({})", clock::human(millis))).unwrap_or_default();
    let mut elements = vec![section(&[bold(word(check.verdict)), text(&format!(" {}{took}", check.name))])];
    let Some(trouble) = check.trouble.as_ref().filter(|_| reasons) else { return elements };
    let step = trouble.step.as_deref().map(|step| format!("step: {step}\n")).unwrap_or_default();
    let cause = trouble.cause.as_deref().map(|cause| format!("\ncause: {cause}")).unwrap_or_default();
    let quote = text(&format!("{step}reason: {}{cause}", trouble.reason));
    elements.push(json!({"type": "rich_text_quote", "elements": [quote]}));
    if let Some(next) = &trouble.next {
        elements.push(json!({"type": "rich_text_preformatted", "elements": [text(next)]}));
    }
    elements
}

fn section(elements: &[Value]) -> Value {
    json!({"type": "rich_text_section", "elements": elements})
}

/// An empty text is refused by Slack.
fn text(text: &str) -> Value {
    json!({"type": "text", "text": if text.is_empty() { " " } else { text }})
}

fn bold(content: &str) -> Value {
    let mut element = text(content);
    element["style"] = json!({"bold": true});
    element
}

fn mention(who: &str) -> Value {
    match who {
        "here" | "channel" | "everyone" => json!({"type": "broadcast", "range": who}),
        who if who.starts_with('S') => json!({"type": "usergroup", "usergroup_id": who}),
        who => json!({"type": "user", "user_id": who}),
    }
}

fn separated(elements: Vec<Value>) -> Vec<Value> {
    let mut all: Vec<Value> = elements.into_iter().flat_map(|element| [element, text(" ")]).collect();
    all.pop();
    all
}

/// What a notification shows, in Slack's markup: escaped, and with nothing for it to turn into a mention.
fn fallback(message: &Message) -> String {
    let bad = message.parts.iter().flat_map(|part| &part.checks).filter(|check| check.trouble.is_some());
    let names: Vec<&str> = bad.map(|check| check.name.as_str()).collect();
    let names = if names.is_empty() { String::new() } else { format!(": {}", names.join(", ")) };
    let text = shortened(&format!("{}{names}", message.title()), MOST_OF_FALLBACK / 6).into_owned();
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('@', "@\u{200b}")
}

/// Whether Slack takes it.
fn fits(body: &Value) -> bool {
    let blocks = body["blocks"].as_array().map_or(0, Vec::len);
    blocks <= MOST_BLOCKS && length(body) <= MOST_OF_TEXT
}

/// The characters of all texts in it.
fn length(value: &Value) -> usize {
    match value {
        Value::String(text) => text.chars().count(),
        Value::Array(items) => items.iter().map(length).sum(),
        Value::Object(map) => map.iter().filter(|(key, _)| *key != "type").map(|(_, value)| length(value)).sum(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::sample;

    fn channel() -> Slack {
        Slack {
            way: Way::Webhook { url: "https://hooks.slack.com/services/T/B/secret".to_owned() },
            mention: vec!["here".to_owned(), "S0123".to_owned(), "U0456".to_owned()],
        }
    }

    fn pretty(value: &Value) -> String {
        serde_json::to_string_pretty(value).unwrap()
    }

    #[test]
    fn the_message_of_every_verdict() {
        insta::assert_snapshot!(pretty(&channel().whole(&sample::of_every_verdict())));
    }

    #[test]
    fn a_bots_message_and_its_thread() {
        let overview = channel().overview(&sample::of_every_verdict());
        assert!(!pretty(&overview).contains("kubectl"), "details are in the thread");
        let details = channel().details(&sample::of_every_verdict()).unwrap();
        insta::assert_snapshot!(format!("{}\n{}", pretty(&overview), pretty(&details)));
        assert_eq!(channel().details(&sample::ok()), None);
    }

    #[test]
    fn blue_and_green_in_one_message() {
        insta::assert_snapshot!(pretty(&channel().whole(&sample::blue_and_green())));
    }

    #[test]
    fn nobody_is_mentioned_where_all_is_ok() {
        let body = pretty(&channel().whole(&sample::ok()));
        assert!(!body.contains("broadcast") && !body.contains("usergroup"), "{body}");
    }

    /// Every text element of the types that Slack takes literally, and no other place for the cluster's words.
    #[test]
    fn the_cluster_can_neither_mention_nor_mark_up() {
        fn walk(value: &Value, inside: &str) {
            match value {
                Value::Object(map) => {
                    let kind = map.get("type").and_then(Value::as_str).unwrap_or(inside);
                    assert!(kind != "mrkdwn" && kind != "broadcast" && kind != "user", "{value}");
                    map.values().for_each(|value| walk(value, kind));
                }
                Value::Array(items) => items.iter().for_each(|item| walk(item, inside)),
                Value::String(text) if text.contains("<script>") => {
                    assert!(["text", "plain_text"].contains(&inside), "{inside}: {text}");
                }
                _ => {}
            }
        }
        let nobody = Slack { mention: Vec::new(), ..channel() };
        let body = nobody.whole(&sample::hostile());
        walk(&body["blocks"], "");
        let fallback = body["text"].as_str().unwrap();
        assert!(!fallback.contains(['<', '>']) && !fallback.contains("@channel"), "{fallback}");
    }

    #[test]
    fn a_message_keeps_the_limits_whatever_there_is_to_tell() {
        for body in [
            channel().whole(&sample::oversized()),
            channel().overview(&sample::oversized()),
            channel().details(&sample::oversized()).unwrap(),
        ] {
            assert!(fits(&body), "{} blocks, {} characters", body["blocks"].as_array().unwrap().len(), length(&body));
            let fallback = body["text"].as_str().unwrap();
            assert!(fallback.chars().count() <= MOST_OF_FALLBACK && fallback.starts_with("kibertas NG in "));
        }
    }

    #[test]
    fn a_method_says_no_with_status_200() {
        let answer = |body: &str| Answer { status: 200, headers: http::HeaderMap::new(), body: body.to_owned() };
        assert_eq!(of_method(&answer(r#"{"ok":true,"ts":"1.2"}"#)), Meaning::Taken);
        let refused = Meaning::Refused("Slack says channel_not_found".to_owned());
        assert_eq!(of_method(&answer(r#"{"ok":false,"error":"channel_not_found"}"#)), refused);
        assert!(matches!(of_method(&answer(r#"{"ok":false,"error":"ratelimited"}"#)), Meaning::Later(_, None)));
        assert!(matches!(of_method(&answer("<html>")), Meaning::Refused(_)));
    }
}
