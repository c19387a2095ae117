//! What an error of S3 means: try again, or never, and whose matter it is.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use crate::cluster::connect::innermost;

/// An answer other than what was asked for. The text begins with S3's own error code, if it gave one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It may work the next time.
    Transient(String),
    /// The credentials are accepted, but lack a permission.
    Denied(String),
    /// There are no credentials, or none that are accepted.
    Credentials(String),
    /// The bucket is in another region.
    WrongRegion(String),
    /// There is no such bucket.
    NoBucket(String),
    /// There is no such object (any more), or none that can be read as it is.
    NoObject(String),
    /// Anything else that will not work the next time either.
    Refused(String),
}

/// What S3 said, without the client's types around it.
#[derive(Debug, Default)]
struct Said<'a> {
    status: u16,
    code: &'a str,
    message: &'a str,
    /// The region that the bucket is in, as the server says.
    region: Option<&'a str>,
}

/// Sorts an error of the client.
pub fn answer_of<E>(error: &SdkError<E, HttpResponse>) -> Answer
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    match error {
        SdkError::ServiceError(service) => {
            let raw = service.raw();
            answer_of_said(&Said {
                status: raw.status().as_u16(),
                code: service.err().code().unwrap_or_default(),
                message: service.err().message().unwrap_or_default(),
                region: raw.headers().get("x-amz-bucket-region"),
            })
        }
        // A reply that is no reply of S3 comes from something in between, or from a server that is no S3 server.
        SdkError::ResponseError(response) => answer_of_said(&Said {
            status: response.raw().status().as_u16(),
            message: &innermost(error),
            ..Said::default()
        }),
        SdkError::TimeoutError(_) => Answer::Transient("timed out".to_owned()),
        SdkError::DispatchFailure(_) | SdkError::ConstructionFailure(_) => answer_of_unsent(error),
        other => Answer::Refused(innermost(other)),
    }
}

/// No request was sent, or none was answered.
fn answer_of_unsent(error: &dyn std::error::Error) -> Answer {
    let chain: Vec<String> =
        std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect();
    let text = chain.last().cloned().unwrap_or_default();
    let about_credentials = |text: &String| {
        let text = text.to_lowercase();
        text.contains("credentials") || text.contains("identity")
    };
    if chain.iter().any(about_credentials) {
        Answer::Credentials(format!("no credentials: {text}"))
    } else {
        Answer::Transient(format!("no connection: {text}"))
    }
}

fn answer_of_said(said: &Said<'_>) -> Answer {
    let mut text = match (said.code, said.message) {
        ("", "") => format!("status {}", said.status),
        ("", message) => format!("status {}: {message}", said.status),
        (code, "") => format!("{code} (status {})", said.status),
        (code, message) => format!("{code}: {} (status {})", message.trim_end_matches('.'), said.status),
    };
    if let Some(region) = said.region {
        text = format!("{text}; the bucket is in {region}");
    }
    match (said.code, said.status) {
        ("NoSuchBucket", _) => Answer::NoBucket(text),
        ("NoSuchKey" | "NoSuchVersion" | "InvalidObjectState", _) => Answer::NoObject(text),
        ("PermanentRedirect" | "IllegalLocationConstraintException" | "InvalidRegion", _) | (_, 301) => {
            Answer::WrongRegion(text)
        }
        ("AuthorizationHeaderMalformed" | "InvalidRequest", _) if said.message.to_lowercase().contains("region") => {
            Answer::WrongRegion(text)
        }
        (
            "InvalidAccessKeyId"
            | "SignatureDoesNotMatch"
            | "ExpiredToken"
            | "InvalidToken"
            | "TokenRefreshRequired"
            | "RequestTimeTooSkewed"
            | "AuthorizationHeaderMalformed",
            _,
        )
        | (_, 401) => Answer::Credentials(text),
        ("RequestTimeout" | "SlowDown" | "ServiceUnavailable" | "InternalError", _) | (_, 429 | 500..=599) => {
            Answer::Transient(text)
        }
        (_, 403) => Answer::Denied(text),
        (_, 404) => Answer::NoObject(text),
        _ => Answer::Refused(text),
    }
}

impl Answer {
    /// What was said.
    pub fn text(&self) -> &str {
        let (Self::Transient(text)
        | Self::Denied(text)
        | Self::Credentials(text)
        | Self::WrongRegion(text)
        | Self::NoBucket(text)
        | Self::NoObject(text)
        | Self::Refused(text)) = self;
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(status: u16, code: &'static str, message: &'static str) -> Answer {
        answer_of_said(&Said { status, code, message, region: None })
    }

    #[test]
    fn a_refusal_is_told_from_credentials_and_from_a_region() {
        assert!(matches!(said(403, "AccessDenied", "Access Denied"), Answer::Denied(_)));
        assert!(matches!(said(403, "", ""), Answer::Denied(_)));
        for code in ["InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "RequestTimeTooSkewed"] {
            assert!(matches!(said(403, code, ""), Answer::Credentials(_)), "{code}");
        }
        let malformed = "The authorization header is malformed; the region 'us-east-1' is wrong; expecting 'eu-west-1'";
        assert!(matches!(said(400, "AuthorizationHeaderMalformed", malformed), Answer::WrongRegion(_)));
        assert!(matches!(said(301, "PermanentRedirect", "use the specified endpoint"), Answer::WrongRegion(_)));
    }

    #[test]
    fn the_region_that_the_server_names_is_told() {
        let said = Said { status: 301, code: "PermanentRedirect", message: "", region: Some("eu-west-1") };
        let text = "PermanentRedirect (status 301); the bucket is in eu-west-1".to_owned();
        assert_eq!(answer_of_said(&said), Answer::WrongRegion(text));
    }

    #[test]
    fn overload_is_tried_again_and_what_is_missing_is_not() {
        for (status, code) in [(503, "SlowDown"), (500, "InternalError"), (502, ""), (429, ""), (400, "RequestTimeout")]
        {
            assert!(matches!(said(status, code, ""), Answer::Transient(_)), "{status} {code}");
        }
        assert!(matches!(said(404, "NoSuchBucket", ""), Answer::NoBucket(_)));
        assert!(matches!(said(404, "NoSuchKey", ""), Answer::NoObject(_)));
        assert!(matches!(said(403, "InvalidObjectState", "archived"), Answer::NoObject(_)));
    }
}
