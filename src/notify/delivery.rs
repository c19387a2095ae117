//! One request to one service: tried again where that can help and cannot tell people twice, and never for longer than there is
//! time.

use std::time::Duration;

use http::{HeaderMap, HeaderName, Method};
use rand::RngExt as _;
use tokio::time::Instant;

use super::waiting;
use crate::clock;
use crate::cluster::connect::innermost;

/// What is read of an answer, in bytes. A page of 100 comments of GitHub may have more, and is then not needed whole.
const MOST_OF_BODY: usize = 1024 * 1024;
/// What is shown of a service's own words, in characters.
const MOST_SHOWN: usize = 200;

/// How patient a delivery is.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// The longest that one try may take.
    pub of_try: Duration,
    /// The first pause between tries where the service names none; it doubles from one to the next.
    pub pause: Duration,
    /// The most tries.
    pub tries: u32,
}

impl Default for Patience {
    fn default() -> Self {
        Self { of_try: Duration::from_secs(10), pause: Duration::from_millis(500), tries: 5 }
    }
}

/// A request, before it is sent.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The URL. It may be a secret, and is never shown.
    pub url: String,
    /// The headers.
    pub headers: Vec<(HeaderName, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// Whether the service does the same for two requests as for one. Where it does not, a request is sent again only if it
    /// surely had no effect.
    pub repeatable: bool,
    /// Whether the answer's body is needed; its status suffices otherwise.
    pub wants_body: bool,
}

impl Request {
    /// A request that sends JSON.
    pub fn json(method: Method, url: String, body: &serde_json::Value) -> Self {
        Self {
            method,
            url,
            headers: vec![(http::header::CONTENT_TYPE, "application/json; charset=utf-8".to_owned())],
            body: body.to_string().into_bytes(),
            repeatable: false,
            wants_body: false,
        }
    }

    /// The same with one more header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((HeaderName::from_static(name), value.into()));
        self
    }
}

/// A service's answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The beginning of the body; empty where it was not wanted of a success.
    pub body: String,
}

/// What an answer means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    /// The service has taken it.
    Taken,
    /// It may take it later: in so much time, where it says so.
    Later(String, Option<Duration>),
    /// It will never take it.
    Refused(String),
}

/// What became of a request.
#[derive(Debug)]
pub struct Delivered {
    /// The answer.
    pub answer: Answer,
    /// The number of tries.
    pub tries: u32,
}

/// Why a request was not delivered, or may not have been.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}{}", if *.tries > 1 { format!(" (after {} tries)", .tries) } else { String::new() })]
pub struct Undelivered {
    /// In words.
    pub reason: String,
    /// The number of tries.
    pub tries: u32,
}

/// A client of a service, its certificate authorities and its patience.
#[derive(Debug, Clone)]
pub struct Http {
    client: reqwest::Client,
    patience: Patience,
    deadline: Instant,
}

/// How one try ended without an answer.
enum Lost {
    /// Nothing has reached the service.
    Unsent(String),
    /// It may have reached it.
    Unknown(String),
}

impl Http {
    /// A client that is patient until `deadline`. It goes through the proxy that the environment names, if any.
    pub fn new(tls: rustls::ClientConfig, patience: Patience, deadline: Instant) -> Result<Self, Undelivered> {
        let client = reqwest::Client::builder()
            .user_agent(concat!("kibertas-rs/", env!("CARGO_PKG_VERSION")))
            // A redirect would carry the secret elsewhere.
            .redirect(reqwest::redirect::Policy::none())
            .tls_backend_preconfigured(tls)
            .build()
            .map_err(|error| Undelivered { reason: innermost(&error), tries: 0 })?;
        Ok(Self { client, patience, deadline })
    }

