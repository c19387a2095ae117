//! Logs that do not arrive in the bucket, or cannot be read there. What is seen is the S3 server's own error code.

use super::{Cause, Finding};
use crate::diagnosis::controllers;
use crate::diagnosis::evidence::Evidence;
use crate::diagnosis::wording::{between, has_any, quoted, shell_word};
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
        id: "logs-shipped-in-part",
        about: "The log shipper ships a part of the lines only.",
        sign: "Some lines of the run's pod arrived, and others are missing.",
        certainty: Certainty::Possible,
        origin: Origin::Cluster,
        find: lost_in_part,
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

/// The bucket, as the check's expectation or what it saw names it: `s3://BUCKET/…`.
fn bucket(failure: &Failure) -> String {
    let named = [&failure.expected, &failure.seen].into_iter().find_map(|text| text.split_once("s3://"));
    let name = named.and_then(|(_, rest)| rest.split(['/', ' ', ':', ';', ',']).next()).filter(|name| !name.is_empty());
    name.map_or_else(|| "BUCKET".to_owned(), shell_word)
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
    let seen =
        seen(failure, evidence, &["InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "UserNotFound"])?;
    Some(
        Finding::new(format!("S3 does not accept the credentials: {}", quoted(seen)))
            .next(WHO)
            .next("see AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and AWS_PROFILE: a forgotten one wins over IRSA"),
    )
}

fn no_credentials(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let words = ["no credentials", "credentials provider", "failed to load credentials", "CredentialsNotLoaded"];
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
        "the bucket is in ",
        "status 301",
    ];
    let seen = seen(failure, evidence, &words)?;
    let region = between(seen, "the bucket is in ", " ").or_else(|| between(seen, "expecting '", "'"));
    let region = region.or_else(|| between(seen, "expecting \"", "\""));
    let finding = Finding::new(format!("the bucket is in another region: {}", quoted(seen)));
    Some(match region {
        Some(region) => finding.next(format!("set AWS_REGION to {}", shell_word(region))),
        None => {
            finding.next(format!("aws s3api get-bucket-location --bucket {}; set AWS_REGION to it", bucket(failure)))
        }
    })
}

fn no_bucket(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let seen = seen(failure, evidence, &["NoSuchBucket", "bucket does not exist", "bucket is not there"])?;
    Some(
        Finding::new(format!("the bucket is not there: {}", quoted(seen)))
            .next(format!("aws s3api head-bucket --bucket {}", bucket(failure)))
            .next("see LOG_BUCKET_NAME, and the bucket in the shipper's own configuration"),
    )
}

fn denied(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let seen = seen(failure, evidence, &["AccessDenied", "status 403", "access denied"])?;
    Some(
        Finding::new(format!("the credentials may not list or read the bucket: {}", quoted(seen)))
            .next(WHO)
            .next("allow s3:ListBucket on the bucket and s3:GetObject on the path, and kms:Decrypt on its key; see the bucket's policy"),
    )
}

fn unreachable(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let words =
        ["no connection:", "connection refused", "timed out", "dns error", "failed to lookup", "no route to host"];
    let seen = seen(failure, evidence, &words)?;
    Some(
        Finding::new(format!("the S3 server cannot be reached from here: {}", quoted(seen)))
            .next("see AWS_ENDPOINT_URL, AWS_REGION, and the way out of this network (VPC endpoint, proxy)"),
    )
}

/// Whether the failure is about lines that should be in the bucket, the bucket itself being readable.
fn awaited<'a>(failure: &'a Failure, evidence: &Evidence) -> Option<&'a str> {
    let about = has_any(&failure.expected, &["object", "line", "nonce"]);
    let words = ["no object", "no new object", "none with", "older than the run", "missing "];
    about.then(|| seen(failure, evidence, &words)).flatten()
}

fn shipper_down(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    awaited(failure, evidence)?;
    let (addon, standing) = controllers::silent(evidence, &["fluent-bit", "fluentd", "OpenTelemetry collector"])?;
    Some(Finding::new(format!("{addon}, which ships the logs, {}", standing.trouble)).next(standing.next))
}

fn lost_in_part(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let seen = awaited(failure, evidence).filter(|seen| seen.contains("lines, missing "))?;
    Some(
        Finding::new(format!(
            "the shipper has shipped a part of the lines ({}): it drops some, or has not flushed the rest yet",
            quoted(seen)
        ))
        .next("see its log for dropped or retried chunks, throttling and full buffers")
        .next("compare its flush interval, buffer limits and the kubelet's log rotation with the rate of the lines"),
    )
}

fn not_shipped(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let seen = awaited(failure, evidence).filter(|seen| !seen.contains("lines, missing "))?;
    Some(
        Finding::new(format!("the lines have not been shipped ({}): the shipper stands still, leaves this namespace out, writes to another path, or holds them longer than the check waits", quoted(seen)))
            .next("kubectl get daemonsets -A | grep -i -e fluent -e otel -e vector, then its log")
            .next("compare LOG_PATH and LOG_BUCKET_NAME with the shipper's output, and its flush interval with the check's timeout"),
    )
}
