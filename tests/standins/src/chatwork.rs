//! Chatwork's API v2, as far as messages go.
//!
//! <https://developer.chatwork.com/docs/endpoints>, <https://developer.chatwork.com/reference/post-rooms-room_id-messages>

use std::sync::Mutex;

use serde_json::json;

use crate::request::{Reply, Request};
use crate::server::{Rules, taken};

/// The most characters of a message's body.
const MOST: usize = 65_535;
/// Requests that a token may make in five minutes.
const LIMIT: u32 = 300;

/// One account with one room.
pub struct Chatwork {
    token: String,
    room: String,
    /// The bodies of the messages in the room.
    pub messages: Mutex<Vec<String>>,
}

impl Chatwork {
    /// A room that this token may write to.
    pub fn new(token: &str, room: &str) -> Self {
        Self { token: token.to_owned(), room: room.to_owned(), messages: Mutex::default() }
    }
}

fn errors(status: u16, text: &str) -> Reply {
    Reply::json(status, &json!({"errors": [text]}))
}

/// The answer to a request too many: the limit's end in seconds since 1970.
pub fn limited(reset: i64) -> Reply {
    errors(429, "Rate limit exceeded")
        .header("x-ratelimit-limit", LIMIT)
        .header("x-ratelimit-remaining", 0)
        .header("x-ratelimit-reset", reset)
}

impl Rules for Chatwork {
    fn reply(&self, request: &Request) -> Reply {
        if request.header("x-chatworktoken") != self.token {
            return errors(401, "Invalid API token");
        }
        let Some(room) = request.path.strip_prefix("/v2/rooms/").and_then(|rest| rest.strip_suffix("/messages")) else {
            return errors(404, "No such endpoint");
        };
        if room != self.room {
            return errors(404, "You don't have permission to send message this room");
        }
        if request.method != "POST" {
            return errors(405, "Method not allowed");
        }
        if !request.header("content-type").starts_with("application/x-www-form-urlencoded") {
            return errors(400, "Content-Type has to be application/x-www-form-urlencoded");
        }
        let body = request.form().remove("body").unwrap_or_default();
        if body.is_empty() || body.chars().count() > MOST {
            return errors(400, "Parameter 'body' is invalid");
        }
        let mut messages = taken(&self.messages);
        messages.push(body);
        Reply::json(200, &json!({"message_id": messages.len().to_string()}))
    }
}
