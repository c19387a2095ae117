//! The three requests that the check makes of Datadog's API.
//!
//! Not by the crate `datadog-api-client`: it has no features to leave out what is not used (1.5 million lines; one debug build takes
//! 9.5 GB of memory), it keeps the headers of replies to itself, which hold the limits and Datadog's time, and it panics on keys that
//! are no header values.

use std::cell::Cell;

use http::HeaderMap;
use http::header::{ACCEPT, DATE, USER_AGENT};
use serde_json::Value;

use super::limit::Limit;
use super::settings::Settings;
use crate::clock;
use crate::cluster::connect::innermost;
use crate::tls;

/// What is read of a reply, in bytes: a thousand hosts' points of an hour are a tenth of it.
const MOST_OF_BODY: usize = 64 * 1024 * 1024;
/// What is shown of a reply that is no JSON, in characters.
const SHOWN: usize = 120;

/// The API.
pub(super) struct Api<'a> {
    pub(super) settings: &'a Settings,
    http: reqwest::Client,
    /// How far Datadog's clock is ahead of ours, in seconds.
    ahead: Cell<i64>,
    requests: Cell<usize>,
}

/// A reply.
#[derive(Debug)]
pub(super) struct Reply {
    /// The status code.
    pub(super) status: u16,
    /// What the headers say about limits.
    pub(super) limit: Limit,
    /// The body; null where it is no JSON.
    pub(super) json: Value,
    /// The path that was asked.
    pub(super) path: &'static str,
    /// The beginning of a body that is no JSON.
    text: String,
}

/// Why there is no reply.
#[derive(Debug)]
pub(super) enum NoReply {
    /// The server's certificate is not trusted.
    Untrusted(String),
    /// The host's name does not exist.
    NoSuchName(String),
    /// It does not answer, or not in time.
    Unreachable(String),
}

impl<'a> Api<'a> {
    pub(super) fn new(settings: &'a Settings) -> reqwest::Result<Self> {
        // A redirect would take the keys elsewhere.
        let builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .tls_backend_preconfigured(settings.tls.clone())
            .timeout(settings.http_timeout);
        let builder = match &settings.proxy {
            Some(proxy) => builder.proxy(proxy.clone()),
            None => builder,
        };
        Ok(Self { settings, http: builder.build()?, ahead: Cell::new(0), requests: Cell::new(0) })
    }

    /// Whether the API key is valid; says nothing about the application key.
    ///
    /// <https://docs.datadoghq.com/api/latest/authentication/validate-api-key/>
    pub(super) async fn validate(&self) -> Result<Reply, NoReply> {
        self.get("/api/v1/validate", &[], false).await
    }

    /// Whether both keys are valid; says nothing about what they may do.
    ///
    /// <https://docs.datadoghq.com/api/latest/key-management/validate-api-and-application-keys/>
    pub(super) async fn validate_keys(&self) -> Result<Reply, NoReply> {
        self.get("/api/v2/validate_keys", &[], true).await
    }

    /// The points of a query between two times, in seconds since the epoch.
    ///
    /// <https://docs.datadoghq.com/api/latest/metrics/query-timeseries-points/>
    pub(super) async fn query(&self, query: &str, from: i64, to: i64) -> Result<Reply, NoReply> {
        let parameters = [("from", from.to_string()), ("to", to.to_string()), ("query", query.to_owned())];
        self.get("/api/v1/query", &parameters, true).await
    }

    /// Datadog's time now, in seconds since the epoch; ours until it has answered once.
    pub(super) fn now(&self) -> i64 {
        clock::now().as_second() + self.ahead.get()
    }

    /// How far Datadog's clock is ahead of ours, in seconds.
    pub(super) fn ahead(&self) -> i64 {
        self.ahead.get()
    }

    /// How many requests were made so far.
    pub(super) fn requests(&self) -> usize {
        self.requests.get()
    }

    async fn get(&self, path: &'static str, parameters: &[(&str, String)], both_keys: bool) -> Result<Reply, NoReply> {
        let url = format!("{}{path}", self.settings.url);
        let url = reqwest::Url::parse_with_params(&url, parameters).map_err(|e| NoReply::NoSuchName(e.to_string()))?;
        let mut request = self
            .http
            .get(url)
            .header(USER_AGENT, concat!("kibertas-rs/", env!("CARGO_PKG_VERSION")))
            .header(ACCEPT, "application/json")
            .header("DD-API-KEY", self.settings.api_key.clone());
        if both_keys {
            request = request.header("DD-APPLICATION-KEY", self.settings.app_key.clone());
        }
        self.requests.set(self.requests.get() + 1);
        let before = clock::now();
        let mut response = request.send().await.map_err(|error| self.no_reply(&error))?;
        let (status, limit) = (response.status().as_u16(), Limit::of(response.headers()));
        if let Some(theirs) = date(response.headers()) {
            let ours = i64::midpoint(before.as_millisecond(), clock::now().as_millisecond());
            self.ahead.set(ahead(theirs, ours));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.no_reply(&error))? {
            body.extend_from_slice(&chunk);
            if body.len() > MOST_OF_BODY {
                return Err(NoReply::Unreachable(format!("a reply of more than {MOST_OF_BODY} bytes")));
            }
        }
        let (json, text) = match serde_json::from_slice(&body) {
            Ok(json) => (json, String::new()),
            Err(_) => (Value::Null, String::from_utf8_lossy(&body).chars().take(SHOWN).collect()),
        };
        Ok(Reply { status, limit, json, path, text })
    }

