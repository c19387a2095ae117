//! What can be wrong with an issued certificate, each in its own words.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::failure::{Certainty, Failure, ObjectRef, Origin};

/// What is wrong with the content of a certificate's Secret. The text completes "saw …".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Defect {
    /// An entry of the Secret is absent or empty.
    #[error("no {0} in the Secret")]
    Missing(&'static str),
    /// An entry of the Secret cannot be read.
    #[error("{what} cannot be read: {reason}")]
    Unreadable {
        /// Which entry.
        what: &'static str,
        /// Why; never the content.
        reason: String,
    },
    /// The Secret holds another certificate than the one that this run's request was given.
    #[error(
        "the Secret holds a certificate (SHA-256 {stored}) that is not the one issued for this run's \
         CertificateRequest (SHA-256 {issued})"
    )]
    NotOfThisRun {
        /// The fingerprint of the stored certificate.
        stored: String,
        /// The fingerprint of the issued certificate.
        issued: String,
    },
    /// The private key is of another certificate.
    #[error("tls.key is not the private key of the certificate in tls.crt")]
    ForeignKey,
    /// The key is of another kind than was asked for.
    #[error("a key of {found} where {wanted} was asked for")]
    KeyAlgorithm {
        /// What there is.
        found: String,
        /// What was asked for.
        wanted: String,
    },
    /// The certificate is for other names.
    #[error(
        "subject alternative names that are not the requested ones: missing [{}], not asked for [{}]",
        list(missing),
        list(extra)
    )]
    Names {
        /// Asked for but not there.
        missing: BTreeSet<String>,
        /// There but not asked for.
        extra: BTreeSet<String>,
    },
    /// The time of validity has not begun.
    #[error("{whose} is not valid before {not_before}, and it is {now} in the cluster")]
    NotYetValid {
        /// Whose time.
        whose: String,
        /// When it begins.
        not_before: Timestamp,
        /// The cluster's time.
        now: Timestamp,
    },
    /// The time of validity is over.
    #[error("{whose} expired at {not_after}, and it is {now} in the cluster")]
    Expired {
        /// Whose time.
        whose: String,
        /// When it ended.
        not_after: Timestamp,
        /// The cluster's time.
        now: Timestamp,
    },
    /// The certificate is valid for longer or shorter than was asked for.
    #[error("a duration of {found_seconds} s where {wanted_seconds} s were asked for")]
    Duration {
        /// From its start to its end.
        found_seconds: i64,
        /// As asked for.
        wanted_seconds: i64,
    },
    /// The key may not be used for what it is needed for, or for more than was asked.
    #[error("key usages that are not the requested ones: missing [{}], not asked for [{}]", list(missing), list(extra))]
    Usages {
        /// Asked for but not there.
        missing: BTreeSet<String>,
        /// There but not asked for.
        extra: BTreeSet<String>,
    },
    /// A certificate that was to be a server's may sign others.
    #[error("a certificate that is a CA, which was not asked for")]
    IsCa,
    /// A link of the chain does not hold.
    #[error("a chain that breaks: {child} says that {parent} issued it, but {why}")]
    BrokenChain {
        /// The lower certificate's subject or names.
        child: String,
        /// The upper certificate's subject.
        parent: String,
        /// What does not hold.
        why: &'static str,
    },
    /// The chain ends before a CA that is trusted.
    #[error("a chain that does not lead to {anchor}; it ends at the issuer \"{ends_at}\"")]
    Untrusted {
        /// The CA that it had to lead to.
        anchor: &'static str,
        /// The issuer that the last certificate names.
        ends_at: String,
    },
    /// `ca.crt` is not the CA that issued.
    #[error("ca.crt holds another CA (\"{found}\") than the one that this run made")]
    OtherCaCrt {
        /// Its subject.
        found: String,
    },
    /// A signature algorithm that cannot be verified here.
    #[error("{0} is signed in a way that this program cannot verify")]
    Unsupported(String),
}

fn list(words: &BTreeSet<String>) -> String {
    words.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

impl Defect {
    /// The failure of the step that verifies `secret`.
    pub(super) fn failure(&self, secret: ObjectRef) -> Failure {
        let expected = "the Secret to hold what the Certificate asks for";
        let failure = match self {
            Self::Unsupported(_) => Failure::inconclusive(expected).because(
                Certainty::Certain,
                Origin::Harness,
                "the issuer uses a signature algorithm that kibertas-rs does not know",
            ),
            _ => Failure::failed(expected),
        };
        let failure = match self.cause() {
            Some((certainty, text)) => failure.because(certainty, Origin::Cluster, text),
            None => failure,
        };
        let (namespace, name) = (secret.namespace.clone().unwrap_or_default(), secret.name.clone());
        failure
            .saw(self.to_string())
            .on(secret)
            .next(format!(
                "kubectl get secret -n {namespace} {name} -o jsonpath='{{.data.tls\\.crt}}' | base64 -d | openssl x509 -noout -text"
            ))
            .next(format!("kubectl get certificaterequests -n {namespace} -o wide"))
    }

    fn cause(&self) -> Option<(Certainty, &'static str)> {
        use Certainty::{Likely, Possible};
        match self {
            Self::NotOfThisRun { .. } => Some((
                Likely,
                "something else than cert-manager writes this Secret, or cert-manager kept a certificate that was there before",
            )),
            Self::ForeignKey => Some((Likely, "the Secret was written by more than one writer")),
            Self::NotYetValid { .. } | Self::Expired { .. } => {
                Some((Likely, "a clock is wrong on the node that cert-manager runs on, or a CA has expired"))
            }
            Self::Names { .. }
            | Self::Duration { .. }
            | Self::Usages { .. }
            | Self::IsCa
            | Self::KeyAlgorithm { .. } => {
                Some((Likely, "the issuer, or a policy in front of it, changes what the Certificate asks for"))
            }
            Self::BrokenChain { .. } | Self::Untrusted { .. } | Self::OtherCaCrt { .. } => Some((
                Possible,
                "the issuer signs with another CA than its configuration names, or gives a stale chain",
            )),
            Self::Missing(_) | Self::Unreadable { .. } | Self::Unsupported(_) => None,
        }
    }
}