    /// Sends a request until the service takes or refuses it, or there is no time left.
    pub async fn deliver(
        &self,
        request: &Request,
        meaning: impl Fn(&Answer) -> Meaning,
    ) -> Result<Delivered, Undelivered> {
        let mut tries = 0;
        let mut pause = self.patience.pause;
        loop {
            tries += 1;
            let undelivered = |reason: String| Err(Undelivered { reason, tries });
            let until = self.deadline.min(Instant::now() + self.patience.of_try);
            let (reason, asked) = match self.once(request, until).await {
                Ok(answer) => match meaning(&answer) {
                    Meaning::Taken => return Ok(Delivered { answer, tries }),
                    Meaning::Refused(reason) => return undelivered(reason),
                    Meaning::Later(reason, asked) => (reason, asked),
                },
                Err(Lost::Unsent(reason)) => (reason, None),
                Err(Lost::Unknown(reason)) if request.repeatable => (reason, None),
                Err(Lost::Unknown(reason)) => {
                    return undelivered(format!("{reason}; it may have arrived, so it is not sent again"));
                }
            };
            let wait = asked.unwrap_or(pause) + jitter(pause);
            pause = (pause * 2).min(Duration::from_secs(8));
            let left = self.deadline.saturating_duration_since(Instant::now());
            if tries >= self.patience.tries {
                return undelivered(reason);
            }
            if wait >= left {
                let told = |time: Duration| clock::human(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
                return undelivered(match asked {
                    Some(asked) => {
                        format!("{reason}; it asks to wait {}, but {} are left", told(asked), told(left))
                    }
                    None => reason,
                });
            }
            tracing::debug!(%reason, ?wait, "a message is tried again");
            tokio::time::sleep(wait).await;
        }
    }

    async fn once(&self, request: &Request, until: Instant) -> Result<Answer, Lost> {
        let started = Instant::now();
        let overdue = || {
            let waited = clock::human(clock::millis_between(started, Instant::now()));
            Lost::Unknown(format!("no answer within {waited}"))
        };
        let mut building = self.client.request(request.method.clone(), &request.url).body(request.body.clone());
        for (name, value) in &request.headers {
            building = building.header(name, value);
        }
        let mut response = match tokio::time::timeout_at(until, building.send()).await {
            Err(_elapsed) => return Err(overdue()),
            Ok(Err(error)) => return Err(lost(error)),
            Ok(Ok(response)) => response,
        };
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let mut body = Vec::new();
        let success = (200..300).contains(&status);
        // The status has said it all: a body that trickles in for ever must not make a success a failure.
        if !success || request.wants_body {
            let reading = async {
                while let Some(chunk) = response.chunk().await? {
                    body.extend_from_slice(&chunk);
                    if body.len() > MOST_OF_BODY {
                        break;
                    }
                }
                Ok::<(), reqwest::Error>(())
            };
            match tokio::time::timeout_at(until, reading).await {
                Ok(Ok(())) => {}
                // A refusal's status suffices as well.
                _ if !success => {}
                Ok(Err(error)) => return Err(Lost::Unknown(innermost(&error.without_url()))),
                Err(_elapsed) => return Err(overdue()),
            }
        }
        Ok(Answer { status, headers, body: String::from_utf8_lossy(&body).into_owned() })
    }
}

fn lost(error: reqwest::Error) -> Lost {
    let (unsent, reason) = (error.is_connect() || error.is_builder(), innermost(&error.without_url()));
    if unsent { Lost::Unsent(format!("no connection: {reason}")) } else { Lost::Unknown(reason) }
}

/// Up to half of a pause more, at random, so that runs that failed together do not come back together.
fn jitter(pause: Duration) -> Duration {
    pause.mul_f64(rand::rng().random_range(0.0..0.5))
}

/// What an answer means by HTTP's own rules: 2xx is taken, 429 and 5xx are for later, everything else is refused.
///
/// <https://www.rfc-editor.org/rfc/rfc6585#section-4>
pub fn by_status(answer: &Answer) -> Meaning {
    let words = in_words(answer);
    match answer.status {
        200..=299 => Meaning::Taken,
        429 => Meaning::Later(words, waiting::asked(&answer.headers, clock::now())),
        500..=599 => Meaning::Later(words, waiting::retry_after(&answer.headers, clock::now())),
        _ => Meaning::Refused(words),
    }
}

/// The status, its name, and the service's own words.
pub fn in_words(answer: &Answer) -> String {
    let status = http::StatusCode::from_u16(answer.status).ok();
    let name = status.and_then(|status| status.canonical_reason()).unwrap_or("unknown status");
    let told = crate::report::printable::one_line(answer.body.trim()).into_owned();
    let told = crate::report::printable::shortened(&told, MOST_SHOWN).into_owned();
    match told.as_str() {
        "" => format!("{} {name}", answer.status),
        told => format!("{} {name}: {told}", answer.status),
    }
}