    fn no_reply(&self, error: &reqwest::Error) -> NoReply {
        if error.is_timeout() {
            return NoReply::Unreachable(format!("no answer within {} s", self.settings.http_timeout.as_secs_f64()));
        }
        if let Some(tls @ rustls::Error::InvalidCertificate(_)) = tls::error_in(error) {
            return NoReply::Untrusted(tls.to_string());
        }
        match innermost(error) {
            // What the C library's resolver says of a name that does not exist, other than of a server that does not answer.
            text if text.contains("Name or service not known") || text.contains("No address associated") => {
                NoReply::NoSuchName(text)
            }
            text => NoReply::Unreachable(text),
        }
    }
}

impl Reply {
    /// The status and what the body says about it, such as `HTTP 403 Forbidden from /api/v1/query`.
    pub(super) fn words(&self) -> String {
        let said = self.errors();
        let path = self.path;
        let reason = http::StatusCode::from_u16(self.status).ok().and_then(|status| status.canonical_reason());
        let said = if Some(said.as_str()) == reason { String::new() } else { said };
        let colon = if said.is_empty() { "" } else { ": " };
        format!("HTTP {} {} from {path}{colon}{said}", self.status, reason.unwrap_or_default())
    }

    /// What the body says went wrong; empty where it says nothing.
    pub(super) fn errors(&self) -> String {
        let texts = self.json["errors"].as_array().map(|all| all.iter().filter_map(Value::as_str).collect::<Vec<_>>());
        let one = self.json["error"].as_str().or(self.json["message"].as_str());
        match texts.filter(|texts| !texts.is_empty()) {
            Some(texts) => texts.join("; "),
            None => one.map_or_else(|| self.text.split_whitespace().collect::<Vec<_>>().join(" "), str::to_owned),
        }
    }
}

impl Reply {
    /// Whether a reply carries an error, which it can with a good status.
    pub(super) fn has_error(&self) -> bool {
        let text = self.json["error"].as_str().unwrap_or_default();
        !text.is_empty() || self.json["status"].as_str().is_some_and(|status| status != "ok")
    }

    /// Whether its error is about the request, so that asking again is in vain.
    pub(super) fn is_about_query(&self) -> bool {
        let error = self.errors().to_lowercase();
        ["pars", "invalid", "unknown", "unrecognized", "syntax"].iter().any(|word| error.contains(word))
    }
}

fn date(headers: &HeaderMap) -> Option<i64> {
    let text = headers.get(DATE)?.to_str().ok()?;
    Some(jiff::fmt::rfc2822::parse(text).ok()?.timestamp().as_millisecond())
}

/// How far their clock is ahead, in seconds; both are given in milliseconds. The header has whole seconds, so what is below two is
/// nothing but that and the way.
fn ahead(theirs: i64, ours: i64) -> i64 {
    // Half a second for the header's missing fraction, half to round.
    let difference = (theirs + 1000 - ours).div_euclid(1000);
    if difference.abs() < 2 { 0 } else { difference }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, json: Value, text: &str) -> Reply {
        Reply { status, limit: Limit::default(), json, path: "/api/v1/query", text: text.to_owned() }
    }

    #[test]
    fn what_datadog_says_is_told_once() {
        let json = serde_json::json!({"errors": ["Forbidden"]});
        assert_eq!(reply(403, json, "").words(), "HTTP 403 Forbidden from /api/v1/query");
        let json = serde_json::json!({"status": "error", "error": "Error parsing query"});
        assert_eq!(reply(400, json, "").words(), "HTTP 400 Bad Request from /api/v1/query: Error parsing query");
        assert_eq!(reply(502, Value::Null, "<html>\n x").words(), "HTTP 502 Bad Gateway from /api/v1/query: <html> x");
    }

    #[test]
    fn a_good_status_can_carry_an_error() {
        let good = |json| reply(200, json, "");
        assert!(!good(serde_json::json!({"status": "ok", "error": ""})).has_error());
        assert!(!good(serde_json::json!({"series": []})).has_error());
        assert!(good(serde_json::json!({"status": "error"})).has_error());
        let passing = good(serde_json::json!({"status": "ok", "error": "Query timed out"}));
        assert!(passing.has_error() && !passing.is_about_query());
        assert!(good(serde_json::json!({"error": "Error parsing query: unexpected token"})).is_about_query());
    }

    #[test]
    fn a_clock_is_ahead_by_whole_seconds_that_matter() {
        assert_eq!(ahead(10_000, 10_400), 0);
        assert_eq!(ahead(10_000, 11_900), 0);
        assert_eq!(ahead(310_000, 10_100), 300);
        assert_eq!(ahead(10_000, 310_500), -300);
    }
}
