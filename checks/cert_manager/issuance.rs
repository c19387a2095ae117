//! Waits until the requested Certificates are issued: watches them, their requests and their issuer side by side.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use futures::FutureExt;
use kube::Api;
use kube::runtime::watcher;
use tokio::time::{Instant, timeout_at};

use super::objects::{CLUSTER_ISSUER, Certificate, CertificateRequest, ClusterIssuer, Conditions, Issuer, IssuerRef};
use super::readiness::{Issued, IssuerState, Seen, SeenIssuer, Wanted, judge};
use super::stall;
use crate::cluster::Look;
use crate::context::{Context, Step};
use crate::failure::Failure;
use crate::verdict::Verdict;

/// How long an issuer may say that it is not ready before that is believed: cert-manager looks at it again within 5 s, and right
/// after an installation its CA may be a moment behind it.
const SETTLE: Duration = Duration::from_secs(10);

/// Waits until every one of `all` is ready, and returns what their requests were given.
pub(super) async fn issued(
    cx: &Context,
    step: &Step,
    all: &[Wanted],
    issuer: &IssuerRef,
) -> Result<Vec<Issued>, Failure> {
    let watches = Watches { cx, step, all, issuer, seen: RefCell::default(), settled: Cell::new(false) };
    let settled_at = Instant::now() + SETTLE.min(step.remaining() / 2);
    let outcome = match timeout_at(settled_at, watches.follow()).await {
        Ok(outcome) => outcome,
        Err(_elapsed) => {
            watches.settled.set(true);
            watches.follow().await
        }
    };
    outcome.map_err(|failure| {
        let time_is_up = step.remaining().is_zero() && failure.verdict == Verdict::Failed && failure.cause.is_none();
        if time_is_up { stall::explain(failure, all, &watches.seen.borrow()) } else { failure }
    })
}

struct Watches<'a> {
    cx: &'a Context,
    step: &'a Step,
    all: &'a [Wanted],
    issuer: &'a IssuerRef,
    seen: RefCell<Seen>,
    settled: Cell<bool>,
}

impl Watches<'_> {
    /// Each watch adds what it shows, and whichever sees the end first ends the wait.
    async fn follow(&self) -> Result<Vec<Issued>, Failure> {
        let expected = match self.all.len() {
            1 => "the Certificate to be Ready=True at its current generation".to_owned(),
            count => format!("all {count} Certificates to be Ready=True at their current generation"),
        };
        let ours = || watcher::Config::default().labels(&self.cx.scratch.selector());
        let (certificates, requests) = (self.cx.api::<Certificate>(), self.cx.api::<CertificateRequest>());
        let certificates = self.step.wait_for_all(&certificates, ours(), &expected, |all| {
            self.note(|seen| seen.certificates = Some(all.clone()))
        });
        // cert-manager gives a request the labels of its Certificate.
        let requests = self
            .step
            .wait_for_all(&requests, ours(), &expected, |all| self.note(|seen| seen.requests = Some(all.clone())));
        tokio::select! {
            outcome = certificates.boxed_local() => outcome,
            outcome = requests.boxed_local() => outcome,
            outcome = self.issuer(&expected).boxed_local() => outcome,
        }
    }

    async fn issuer(&self, expected: &str) -> Result<Vec<Issued>, Failure> {
        if self.issuer.kind == CLUSTER_ISSUER {
            self.watch_issuer(&Api::<ClusterIssuer>::all(self.cx.client.clone()), expected).await
        } else {
            self.watch_issuer(&self.cx.api::<Issuer>(), expected).await
        }
    }

    async fn watch_issuer<K>(&self, api: &Api<K>, expected: &str) -> Result<Vec<Issued>, Failure>
    where
        K: Conditions + Clone + std::fmt::Debug + serde::de::DeserializeOwned + Send + 'static,
    {
        self.step
            .wait_for(api, &self.issuer.name, expected, |issuer| {
                self.note(|seen| {
                    seen.issuer =
                        issuer.map_or(SeenIssuer::Absent, |there| SeenIssuer::There(Box::new(IssuerState::of(there))));
                })
            })
            .await
    }

    fn note(&self, add: impl FnOnce(&mut Seen)) -> Look<Vec<Issued>> {
        let mut seen = self.seen.borrow_mut();
        add(&mut seen);
        judge(self.all, &seen, self.settled.get())
    }
}
