//! Proves that cert-manager issues certificates that work.

mod chain;
mod content;
mod defect;
mod handshake;
mod issuance;
mod issuer;
mod objects;
mod order;
mod readiness;
mod refusal;
mod renewal;
mod root_ca;
mod settings;
mod stall;
mod stored;
mod verify;

use futures::FutureExt;
use futures::future::LocalBoxFuture;

use self::objects::{CLUSTER_ISSUER, GROUP, ISSUER};
use self::readiness::{Issued, Wanted};
use self::settings::{OWN, Options};
use crate::check::{About, Check, Grant};
use crate::config::{Core, Problem, Setting, Values};
use crate::context::{Context, Step};
use crate::failure::Failure;

/// The check.
pub struct CertManager;

static ABOUT: About = About {
    name: "cert-manager",
    aliases: &["certmanager"],
    summary: "cert-manager issues certificates that a TLS client accepts.",
    proves: &[
        "a Certificate of this run becomes Ready=True at its current generation, by a CertificateRequest of its own",
        "its chain leads, signature by signature, to the CA that this run made, or to the existing issuer's",
        "key, names, validity, duration and usages are the requested ones",
        "a TLS server with the issued key pair is accepted by a client that trusts the CA",
        "with renewal: a second certificate with a new key replaces the first",
    ],
};

static GRANTS: &[Grant] = &[
    Grant::namespaced("", "secrets", &["get"], "to verify the issued certificates"),
    Grant::namespaced("", "secrets", &["create"], "the Secret of the run's own CA").when("issuerKind", OWN),
    Grant::namespaced("", "secrets", &["list", "watch", "delete"], "to remove the issued certificates")
        .in_given_namespace(),
    Grant::namespaced(GROUP, "certificates", &["get", "list", "watch", "create"], "the requested Certificates"),
    Grant::namespaced(GROUP, "certificates", &["delete"], "to remove them").in_given_namespace(),
    Grant::namespaced(GROUP, "certificates/status", &["patch"], "to ask for the renewal").when("renewal", "true"),
    Grant::namespaced(GROUP, "certificaterequests", &["list", "watch"], "to see a refusal at once"),
    Grant::namespaced(GROUP, "issuers", &["get", "create"], "the Issuer of the run's own CA").when("issuerKind", OWN),
    Grant::namespaced(GROUP, "issuers", &["list", "watch"], "to see why it is not ready").when("issuerKind", OWN),
    Grant::namespaced(GROUP, "issuers", &["delete"], "to remove it").in_given_namespace(),
    Grant::namespaced(GROUP, "issuers", &["get", "list", "watch"], "to see why it is not ready")
        .when("issuerKind", ISSUER),
    Grant::cluster(GROUP, "clusterissuers", &["get", "list", "watch"], "to see why it is not ready")
        .when("issuerKind", CLUSTER_ISSUER),
];

impl Check for CertManager {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn settings(&self) -> &'static [Setting] {
        settings::SETTINGS
    }

    fn grants(&self) -> &'static [Grant] {
        GRANTS
    }

    fn contradictions(&self, values: &Values, core: &Core) -> Vec<Problem> {
        settings::contradictions(values, core)
    }

    fn run<'a>(&'a self, cx: &'a Context) -> LocalBoxFuture<'a, Result<(), Failure>> {
        prove(cx).boxed_local()
    }
}

async fn prove(cx: &Context) -> Result<(), Failure> {
    let options = Options::of(&cx.values);
    let issuer = match options.issuer.clone() {
        None => cx.step("root CA", async |step| issuer::own(cx, step, &options).await).await?,
        Some(reference) => {
            cx.step("issuer", async |step| issuer::existing(cx, step, &options, reference).await).await?
        }
    };
    let orders = cx
        .step("certificates requested", async |step| order::place(cx, step, &options, &issuer.reference).await)
        .await?;
    let issued = cx
        .step("certificate ready", async |step| {
            let wanted: Vec<Wanted> = orders.iter().map(|order| order.wanted.clone()).collect();
            let issued = issuance::issued(cx, step, &wanted, &issuer.reference).await?;
            tell(step, &issued);
            Ok(issued)
        })
        .await?;
    let verified = cx
        .step("certificate verified", async |step| {
            content::verified(cx, step, &options, &issuer.trust, &orders, &issued).await
        })
        .await?;
    cx.step("TLS handshake", async |step| content::served(step, &issuer.trust, &orders, &verified).await).await?;
    if !options.renewal {
        return Ok(());
    }
    let renewed = cx
        .step("certificate renewed", async |step| {
            let wanted = renewal::trigger(cx, step, &orders, &issued).await?;
            let renewed = issuance::issued(cx, step, &wanted, &issuer.reference).await?;
            tell(step, &renewed);
            Ok(renewed)
        })
        .await?;
    cx.step("renewed certificate verified", async |step| {
        let second = content::verified(cx, step, &options, &issuer.trust, &orders, &renewed).await?;
        if let Some(failure) = renewal::unchanged(&verified, &second) {
            return Err(failure);
        }
        content::served(step, &issuer.trust, &orders, &second).await
    })
    .await
}

fn tell(step: &Step, issued: &[Issued]) {
    let requests: Vec<_> = issued.iter().map(|one| one.request.as_str()).collect();
    step.evidence("certificateRequests", requests);
    step.evidence("ready", issued.len());
}
