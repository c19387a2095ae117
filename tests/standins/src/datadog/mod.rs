//! Datadog's API, as far as the check `datadog-agent` asks it: keys and their scopes, limits, metric queries.
//!
//! - Keys: <https://docs.datadoghq.com/account_management/api-app-keys/>; a key of one site is unknown at every other
//! - `GET /api/v1/validate`: <https://docs.datadoghq.com/api/latest/authentication/validate-api-key/>
//! - `GET /api/v2/validate_keys`: <https://docs.datadoghq.com/api/latest/key-management/validate-api-and-application-keys/>
//! - `GET /api/v1/query`: <https://docs.datadoghq.com/api/latest/metrics/query-timeseries-points/>
//! - Limits: <https://docs.datadoghq.com/api/latest/rate-limits/>

mod agent;
mod query;
mod quota;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde_json::{Value, json};

pub use self::agent::Agent;
use self::query::Query;
use self::quota::Quota;
use crate::request::{Reply, Request};
use crate::server::Rules;

/// The scope that a query needs.
const QUERY_SCOPE: &str = "timeseries_query";

/// One site with one organisation.
#[derive(Debug, Default)]
pub struct Datadog {
    api_keys: Vec<String>,
    /// Application keys with their scopes; `None`: unscoped, so it may do what its owner may.
    app_keys: BTreeMap<String, Option<Vec<String>>>,
    agents: Mutex<Vec<Agent>>,
    quota: Option<Mutex<Quota>>,
    ahead: i64,
}

impl Datadog {
    /// A site that knows no key and has no metrics.
    pub fn new() -> Self {
        Self::default()
    }

    /// Knows an API key.
    #[must_use]
    pub fn api_key(mut self, key: &str) -> Self {
        self.api_keys.push(key.to_owned());
        self
    }

    /// Knows an application key without scopes.
    #[must_use]
    pub fn application_key(mut self, key: &str) -> Self {
        self.app_keys.insert(key.to_owned(), None);
        self
    }

    /// Knows an application key that has these scopes alone.
    #[must_use]
    pub fn scoped_application_key(mut self, key: &str, scopes: &[&str]) -> Self {
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        self.app_keys.insert(key.to_owned(), Some(scopes));
        self
    }

    /// Allows so many queries in a period of so many seconds, aligned with the clock.
    #[must_use]
    pub fn limit(mut self, allowed: u64, period: i64) -> Self {
        self.quota = Some(Mutex::new(Quota::new(allowed, period)));
        self
    }

    /// Its clock is ahead of this machine's, in seconds.
    #[must_use]
    pub fn clock_ahead(mut self, seconds: i64) -> Self {
        self.ahead = seconds;
        self
    }

    /// Receives what an agent sends.
    #[must_use]
    pub fn receives(self, agent: Agent) -> Self {
        self.lock(&self.agents).push(agent);
        self
    }

    /// Another agent starts to send, while the stand-in runs.
    pub fn add(&self, agent: Agent) {
        self.lock(&self.agents).push(agent);
    }

    /// Its time, in seconds since the epoch.
    pub fn now(&self) -> i64 {
        now() + self.ahead
    }

