//! Logs that do not arrive in the bucket, or cannot be read there. What is seen is the S3 server's own error code.

use super::{Cause, Finding};
use crate::diagnosis::controllers;
use crate::diagnosis::evidence::Evidence;
use crate::diagnosis::wording::{has_any, quoted};
use crate::failure::{Certainty, Failure, Origin};

/// The causes, the more specific first.
pub(super) static CAUSES: &[Cause] = &[
    Cause {
        id: "s3-clock-skew",
        about: "This machine's clock is too far from the S3 server's.",
        sign: "RequestTimeTooSkewed.",
        certainty: Certainty::Certain,
        origin: Origin::Harness,
        find: skew,
    },
    Cause {
        id: "s3-token-expired",
        about: "The credentials for S3 have expired.",
        sign: "ExpiredToken, or a token that is invalid.",
        certainty: Certainty::Certain,
        origin: Origin::Harness,
        find: expired,
    },
    Cause {
        id: "s3-credentials-unknown",
        about: "S3 does not know the access key, or the secret key is wrong.",
        sign: "InvalidAccessKeyId or SignatureDoesNotMatch.",
        certainty: Certainty::Certain,
        origin: Origin::Harness,
        find: unknown_key,
    },
    Cause {
        id: "s3-credentials-missing",
        about: "No credentials for S3 were found.",
        sign: "The credentials provider has none.",
        certainty: Certainty::Certain,
        origin: Origin::Harness,
        find: no_credentials,
    },
    Cause {
        id: "s3-region-wrong",
        about: "The bucket is in another region than the configured one.",
        sign: "PermanentRedirect, AuthorizationHeaderMalformed or a 301.",
        certainty: Certainty::Certain,
        origin: Origin::Harness,
        find: region,
    },
    Cause {
        id: "s3-bucket-missing",
        about: "The bucket is not there.",
        sign: "NoSuchBucket or a 404 for the bucket.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: no_bucket,
    },
    Cause {
        id: "s3-access-denied",
        about: "The credentials may not list or read the bucket.",
        sign: "AccessDenied or 403.",
        certainty: Certainty::Certain,
        origin: Origin::Harness,
        find: denied,
    },
    Cause {
        id: "s3-unreachable",
        about: "The S3 server cannot be reached from here.",
        sign: "A refused connection, a timeout or a name that does not resolve.",
        certainty: Certainty::Likely,
        origin: Origin::Outside,
        find: unreachable,
    },
    Cause {
        id: "log-shipper-down",
        about: "The log shipper does not run.",
        sign: "The lines did not arrive, and the shipper's workload has no ready pod.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: shipper_down,
    },
    Cause {
        id: "logs-not-shipped",
        about: "The log shipper does not ship this namespace's lines, or to another place.",
        sign: "Only older objects, or none, under the path.",
        certainty: Certainty::Possible,
        origin: Origin::Cluster,
        find: not_shipped,
    },
];

fn seen<'a>(failure: &'a Failure, evidence: &Evidence, words: &[&str]) -> Option<&'a str> {
    (evidence.check == "fluent" && has_any(&failure.seen, words)).then_some(failure.seen.as_str())
}

fn skew(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let seen = seen(failure, evidence, &["RequestTimeTooSkewed"])?;
    Some(
        Finding::new(format!("this machine's clock is too far from the S3 server's: {}", quoted(seen)))
            .next("date -u; timedatectl"),
    )
}

const WHO: &str = "aws sts get-caller-identity";

fn expired(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let seen = seen(failure, evidence, &["ExpiredToken", "token has expired", "TokenRefreshRequired"])?;
    Some(Finding::new(format!("the credentials for S3 have expired: {}", quoted(seen))).next(WHO))
}

fn unknown_key(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let seen = seen(failure, evidence, &["InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken"])?;
    Some(
        Finding::new(format!("S3 does not accept the credentials: {}", quoted(seen)))
            .next(WHO)
            .next("see AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and AWS_PROFILE: a forgotten one wins over IRSA"),
    )
}

fn no_credentials(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let words = [
        "no credentials",
        "credentials provider",
        "failed to load credentials",
        "CredentialsNotLoaded",
        "failed to construct request",
    ];
    let seen = seen(failure, evidence, &words)?;
    Some(Finding::new(format!("no credentials for S3 were found: {}", quoted(seen))).next(WHO).next(
        "in a pod: see its ServiceAccount's annotation eks.amazonaws.com/role-arn, or its pod identity association",
    ))
}

fn region(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let words = [
        "PermanentRedirect",
        "AuthorizationHeaderMalformed",
        "IllegalLocationConstraint",
        "the region",
        "wrong region",
        "301",
    ];
    let seen = seen(failure, evidence, &words)?;
    Some(
        Finding::new(format!("the bucket is in another region: {}", quoted(seen)))
            .next("aws s3api get-bucket-location --bucket BUCKET")
            .next("set AWS_REGION to it"),
    )
}

fn no_bucket(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let seen = seen(failure, evidence, &["NoSuchBucket", "bucket does not exist", "bucket is not there"])?;
    Some(
        Finding::new(format!("the bucket is not there: {}", quoted(seen)))
            .next("aws s3api head-bucket --bucket BUCKET")
            .next("see LOG_BUCKET_NAME, and the bucket in the shipper's own configuration"),
    )
}

fn denied(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let seen = seen(failure, evidence, &["AccessDenied", "403", "access denied", "forbidden"])?;
    Some(
        Finding::new(format!("the credentials may not list or read the bucket: {}", quoted(seen)))
            .next(WHO)
            .next("allow s3:ListBucket on the bucket and s3:GetObject on the path, and kms:Decrypt on its key; see the bucket's policy"),
    )
}

fn unreachable(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let words =
        ["connection refused", "timed out", "dns error", "failed to lookup", "dispatch failure", "no route to host"];
    let seen = seen(failure, evidence, &words)?;
    Some(
        Finding::new(format!("the S3 server cannot be reached from here: {}", quoted(seen)))
            .next("see AWS_ENDPOINT_URL, AWS_REGION, and the way out of this network (VPC endpoint, proxy)"),
    )
}

/// Whether the failure is about lines that should be in the bucket, the bucket itself being readable.
fn awaited<'a>(failure: &'a Failure, evidence: &Evidence) -> Option<&'a str> {
    let about = has_any(&failure.expected, &["object", "line", "nonce"]);
    let words = ["no object", "no new object", "nothing", "not found", "without", "older", "none", "0 of", "missing"];
    about.then(|| seen(failure, evidence, &words)).flatten()
}

fn shipper_down(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    awaited(failure, evidence)?;
    let (addon, standing) = controllers::silent(evidence, &["fluent-bit", "fluentd", "OpenTelemetry collector"])?;
    Some(Finding::new(format!("{addon}, which ships the logs, {}", standing.trouble)).next(standing.next))
}

fn not_shipped(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let seen = awaited(failure, evidence)?;
    Some(
        Finding::new(format!("the lines have not been shipped ({}): the shipper stands still, leaves this namespace out, writes to another path, or holds them longer than the check waits", quoted(seen)))
            .next("kubectl get daemonsets -A | grep -i -e fluent -e otel -e vector, then its log")
            .next("compare LOG_PATH and LOG_BUCKET_NAME with the shipper's output, and its flush interval with the check's timeout"),
    )
}
