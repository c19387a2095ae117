//! Signature Version 4, verified by its specification: of requests signed in a header and of presigned URLs.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hmac::{Hmac, Mac};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

use crate::request::Request;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// What a signature is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// `YYYYMMDD`.
    pub date: String,
    /// The region.
    pub region: String,
    /// The service.
    pub service: String,
}

/// A signature as the request claims it; [`expected`] tells whether it is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The access key's id.
    pub key: String,
    /// What it is for.
    pub scope: Scope,
    /// When it was made.
    pub at: Timestamp,
    /// The same as the request has it.
    time: String,
    /// The headers that are signed, sorted.
    pub headers: Vec<String>,
    /// The session's token.
    pub token: Option<String>,
    /// In the query, rather than in a header.
    pub presigned: bool,
    /// In hexadecimal digits.
    pub signature: String,
}

/// The request has no signature that can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsigned(pub String);

/// Reads the signature of a request.
pub fn claimed(request: &Request) -> Result<Signed, Unsigned> {
    let presigned = request.query.contains_key("X-Amz-Signature");
    let (credential, headers, signature, time, token) = if presigned {
        if request.parameter("X-Amz-Algorithm") != ALGORITHM {
            return Err(Unsigned("X-Amz-Algorithm is not supported".to_owned()));
        }
        let of = |name: &str| request.parameter(name).to_owned();
        let token = request.query.get("X-Amz-Security-Token").cloned();
        (of("X-Amz-Credential"), of("X-Amz-SignedHeaders"), of("X-Amz-Signature"), of("X-Amz-Date"), token)
    } else {
        let header = request.header("authorization");
        let Some(rest) = header.strip_prefix(ALGORITHM) else {
            return Err(Unsigned("Missing Authentication Token".to_owned()));
        };
        let parts: BTreeMap<&str, &str> = rest.split(',').filter_map(|part| part.trim().split_once('=')).collect();
        let of = |name: &str| parts.get(name).map(|text| (*text).to_owned()).unwrap_or_default();
        let token = Some(request.header("x-amz-security-token").to_owned()).filter(|token| !token.is_empty());
        (of("Credential"), of("SignedHeaders"), of("Signature"), request.header("x-amz-date").to_owned(), token)
    };
    let [key, date, region, service, "aws4_request"] = credential.split('/').collect::<Vec<_>>()[..] else {
        return Err(Unsigned(format!("Credential {credential:?} is malformed")));
    };
    let at = DateTime::strptime("%Y%m%dT%H%M%SZ", &time).and_then(|time| time.to_zoned(TimeZone::UTC));
    let at = at.map_err(|error| Unsigned(format!("the date {time:?} is malformed: {error}")))?.timestamp();
    if !time.starts_with(date) {
        return Err(Unsigned("Date in Credential scope does not match the date of the request".to_owned()));
    }
    let headers: Vec<String> = headers.split(';').map(str::to_owned).collect();
    if !headers.iter().any(|name| name == "host") {
        return Err(Unsigned("'Host' must be a signed header".to_owned()));
    }
    // A token that is sent as a header and not signed could be anybody's.
    if !presigned && token.is_some() && !headers.iter().any(|name| name == "x-amz-security-token") {
        return Err(Unsigned("'X-Amz-Security-Token' must be a signed header".to_owned()));
    }
    let scope = Scope { date: date.to_owned(), region: region.to_owned(), service: service.to_owned() };
    Ok(Signed { key: key.to_owned(), scope, at, time, headers, token, presigned, signature })
}

/// The signature that the request should have.
pub fn expected(signed: &Signed, request: &Request, secret: &str) -> String {
    let Scope { date, region, service } = &signed.scope;
    let canonical = canonical(signed, request);
    let scope = format!("{date}/{region}/{service}/aws4_request");
    let to_sign = format!("{ALGORITHM}\n{}\n{scope}\n{}", signed.time, hex(&Sha256::digest(canonical.as_bytes())));
    let mut key = format!("AWS4{secret}").into_bytes();
    for part in [date.as_str(), region, service, "aws4_request", &to_sign] {
        key = mac(&key, part.as_bytes());
    }
    hex(&key)
}

fn canonical(signed: &Signed, request: &Request) -> String {
    // The path is encoded once more than it was sent, for every service but S3.
    let path: Vec<String> = request.path.split('/').map(encoded).collect();
    let mut query: Vec<(String, String)> = request
        .query
        .iter()
        .filter(|(name, _)| *name != "X-Amz-Signature")
        .map(|(name, value)| (encoded(name), encoded(value)))
        .collect();
    query.sort();
    let query: Vec<String> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut headers = String::new();
    for name in &signed.headers {
        let words: Vec<&str> = request.header(name).split_whitespace().collect();
        let _ = writeln!(headers, "{name}:{}", words.join(" "));
    }
    let names = signed.headers.join(";");
    let payload = hex(&Sha256::digest(&request.body));
    format!("{}\n{}\n{}\n{headers}\n{names}\n{payload}", request.method, path.join("/"), query.join("&"))
}

/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html#create-canonical-request>: `UriEncode`
fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length is a key");
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::pairs;

    /// The example of AWS's own documentation.
    ///
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-examples.html>
    #[test]
    fn the_example_of_the_specification_has_its_signature() {
        let mut headers = http::HeaderMap::new();
        let authorization = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, \
                             SignedHeaders=content-type;host;x-amz-date, \
                             Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7";
        headers.insert("authorization", authorization.parse().unwrap());
        headers.insert("content-type", "application/x-www-form-urlencoded; charset=utf-8".parse().unwrap());
        headers.insert("host", "iam.amazonaws.com".parse().unwrap());
        headers.insert("x-amz-date", "20150830T123600Z".parse().unwrap());
        let request = Request {
            method: http::Method::GET,
            path: "/".to_owned(),
            query: pairs("Action=ListUsers&Version=2010-05-08"),
            headers,
            body: Vec::new(),
            at: std::time::Instant::now(),
        };
        let signed = claimed(&request).unwrap();
        assert_eq!(signed.at.to_string(), "2015-08-30T12:36:00Z");
        let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        assert_eq!(expected(&signed, &request, secret), signed.signature);
        assert_ne!(expected(&signed, &request, "another"), signed.signature);
        let mut other = request.clone();
        other.query.insert("Action".to_owned(), "DeleteUser".to_owned());
        assert_ne!(expected(&signed, &other, secret), signed.signature);
    }
}
