//! A workflow of Microsoft Teams that starts with a webhook request.
//!
//! <https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/add-incoming-webhook>,
//! <https://learn.microsoft.com/en-us/connectors/teams/#known-issues-and-limitations-with-actions>

use std::sync::Mutex;

use serde_json::{Value, json};

use crate::request::{Reply, Request};
use crate::server::{Rules, taken};

/// The most bytes of a message.
const MOST: usize = 28 * 1024;

/// One workflow.
pub struct Teams {
    /// Its path with the signature, its secret.
    pub workflow: String,
    /// The cards, as they came.
    pub cards: Mutex<Vec<Value>>,
}

impl Teams {
    /// A workflow at this path.
    pub fn new(workflow: &str) -> Self {
        Self { workflow: workflow.to_owned(), cards: Mutex::default() }
    }
}

fn error(status: u16, code: &str) -> Reply {
    Reply::json(status, &json!({"error": {"code": code, "message": code}}))
}

fn is_card(content: &Value) -> bool {
    let kinds = ["TextBlock", "RichTextBlock", "FactSet", "Container", "ColumnSet"];
    let blocks = content["body"].as_array().map(Vec::as_slice).unwrap_or_default();
    content["type"] == "AdaptiveCard"
        && !blocks.is_empty()
        && blocks.iter().all(|block| kinds.iter().any(|kind| block["type"] == *kind))
}

impl Rules for Teams {
    fn reply(&self, request: &Request) -> Reply {
        if request.path != self.workflow {
            return error(401, "DirectApiAuthorizationRequired");
        }
        if request.body.len() > MOST {
            return error(413, "RequestEntityTooLarge");
        }
        let body = request.json();
        let attachment = &body["attachments"][0];
        let card = attachment["contentType"] == "application/vnd.microsoft.card.adaptive";
        if body["type"] != "message" || !card || !is_card(&attachment["content"]) {
            return error(400, "TriggerInputSchemaMismatch");
        }
        taken(&self.cards).push(attachment["content"].clone());
        Reply { status: 202, headers: Vec::new(), body: Vec::new() }
    }
}
