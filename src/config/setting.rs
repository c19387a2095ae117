//! A setting as data: its key, environment names, kind, default and what it is for.
//!
//! Checks declare their settings with this; the file, the environment and the flags are read, validated, listed and
//! documented from the declaration alone.

use std::collections::BTreeMap;
use std::time::Duration;

use super::kubernetes;

/// What a setting's text must look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any text that is not empty.
    Text,
    /// A text that is never shown: a token, a key.
    Secret,
    /// `true` or `false`.
    Flag,
    /// A whole number within the bounds, both included.
    Integer {
        /// The least value allowed.
        min: u64,
        /// The greatest value allowed.
        max: u64,
    },
    /// A time such as `90s`, `15m` or `1h30m`; a bare number means minutes, as in the Go tool.
    Duration {
        /// The longest time allowed, in seconds.
        max_seconds: u64,
    },
    /// A DNS name in the sense of RFC 1123.
    HostName,
    /// A name as Kubernetes gives to namespaces and most objects: RFC 1123 label, at most 63 characters.
    ObjectName,
    /// Socket addresses `IP` or `IP:PORT`, separated by commas; the port's default is 53.
    Resolvers,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Words separated by commas.
    List,
    /// Pairs such as annotations: a mapping in the file, elsewhere `KEY=VALUE` separated by commas, or a JSON object where a value
    /// has commas itself.
    Pairs,
    /// `http://` or `https://` with a host.
    Url,
    /// A path to a file that can be read.
    File,
    /// The key of a Kubernetes label.
    LabelKey,
    /// The value of a Kubernetes label.
    LabelValue,
    /// An amount of a resource, such as `250m` or `128Mi`.
    Quantity,
    /// Tolerations as `KEY=VALUE:EFFECT`, `KEY:EFFECT` or `KEY`, separated by commas; `*` tolerates everything.
    Tolerations,
}

impl Kind {
    /// What a right value looks like, to complete "should be …".
    pub fn expectation(self) -> String {
        match self {
            Self::Text | Self::Secret => "a text that is not empty".to_owned(),
            Self::Flag => "true or false".to_owned(),
            Self::Integer { min, max } => format!("a whole number from {min} to {max}"),
            Self::Duration { max_seconds } => {
                format!("a time such as 90s or 15m (a bare number means minutes), above 0 and at most {max_seconds}s")
            }
            Self::HostName => "a DNS name such as kibertas.example.com".to_owned(),
            Self::ObjectName => "a name of lower-case letters, digits and '-', at most 63 characters".to_owned(),
            Self::Resolvers => {
                "IP addresses with an optional port, such as 10.0.0.2:53, separated by commas".to_owned()
            }
            Self::Choice(words) => format!("one of {}", words.join(", ")),
            Self::List => "words separated by commas".to_owned(),
            Self::Pairs => "KEY=VALUE pairs separated by commas, or a mapping of texts".to_owned(),
            Self::Url => "a URL that begins with http:// or https://".to_owned(),
            Self::File => "a file that can be read".to_owned(),
            Self::LabelKey => "the key of a label, such as karpenter.sh/capacity-type".to_owned(),
            Self::LabelValue => {
                "the value of a label: letters, digits, '-', '_' and '.', at most 63 characters".to_owned()
            }
            Self::Quantity => "an amount such as 250m or 128Mi".to_owned(),
            Self::Tolerations => "tolerations as KEY=VALUE:EFFECT, KEY:EFFECT or KEY, separated by commas".to_owned(),
        }
    }

    /// Whether a text is a value of this kind.
    pub fn accepts(self, text: &str) -> bool {
        match self {
            Self::Text | Self::Secret | Self::List => !text.trim().is_empty(),
            Self::Flag => parse_flag(text).is_some(),
            Self::Integer { min, max } => text.parse::<u64>().is_ok_and(|n| (min..=max).contains(&n)),
            Self::Duration { max_seconds } => {
                parse_duration(text).is_some_and(|d| !d.is_zero() && d <= Duration::from_secs(max_seconds))
            }
            Self::HostName => is_host_name(text),
            Self::ObjectName => is_label(text),
            Self::Resolvers => parse_resolvers(text).is_some(),
            Self::Choice(words) => words.contains(&text),
            Self::Pairs => parse_pairs(text).is_some(),
            Self::Url => is_url(text),
            Self::File => std::fs::File::open(text).is_ok(),
            Self::LabelKey => kubernetes::is_label_key(text),
            Self::LabelValue => kubernetes::is_label_value(text),
            Self::Quantity => kubernetes::is_quantity(text),
            Self::Tolerations => kubernetes::parse_tolerations(text).is_some(),
        }
    }
}

