//! Reads the Secrets of issued Certificates and proves what is in them.

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;

use super::handshake::{self, Agreed};
use super::order::Order;
use super::readiness::Issued;
use super::settings::Options;
use super::stored::Stored;
use super::verify::{Demand, Proof, Trust, verify};
use super::{chain, defect::Defect};
use crate::context::{Context, Step};
use crate::failure::{Certainty, Failure, ObjectRef, Origin};

/// A certificate that was read and found right.
pub(super) struct Verified {
    /// The Secret.
    pub(super) secret: ObjectRef,
    /// What it holds.
    pub(super) stored: Stored,
    /// What was proved of it.
    pub(super) proof: Proof,
}

/// Reads and verifies the Secret of every issued Certificate.
pub(super) async fn verified(
    cx: &Context,
    step: &Step,
    options: &Options,
    trust: &Trust,
    orders: &[Order],
    issued: &[Issued],
) -> Result<Vec<Verified>, Failure> {
    let each = orders.iter().zip(issued).map(async |(order, issued)| {
        let name = &order.wanted.name;
        let secret: Secret = cx.get(step, name).await?;
        let object = ObjectRef::new("Secret", &cx.scratch.namespace, name);
        let wrong = |defect: Defect| defect.failure(object.clone());
        let stored = Stored::read(&secret).map_err(wrong)?;
        let demand = Demand {
            dns_names: &order.dns_names,
            duration: options.duration,
            key: options.key,
            trust,
            issued: &issued.certificate,
            now: order.cluster_time(),
        };
        let proof = verify(&stored, &demand).map_err(wrong)?;
        let told = told(&secret, order, issued, &proof);
        Ok((Verified { secret: object, stored, proof }, told))
    });
    let (verified, told): (Vec<_>, Vec<_>) = futures::future::try_join_all(each).await?.into_iter().unzip();
    step.evidence("certificates", told);
    Ok(verified)
}

/// What goes into the report: nothing of the Secret's data but what every TLS client of it would see.
fn told(secret: &Secret, order: &Order, issued: &Issued, proof: &Proof) -> serde_json::Value {
    serde_json::json!({
        "secret": secret.name_any(),
        "secretUid": secret.uid(),
        "secretBefore": order.secret_before,
        "certificateRequest": issued.request,
        "revision": issued.revision,
        "proof": proof,
    })
}

/// Serves every verified key pair to a TLS client that trusts the CA.
pub(super) async fn served(step: &Step, trust: &Trust, orders: &[Order], verified: &[Verified]) -> Result<(), Failure> {
    let mut agreed: Vec<Agreed> = Vec::new();
    for (order, verified) in orders.iter().zip(verified) {
        let roots = chain::anchors(&verified.stored, trust);
        // Clocks of one cluster may be seconds apart; verification has allowed for that already.
        let now = order.cluster_time().max(verified.proof.not_before);
        let names = &order.dns_names;
        let all = handshake::shake_hands(&verified.stored, roots, names, now).await.map_err(|error| {
            Failure::failed("a TLS client that trusts the CA to accept the issued key pair")
                .saw(error.to_string())
                .on(verified.secret.clone())
                .because(Certainty::Likely, Origin::Cluster, "what was issued is no usable certificate of a TLS server")
        })?;
        agreed.extend(all);
    }
    step.evidence("handshakes", agreed);
    Ok(())
}
