//! `DescribeCluster`.
//!
//! <https://docs.aws.amazon.com/eks/latest/APIReference/API_DescribeCluster.html>

use base64::Engine;
use serde_json::json;

use super::{Aws, Refusal, Words};
use crate::request::{Reply, Request};
use crate::server::taken;

const WORDS: Words = Words {
    unknown: "UnrecognizedClientException",
    mismatch: "InvalidSignatureException",
    expired: "ExpiredTokenException",
    incomplete: "MissingAuthenticationTokenException",
};

pub(super) fn describe(aws: &Aws, request: &Request, name: &str) -> Reply {
    described(aws, request, name).unwrap_or_else(|Refusal { status, code, message }| {
        Reply::json(status, &json!({"message": message})).header("x-amzn-ErrorType", code)
    })
}

fn described(aws: &Aws, request: &Request, name: &str) -> Result<Reply, Refusal> {
    let caller = aws.caller(request, "eks", &WORDS)?;
    let arn = format!("arn:aws:eks:{}:{}:cluster/{name}", aws.region, aws.account);
    if request.method != "GET" || !caller.may.contains(&"eks:DescribeCluster") {
        let message =
            format!("User: {} is not authorized to perform: eks:DescribeCluster on resource: {arn}", caller.arn);
        return Err(Refusal { status: 403, code: "AccessDeniedException", message });
    }
    let Some(cluster) = taken(&aws.state).clusters.get(name).cloned() else {
        let message = format!("No cluster found for name: {name}.");
        return Err(Refusal { status: 404, code: "ResourceNotFoundException", message });
    };
    let mut body = json!({"cluster": {"name": name, "arn": arn, "status": cluster.status, "version": "1.34"}});
    // A cluster that is being made has neither yet.
    if cluster.status != "CREATING" {
        let authority = base64::engine::general_purpose::STANDARD.encode(&cluster.authority);
        body["cluster"]["endpoint"] = json!(cluster.endpoint);
        body["cluster"]["certificateAuthority"] = json!({"data": authority});
    }
    Ok(Reply::json(200, &body))
}