/// One setting of the harness or of a check.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// The key in the configuration file and in `--set`, in camelCase.
    pub key: &'static str,
    /// Environment variables, the first one that is set wins. The Go tool's names are kept.
    pub env: &'static [&'static str],
    /// What its text must look like.
    pub kind: Kind,
    /// The value where none is given; `None`: unset.
    pub default: Option<&'static str>,
    /// What it is for, in one sentence.
    pub help: &'static str,
}

/// Reads `true`/`false` and the spellings that Go's `strconv.ParseBool` takes, because the Go tool's users have them in place.
pub fn parse_flag(text: &str) -> Option<bool> {
    match text {
        "true" | "TRUE" | "True" | "t" | "T" | "1" => Some(true),
        "false" | "FALSE" | "False" | "f" | "F" | "0" => Some(false),
        _ => None,
    }
}

/// Reads `90s`, `15m`, `1h30m`, `250ms`; a bare number means minutes, as the Go tool's `--timeout` does.
pub fn parse_duration(text: &str) -> Option<Duration> {
    if let Ok(minutes) = text.parse::<u64>() {
        return minutes.checked_mul(60).map(Duration::from_secs);
    }
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit_end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let part = match &rest[..unit_end] {
            "ms" => Duration::from_millis(number),
            "s" => Duration::from_secs(number),
            "m" => Duration::from_secs(number.checked_mul(60)?),
            "h" => Duration::from_secs(number.checked_mul(3600)?),
            _ => return None,
        };
        total = total.checked_add(part)?;
        rest = &rest[unit_end..];
    }
    (!text.is_empty()).then_some(total)
}

/// Reads a list of resolvers; the port's default is 53.
pub fn parse_resolvers(text: &str) -> Option<Vec<std::net::SocketAddr>> {
    text.split(',')
        .map(|part| {
            let part = part.trim();
            part.parse().ok().or_else(|| part.parse().ok().map(|ip| std::net::SocketAddr::new(ip, 53)))
        })
        .collect()
}

/// Reads `KEY=VALUE` pairs, or a JSON object of texts.
pub fn parse_pairs(text: &str) -> Option<BTreeMap<String, String>> {
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text).ok();
    }
    text.split(',')
        .map(|pair| {
            let (key, value) = pair.split_once('=')?;
            let key = key.trim();
            (!key.is_empty()).then(|| (key.to_owned(), value.trim().to_owned()))
        })
        .collect()
}

/// Whether a text is an RFC 1123 label.
pub fn is_label(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 63
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// Whether a text is a DNS name: labels of at most 63 characters, 253 in all, the last label not a number.
pub fn is_host_name(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    name.len() <= 253
        && name.split('.').all(|label| is_label(&label.to_ascii_lowercase()))
        && !name.rsplit('.').next().is_none_or(|top| top.bytes().all(|b| b.is_ascii_digit()))
}

fn is_url(text: &str) -> bool {
    text.parse::<http::Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|h| !h.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(parse_duration("15"), Some(Duration::from_secs(900)));
        assert_eq!(parse_duration("1h30m"), Some(Duration::from_secs(5400)));
        assert_eq!(parse_duration("250ms"), Some(Duration::from_millis(250)));
        for wrong in ["", "-1", "s", "1x", "1.5m", "99999999999999999999", "m15", "15 m"] {
            assert_eq!(parse_duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn absurd_durations_are_refused() {
        let kind = Kind::Duration { max_seconds: 86_400 };
        assert!(kind.accepts("24h"));
        for wrong in ["0", "0s", "25h", "-5m"] {
            assert!(!kind.accepts(wrong), "{wrong}");
        }
    }

    #[test]
    fn host_names() {
        for right in ["example.local", "a-b.c1", "EXAMPLE.com", "example.com."] {
            assert!(is_host_name(right), "{right}");
        }
        let long = format!("{}.com", "a".repeat(64));
        for wrong in ["", "a..b", "-a.b", "a_b.c", "10.0.0.1", "http://x", "a b", long.as_str()] {
            assert!(!is_host_name(wrong), "{wrong}");
        }
    }

    #[test]
    fn resolvers() {
        assert_eq!(parse_resolvers("10.0.0.2, [::1]:5353").unwrap().len(), 2);
        assert_eq!(parse_resolvers("10.0.0.2").unwrap()[0].port(), 53);
        assert!(parse_resolvers("ns1.example.com").is_none());
    }

    #[test]
    fn pairs() {
        assert_eq!(parse_pairs("a=1, b.c/d=e=f").unwrap()["b.c/d"], "e=f");
        assert_eq!(parse_pairs(r#"{"a": "[1,2]"}"#).unwrap()["a"], "[1,2]");
        for wrong in ["", "a", "=b", "a=1,b", r#"{"a": 1}"#, "{"] {
            assert_eq!(parse_pairs(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn urls() {
        assert!(Kind::Url.accepts("https://example.com/x"));
        for wrong in ["example.com", "ftp://x", "https://", ""] {
            assert!(!Kind::Url.accepts(wrong), "{wrong}");
        }
    }
}
