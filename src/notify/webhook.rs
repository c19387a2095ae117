//! A webhook of one's own: JSON, signed as Standard Webhooks asks, so that receivers check it with a library of theirs.
//!
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::Sha256;

use super::delivery::{Answer, Http, Meaning, Request, Undelivered, by_status};
use super::message::Message;
use crate::clock;

/// The version of the body's schema. Fields may be added within it; none is removed or given another meaning.
pub const SCHEMA: &str = "kibertas-rs/notification/v1";
/// The most bytes of a body; the specification recommends less than 20 KB.
pub const LIMIT: usize = 20 * 1024;

/// A receiver.
#[derive(Clone)]
pub struct Webhook {
    /// Its URL, which may be a secret.
    pub url: String,
    /// The secret that signs: `whsec_` and base64, or any text.
    pub secret: Option<String>,
}

impl Webhook {
    /// Sends the message.
    pub async fn send(&self, http: &Http, message: &Message) -> Result<u32, Undelivered> {
        Ok(http.deliver(&self.request(message, clock::now()), meaning).await?.tries)
    }

    fn request(&self, message: &Message, now: Timestamp) -> Request {
        let mut request = Request::json(Method::POST, self.url.clone(), &body(message));
        // Whoever has seen this id has seen the message: sending it again is safe.
        request.repeatable = true;
        let (id, time) = (message.id.as_str(), now.as_second().to_string());
        let signed = self.secret.as_deref().map(|secret| signature(secret, id, &time, &request.body));
        request = request.header("webhook-id", id).header("idempotency-key", id).header("webhook-timestamp", time);
        match signed {
            Some(signature) => request.header("webhook-signature", signature),
            None => request,
        }
    }
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Webhook")
    }
}

/// The specification's own rule: 410 means that the receiver is gone for good, as every other refusal here.
fn meaning(answer: &Answer) -> Meaning {
    by_status(answer)
}

/// The message as data.
pub fn body(message: &Message) -> Value {
    let render = |message: &Message| {
        let mut body = json!({
            "schema": SCHEMA,
            "type": "kibertas.run.finished",
            "title": message.title(),
            "ok": message.is_ok(),
            "verdict": message.verdict(),
        });
        if let (Value::Object(body), Ok(Value::Object(message))) = (&mut body, serde_json::to_value(message)) {
            body.extend(message);
        }
        body
    };
    message.fitted(render, |body| body.to_string().len() <= LIMIT)
}

/// `v1,` and the base64 of the HMAC-SHA256 of `ID.TIMESTAMP.BODY`.
fn signature(secret: &str, id: &str, timestamp: &str, body: &[u8]) -> String {
    let decoded = secret.strip_prefix("whsec_").and_then(|rest| STANDARD.decode(rest).ok());
    let key = decoded.unwrap_or_else(|| secret.as_bytes().to_vec());
    // A key of any length will do: https://www.rfc-editor.org/rfc/rfc2104#section-3
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&key) else { return String::new() };
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::sample;

    #[test]
    fn the_body_of_every_verdict() {
        insta::assert_snapshot!(serde_json::to_string_pretty(&body(&sample::of_every_verdict())).unwrap());
    }

    #[test]
    fn blue_and_green_in_one_body() {
        insta::assert_snapshot!(serde_json::to_string_pretty(&body(&sample::blue_and_green())).unwrap());
    }

    /// The example of the specification's libraries:
    /// <https://github.com/standard-webhooks/standard-webhooks/blob/main/libraries/python/tests/test_webhooks.py>
    #[test]
    fn the_signature_is_that_of_the_specification() {
        let signature = signature(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "1614265330",
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn the_headers_as_they_go_out() {
        let receiver = Webhook { url: "https://example.com/".to_owned(), secret: Some("hunter2-hunter2".to_owned()) };
        let request = receiver.request(&sample::ok(), "2026-11-21T02:14:07Z".parse().unwrap());
        let told: Vec<String> = request.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        insta::assert_snapshot!(told.join("\n"));
        let unsigned = Webhook { secret: None, ..receiver }.request(&sample::ok(), Timestamp::UNIX_EPOCH);
        assert!(unsigned.headers.iter().all(|(name, _)| name != "webhook-signature"));
    }

    #[test]
    fn a_body_keeps_the_limit_whatever_there_is_to_tell() {
        let size = body(&sample::oversized()).to_string().len();
        assert!(size <= LIMIT, "{size}");
    }
}
