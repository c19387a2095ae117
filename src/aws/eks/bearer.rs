//! Puts a token on each request, and makes a new one before the old one expires.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Response, StatusCode};
use jiff::Timestamp;
use kube::client::Body;
use tower::{BoxError, Layer, Service};

use super::EksError;
use super::token::Tokens;
use crate::clock;

/// How long a token is valid, on the safe side.
const VALID: Duration = Duration::from_secs(14 * 60);

type Pending<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The layer.
#[derive(Debug, Clone)]
pub(super) struct Bearer {
    tokens: Tokens,
    renew_after: Duration,
}

impl Bearer {
    pub(super) fn new(tokens: Tokens, renew_after: Duration) -> Self {
        Self { tokens, renew_after }
    }
}

impl<S> Layer<S> for Bearer {
    type Service = Bearing<S>;

    fn layer(&self, inner: S) -> Bearing<S> {
        Bearing { inner, by: self.clone(), token: None, renewal: None, failed: None, refused: Refused::default() }
    }
}

/// Whether the API server has refused the token that is in use.
type Refused = std::sync::Arc<std::sync::atomic::AtomicBool>;

/// A token, and when it was made.
struct Token {
    header: HeaderValue,
    made: Timestamp,
}

impl Token {
    fn age(&self) -> Duration {
        // A clock that was set back makes it as old as it may be: it is made anew.
        Duration::try_from(clock::now().duration_since(self.made)).unwrap_or(VALID)
    }
}

/// The service whose requests carry the token. It is ready once there is one.
pub(super) struct Bearing<S> {
    inner: S,
    by: Bearer,
    token: Option<Token>,
    renewal: Option<Pending<Result<String, EksError>>>,
    /// Why there is none, for the next request.
    failed: Option<EksError>,
    refused: Refused,
}

impl<S> Bearing<S> {
    fn poll_token(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // Put out of use by the API server, such as after its clock was set.
        if self.refused.swap(false, std::sync::atomic::Ordering::Relaxed) {
            self.token = None;
        }
        if self.token.as_ref().is_some_and(|token| token.age() < self.by.renew_after) {
            return Poll::Ready(());
        }
        let tokens = self.by.tokens.clone();
        let renewal = self.renewal.get_or_insert_with(|| Box::pin(async move { tokens.make().await }));
        let made = ready!(renewal.as_mut().poll(cx));
        self.renewal = None;
        let header = made.and_then(|token| {
            let mut header = HeaderValue::try_from(format!("Bearer {token}"))
                .map_err(|error| EksError::Refused { action: "sts:GetCallerIdentity", said: error.to_string() })?;
            header.set_sensitive(true);
            Ok(header)
        });
        match header {
            Ok(header) => self.token = Some(Token { header, made: clock::now() }),
            // The old one is good for a few more minutes; the next request tries again.
            Err(error) if self.token.as_ref().is_some_and(|token| token.age() < VALID) => {
                tracing::warn!("the token is not renewed yet: {error}");
            }
            Err(error) => {
                self.token = None;
                self.failed = Some(error);
            }
        }
        Poll::Ready(())
    }
}

impl<S, B> Service<Request<Body>> for Bearing<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: Send + 'static,
{
    type Response = Response<B>;
    type Error = BoxError;
    type Future = Pending<Result<Response<B>, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        // An error here would close the client for good, so a missing token is the next request's error.
        ready!(self.poll_token(cx));
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        if let Some(error) = self.failed.take() {
            return Box::pin(std::future::ready(Err(error.into())));
        }
        if let Some(token) = &self.token {
            request.headers_mut().insert(AUTHORIZATION, token.header.clone());
        }
        let answer = self.inner.call(request);
        let refused = self.refused.clone();
        Box::pin(async move {
            let answer = answer.await.map_err(Into::into)?;
            if answer.status() == StatusCode::UNAUTHORIZED {
                refused.store(true, std::sync::atomic::Ordering::Relaxed);
            }
            Ok(answer)
        })
    }
}
