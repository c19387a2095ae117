//! Requests as stand-ins see them, and what they reply.

use std::collections::BTreeMap;
use std::time::Instant;

use http::{HeaderMap, Method};
use serde_json::Value;

/// A request, its body read to the end.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path without the query.
    pub path: String,
    /// The query's parameters, decoded; of a repeated one the last.
    pub query: BTreeMap<String, String>,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
    /// When it had been read.
    pub at: Instant,
}

impl Request {
    /// A header's text; empty where it is missing or no text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// A parameter of the query; empty where it is missing.
    pub fn parameter(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }

    /// The body as JSON; null where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The body as a form (`application/x-www-form-urlencoded`), decoded.
    pub fn form(&self) -> BTreeMap<String, String> {
        pairs(&String::from_utf8_lossy(&self.body))
    }
}

/// A reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// Headers, in order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// A reply of JSON.
    pub fn json(status: u16, body: &Value) -> Self {
        let reply = Self { status, headers: Vec::new(), body: body.to_string().into_bytes() };
        reply.header("content-type", "application/json")
    }

    /// A reply of text.
    pub fn text(status: u16, body: &str) -> Self {
        let reply = Self { status, headers: Vec::new(), body: body.as_bytes().to_vec() };
        reply.header("content-type", "text/plain")
    }

    /// The same with one more header.
    #[must_use]
    #[allow(clippy::needless_pass_by_value)] // numbers and texts alike
    pub fn header(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }
}

/// The pairs of a query or form, decoded.
///
/// <https://url.spec.whatwg.org/#urlencoded-parsing>
pub(crate) fn pairs(text: &str) -> BTreeMap<String, String> {
    let parts = text.split('&').filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (decoded(name), decoded(value))
        })
        .collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok());
        let (after, byte) = match (first, hex) {
            (b'%', Some(byte)) => (&after[2..], byte),
            (b'+', _) => (after, b' '),
            (other, _) => (after, other),
        };
        rest = after;
        bytes.push(byte);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded() {
        let decoded = pairs("query=avg%3Aa%7B*%7D&from=1&x=a+b&y=%zz&&empty");
        assert_eq!(decoded["query"], "avg:a{*}");
        assert_eq!((decoded["x"].as_str(), decoded["y"].as_str(), decoded["empty"].as_str()), ("a b", "%zz", ""));
    }
}
