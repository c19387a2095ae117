//! Renews Certificates, as `cmctl renew` does, and proves that the second certificate is another one.
//!
//! <https://cert-manager.io/docs/reference/cmctl/#renew>

use serde_json::json;

use super::content::Verified;
use super::objects::{Certificate, Condition};
use super::order::Order;
use super::readiness::{Issued, Wanted};
use super::verify::Proof;
use crate::context::{Context, Step};
use crate::failure::{Certainty, Failure, Origin};

/// Sets the condition `Issuing` on every Certificate and returns what to wait for: the revision after the one that is there.
pub(super) async fn trigger(
    cx: &Context,
    step: &Step,
    orders: &[Order],
    issued: &[Issued],
) -> Result<Vec<Wanted>, Failure> {
    let each = orders.iter().zip(issued).map(async |(order, issued)| {
        let conditions = with_issuing(&issued.conditions, order);
        let patch = json!({"status": {"conditions": conditions}});
        cx.patch_status::<Certificate>(step, &issued.name, &patch).await?;
        Ok(Wanted { after_revision: issued.revision, ..order.wanted.clone() })
    });
    futures::future::try_join_all(each).await
}

/// A merge patch replaces the whole list, so the conditions that are there go along.
fn with_issuing(conditions: &[Condition], order: &Order) -> Vec<Condition> {
    let mut conditions: Vec<Condition> = conditions.iter().filter(|c| c.type_ != "Issuing").cloned().collect();
    let observed_generation = conditions.iter().find_map(|condition| condition.observed_generation);
    conditions.push(Condition {
        type_: "Issuing".to_owned(),
        status: "True".to_owned(),
        reason: "ManuallyTriggered".to_owned(),
        message: "Renewal triggered by kibertas-rs".to_owned(),
        last_transition_time: Some(order.cluster_time().round(jiff::Unit::Second).unwrap_or_default().to_string()),
        observed_generation,
    });
    conditions
}

/// The failure of a certificate that was not replaced, or whose key was not.
pub(super) fn unchanged(before: &[Verified], after: &[Verified]) -> Option<Failure> {
    before.iter().zip(after).find_map(|(before, after)| {
        let same = same(&before.proof, &after.proof)?;
        let failure = Failure::failed("another certificate with another key after the renewal").saw(same);
        Some(failure.on(after.secret.clone()).because(
            Certainty::Likely,
            Origin::Cluster,
            "the issuer gave the old certificate again instead of signing a new one",
        ))
    })
}

fn same(before: &Proof, after: &Proof) -> Option<String> {
    if before.serial == after.serial {
        return Some(format!("the same serial number {}", after.serial));
    }
    (before.public_key_sha256 == after.public_key_sha256)
        .then(|| "the same key, though the rotation policy is Always".to_owned())
}