    #[allow(clippy::unused_self)] // reads like `self.agents.lock()`
    fn lock<'m, T>(&self, mutex: &'m Mutex<T>) -> MutexGuard<'m, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_api_key(&self, request: &Request) -> bool {
        self.api_keys.iter().any(|key| key == request.header("dd-api-key"))
    }

    /// The refusal of a request that needs both keys; `None`: both are valid.
    fn refusal(&self, request: &Request) -> Option<Reply> {
        let app_key = request.header("dd-application-key");
        if !self.has_api_key(request) {
            Some(forbidden())
        } else if app_key.is_empty() {
            Some(Reply::json(401, &json!({"errors": ["Unauthorized"]})))
        } else if self.app_keys.contains_key(app_key) {
            None
        } else {
            Some(forbidden())
        }
    }

    fn query(&self, request: &Request) -> Reply {
        if let Some(refusal) = self.refusal(request) {
            return refusal;
        }
        let scopes = self.app_keys.get(request.header("dd-application-key")).and_then(Option::as_ref);
        if scopes.is_some_and(|scopes| !scopes.iter().any(|scope| scope == QUERY_SCOPE)) {
            return forbidden();
        }
        let Some(quota) = &self.quota else { return self.points(request) };
        let mut quota = self.lock(quota);
        let reply = if quota.take(self.now()) {
            self.points(request)
        } else {
            let text = format!(
                "Rate limit of {} requests in {} seconds reached. Please try again later.",
                quota.allowed, quota.period
            );
            Reply::json(429, &json!({"errors": [text]}))
        };
        quota.headers(self.now()).into_iter().fold(reply, |reply, (name, value)| reply.header(name, value))
    }

    fn points(&self, request: &Request) -> Reply {
        let second = |name: &str| request.parameter(name).parse::<i64>().ok();
        let (Some(from), Some(to)) = (second("from"), second("to")) else {
            return Reply::json(400, &json!({"errors": ["'from' and 'to' are required and have to be integers"]}));
        };
        if from >= to {
            return Reply::json(400, &json!({"errors": ["'from' has to be before 'to'"]}));
        }
        let text = request.parameter("query");
        let Some(query) = Query::parse(text) else {
            let error = format!("Error parsing query: unable to parse {text}");
            return Reply::json(200, &json!({"status": "error", "error": error, "query": text}));
        };
        let series = query.series(&self.lock(&self.agents), from, to, self.now());
        Reply::json(
            200,
            &json!({
                "status": "ok", "res_type": "time_series", "resp_version": 1, "query": text, "message": "",
                "from_date": from * 1000, "to_date": to * 1000, "group_by": query.groups(), "series": series,
            }),
        )
    }
}

impl Rules for Datadog {
    fn reply(&self, request: &Request) -> Reply {
        let reply = match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/api/v1/validate") if self.has_api_key(request) => Reply::json(200, &json!({"valid": true})),
            ("GET", "/api/v1/validate") => forbidden(),
            ("GET", "/api/v2/validate_keys") => {
                self.refusal(request).unwrap_or_else(|| Reply::json(200, &json!({"status": "ok"})))
            }
            ("GET", "/api/v1/query") => self.query(request),
            _ => Reply::json(404, &json!({"errors": ["Not found"]})),
        };
        match self.ahead {
            0 => reply,
            _ => reply.header("date", http_date(self.now())),
        }
    }
}

fn forbidden() -> Reply {
    Reply::json(403, &json!({"errors": ["Forbidden"]}))
}

/// <https://www.rfc-editor.org/rfc/rfc9110#name-date-time-formats>
fn http_date(second: i64) -> String {
    Timestamp::from_second(second)
        .map(|time| time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
        .unwrap_or_default()
}

/// This machine's time, in seconds since the epoch.
#[allow(clippy::disallowed_methods)] // the one place
pub fn now() -> i64 {
    Timestamp::now().as_second()
}

/// One series of a reply.
fn series(query: &Query, scope: &[String], tag_set: &[String], points: &[(i64, Option<f64>)]) -> Value {
    let (start, end) = (points.first().map_or(0, |point| point.0), points.last().map_or(0, |point| point.0));
    let pointlist: Vec<Value> = points.iter().map(|(at, value)| json!([at * 1000, value])).collect();
    json!({
        "metric": query.metric, "display_name": query.metric, "aggr": query.aggregation, "expression": query.text,
        "scope": if scope.is_empty() { "*".to_owned() } else { scope.join(",") },
        "tag_set": tag_set, "interval": 1, "length": points.len(), "query_index": 0, "attributes": {}, "unit": null,
        "start": start * 1000, "end": end * 1000 + 999, "pointlist": pointlist,
    })
}
