//! Microsoft Teams: a workflow that starts "when a Teams webhook request is received", with an Adaptive Card.
//!
//! <https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/add-incoming-webhook>,
//! <https://adaptivecards.io/explorer/RichTextBlock.html>

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Value, json};

use super::delivery::{Http, Request, Undelivered, by_status};
use super::message::{Line, Message, Part, word};
use crate::clock;

/// The most bytes of a message: about 28 KB, of which some are left for what Teams adds.
/// <https://learn.microsoft.com/en-us/connectors/teams/#known-issues-and-limitations-with-actions>
pub const LIMIT: usize = 26 * 1024;

/// A channel or chat.
#[derive(Clone)]
pub struct Teams {
    /// The workflow's URL, which is a secret.
    pub url: String,
    /// Whom to mention where something is not OK: names as shown, and their user ids or principal names.
    pub mention: BTreeMap<String, String>,
}

impl Teams {
    /// Sends the message.
    pub async fn send(&self, http: &Http, message: &Message) -> Result<u32, Undelivered> {
        let request = Request::json(Method::POST, self.url.clone(), &self.body(message));
        Ok(http.deliver(&request, by_status).await?.tries)
    }

    /// The message with its card.
    pub fn body(&self, message: &Message) -> Value {
        message.fitted(|message| self.rendered(message), |body| body.to_string().len() <= LIMIT)
    }

    fn rendered(&self, message: &Message) -> Value {
        let mut body = vec![rich(&[run(&message.title(), "bold", colour(message.is_ok()))], "large")];
        let mentioned = !message.is_ok() && !self.mention.is_empty();
        if mentioned {
            let names: Vec<String> = self.mention.keys().map(|name| tag(name)).collect();
            // The one text block: mentions work nowhere else, and all of it comes from the configuration.
            body.push(json!({"type": "TextBlock", "wrap": true, "text": names.join(" ")}));
        }
        let mut actions = Vec::new();
        for part in &message.parts {
            if message.parts.len() > 1 {
                let ok = part.verdict == crate::verdict::Verdict::Passed;
                body.push(rich(&[run(&part.title(), "bold", colour(ok))], "default"));
            }
            body.extend(blocks(part));
            if let Some(report) = part.report.as_ref().filter(|report| report.starts_with("http")) {
                let title =
                    if message.parts.len() > 1 { format!("Report of {}", part.cluster) } else { "Report".into() };
                actions.push(json!({"type": "Action.OpenUrl", "title": title, "url": report}));
            }
        }
        let mut card = json!({
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.5",
            "msteams": {"width": "Full"},
            "body": body,
        });
        if mentioned {
            let entity = |(name, id): (&String, &String)| json!({"type": "mention", "text": tag(name), "mentioned": {"id": id, "name": name}});
            card["msteams"]["entities"] = self.mention.iter().map(entity).collect();
        }
        if !actions.is_empty() {
            card["actions"] = actions.into();
        }
        let attachment = json!({
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": card,
        });
        json!({"type": "message", "attachments": [attachment]})
    }
}

impl std::fmt::Debug for Teams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Teams workflow")
    }
}

fn tag(name: &str) -> String {
    format!("<at>{name}</at>")
}

fn blocks(part: &Part) -> Vec<Value> {
    let mut blocks: Vec<Value> = part.checks.iter().flat_map(row).collect();
    if part.more_checks > 0 {
        blocks.push(rich(&[run(&format!("… and {} more", part.more_checks), "default", "default")], "default"));
    }
    let took = clock::human(part.duration_ms);
    let mut about = format!("{}, {} in {took}, run {}", part.versions(), part.counts, part.run);
    if let Some(report) = part.report.as_ref().filter(|report| !report.starts_with("http")) {
        about = format!("{about}, report: {report}");
    }
    blocks.push(rich(&[run(&about, "default", "default")], "small"));
    blocks
}

fn row(check: &Line) -> Vec<Value> {
    let took = check.duration_ms.map(|millis| format!(" ({})", clock::human(millis))).unwrap_or_default();
    let ok = check.verdict == crate::verdict::Verdict::Passed;
    let colour = if check.duration_ms.is_none() { "default" } else { colour(ok) };
    let name = run(&format!(" {}{took}", check.name), "default", "default");
    let mut blocks = vec![rich(&[run(word(check.verdict), "bold", colour), name], "default")];
    let Some(trouble) = &check.trouble else { return blocks };
    let step = trouble.step.as_deref().map(|step| format!("step: {step}\n")).unwrap_or_default();
    let cause = trouble.cause.as_deref().map(|cause| format!("\ncause: {cause}")).unwrap_or_default();
    blocks.push(rich(&[run(&format!("{step}reason: {}{cause}", trouble.reason), "default", "default")], "default"));
    if let Some(next) = &trouble.next {
        let mut command = run(next, "default", "default");
        command["fontType"] = "monospace".into();
        blocks.push(rich(&[command], "default"));
    }
    blocks
}

/// A block whose text Teams takes as it is; only `TextBlock` and facts read Markdown.
fn rich(inlines: &[Value], size: &str) -> Value {
    let sized = inlines.iter().cloned().map(|mut inline| {
        inline["size"] = size.into();
        inline
    });
    json!({"type": "RichTextBlock", "inlines": sized.collect::<Vec<_>>()})
}

fn run(text: &str, weight: &str, colour: &str) -> Value {
    json!({"type": "TextRun", "text": text, "weight": weight, "color": colour})
}

const fn colour(ok: bool) -> &'static str {
    if ok { "good" } else { "attention" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::sample;

    fn channel() -> Teams {
        let mention = [("Jane Doe".to_owned(), "jane@example.com".to_owned())];
        Teams { url: "https://example.com/workflows/secret".to_owned(), mention: mention.into() }
    }

    #[test]
    fn the_message_of_every_verdict() {
        let body = channel().body(&sample::of_every_verdict());
        insta::assert_snapshot!(serde_json::to_string_pretty(&body).unwrap());
    }

    #[test]
    fn blue_and_green_in_one_message() {
        let body = channel().body(&sample::blue_and_green());
        insta::assert_snapshot!(serde_json::to_string_pretty(&body).unwrap());
    }

    #[test]
    fn nobody_is_mentioned_where_all_is_ok() {
        let body = channel().body(&sample::ok()).to_string();
        assert!(!body.contains("<at>") && !body.contains("entities"), "{body}");
    }

    #[test]
    fn the_clusters_words_stand_where_no_markup_is_read() {
        let body = channel().body(&sample::hostile());
        let card = &body["attachments"][0]["content"];
        for block in card["body"].as_array().unwrap() {
            let kind = block["type"].as_str().unwrap();
            assert!(kind == "RichTextBlock" || block["text"] == "<at>Jane Doe</at>", "{block}");
        }
    }

    #[test]
    fn a_message_keeps_the_limit_whatever_there_is_to_tell() {
        let size = channel().body(&sample::oversized()).to_string().len();
        assert!(size <= LIMIT, "{size}");
    }
}
