//! Asks for the Certificates.

use std::collections::BTreeSet;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use tokio::time::Instant;

use super::objects::{Certificate, CertificateSpec, IssuerRef, PrivateKeySpec, SecretTemplate};
use super::readiness::Wanted;
use super::refusal;
use super::settings::Options;
use crate::clock;
use crate::cluster::call::{Action, call};
use crate::cluster::scratch::named;
use crate::context::{Context, Step};
use crate::failure::Failure;

/// The longest part of `certName` in the name of an object: with prefix, number and run it stays a DNS label.
const LONGEST: usize = 18;

/// One Certificate that was asked for.
#[derive(Debug, Clone)]
pub(super) struct Order {
    /// What to wait for.
    pub(super) wanted: Wanted,
    /// The names that it has to be for.
    pub(super) dns_names: BTreeSet<String>,
    /// The UID of the Secret of its name that was there before it, if one was.
    pub(super) secret_before: Option<String>,
    created: Timestamp,
    asked: Instant,
}

impl Order {
    /// The time in the cluster, by the API server's clock: this machine's may be wrong, and is not what is proved.
    pub(super) fn cluster_time(&self) -> Timestamp {
        self.created.checked_add(self.asked.elapsed()).unwrap_or(self.created)
    }
}

/// Asks for all Certificates at once.
pub(super) async fn place(
    cx: &Context,
    step: &Step,
    options: &Options,
    issuer: &IssuerRef,
) -> Result<Vec<Order>, Failure> {
    let orders = (0..options.count).map(|index| one(cx, step, options, issuer, index));
    let orders = futures::future::try_join_all(orders).await?;
    step.evidence("certificates", orders.iter().map(|order| order.wanted.name.as_str()).collect::<Vec<_>>());
    let before: Vec<_> = orders.iter().filter_map(|order| order.secret_before.as_ref()).collect();
    step.evidence("secretsBefore", before);
    Ok(orders)
}

async fn one(cx: &Context, step: &Step, options: &Options, issuer: &IssuerRef, index: u64) -> Result<Order, Failure> {
    let name = name(cx, &options.cert_name, index);
    let dns_names = options.dns_names(index, &cx.scratch.namespace);
    let secrets = cx.api::<Secret>();
    let action = Action::on::<Secret>("get", &cx.scratch.namespace, &name);
    let before = call(step, &action, async || secrets.get_metadata_opt(&name).await).await?;
    cx.scratch.expect_from_controller::<Secret>(&name);
    let certificate = Certificate {
        metadata: named(&name),
        spec: CertificateSpec {
            secret_name: name.clone(),
            dns_names: dns_names.iter().cloned().collect(),
            duration: options.duration.map(|duration| format!("{}s", duration.as_secs())),
            usages: options.key.usages().iter().map(|&usage| usage.to_owned()).collect(),
            private_key: PrivateKeySpec {
                algorithm: options.key.name().to_owned(),
                size: options.key.bits(),
                rotation_policy: "Always".to_owned(),
            },
            secret_template: SecretTemplate { labels: cx.scratch.labels(), annotations: cx.scratch.annotations() },
            issuer_ref: issuer.clone(),
        },
        status: None,
    };
    let created = match cx.create(step, certificate).await {
        Ok(created) => created,
        Err(failure) => return Err(refusal::explain(cx, failure).await),
    };
    if !cx.scratch.owns_namespace() {
        // Were its Secret to go first, cert-manager would make it anew.
        cx.scratch.remove_first(&created);
    }
    let secret_before = before.and_then(|secret| secret.metadata.uid);
    Ok(Order {
        wanted: Wanted {
            name,
            uid: created.uid().unwrap_or_default(),
            after_revision: 0,
            secret_before: secret_before.is_some(),
        },
        dns_names,
        secret_before,
        created: created.creation_timestamp().map_or_else(clock::now, |time| time.0),
        asked: Instant::now(),
    })
}

fn name(cx: &Context, cert_name: &str, index: u64) -> String {
    let short: String = cert_name.chars().take(LONGEST).collect();
    let number = if index == 0 { String::new() } else { format!("-{index}") };
    cx.scratch.name(&format!("{}-cert{number}", short.trim_end_matches('-')))
}
