//! A receiver of webhooks that are signed by the specification Standard Webhooks.
//!
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use std::collections::BTreeMap;
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use serde_json::Value;
use sha2::Sha256;

use crate::request::{Reply, Request};
use crate::server::{Rules, taken};

/// How far a timestamp may be from the receiver's clock, in seconds.
const TOLERANCE: i64 = 300;

/// One receiver.
pub struct Webhook {
    secret: String,
    /// The bodies by their ids: one that comes twice is one.
    pub bodies: Mutex<BTreeMap<String, Value>>,
}

impl Webhook {
    /// A receiver that shares this secret.
    pub fn new(secret: &str) -> Self {
        Self { secret: secret.to_owned(), bodies: Mutex::default() }
    }

    fn verified(&self, request: &Request) -> Result<String, &'static str> {
        let (id, time) = (request.header("webhook-id"), request.header("webhook-timestamp"));
        let seconds: i64 = time.parse().map_err(|_| "no timestamp")?;
        #[allow(clippy::disallowed_methods)] // a service of its own, with a clock of its own
        let now = jiff::Timestamp::now().as_second();
        if (now - seconds).abs() > TOLERANCE {
            return Err("the timestamp is too old or too new");
        }
        let signature = request.header("webhook-signature").strip_prefix("v1,").ok_or("no signature")?;
        let signature = STANDARD.decode(signature).map_err(|_| "the signature is no base64")?;
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes()).map_err(|_| "no key")?;
        mac.update(format!("{id}.{time}.").as_bytes());
        mac.update(&request.body);
        mac.verify_slice(&signature).map_err(|_| "the signature is wrong")?;
        if id.is_empty() { Err("no id") } else { Ok(id.to_owned()) }
    }
}

impl Rules for Webhook {
    fn reply(&self, request: &Request) -> Reply {
        match self.verified(request) {
            Ok(id) => {
                taken(&self.bodies).insert(id, request.json());
                Reply { status: 204, headers: Vec::new(), body: Vec::new() }
            }
            Err(reason) => Reply::text(401, reason),
        }
    }
}
