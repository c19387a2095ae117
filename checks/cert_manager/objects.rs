//! cert-manager's kinds, as far as the check reads and writes them.
//!
//! <https://cert-manager.io/docs/reference/api-docs/>

use k8s_openapi::ByteString;
use kube::{CustomResource, Resource};
use serde::{Deserialize, Serialize};

/// cert-manager's API group.
pub(super) const GROUP: &str = "cert-manager.io";
/// The kind of an issuer for all namespaces.
pub(super) const CLUSTER_ISSUER: &str = "ClusterIssuer";
/// The kind of an issuer of one namespace.
pub(super) const ISSUER: &str = "Issuer";
/// The annotation of a `CertificateRequest` that says which revision of its Certificate it is for.
pub(super) const REVISION: &str = "cert-manager.io/certificate-revision";

/// What a Certificate asks for.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[kube(group = "cert-manager.io", version = "v1", kind = "Certificate", namespaced)]
#[kube(status = "CertificateStatus", schema = "disabled")]
#[serde(rename_all = "camelCase", default)]
pub(super) struct CertificateSpec {
    /// The Secret that the certificate and its key are stored in.
    pub secret_name: String,
    /// The DNS names that the certificate is for.
    pub dns_names: Vec<String>,
    /// How long it is valid, as a Go duration such as `3600s`; absent: 90 days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<String>,
    /// What the key may be used for.
    pub usages: Vec<String>,
    /// Which key to make.
    pub private_key: PrivateKeySpec,
    /// Labels and annotations of the Secret.
    pub secret_template: SecretTemplate,
    /// Who issues it.
    pub issuer_ref: IssuerRef,
}

/// Which key a Certificate has made.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PrivateKeySpec {
    /// `ECDSA` or `RSA`.
    pub algorithm: String,
    /// In bits.
    pub size: u16,
    /// `Always`: a new key with every issuance.
    pub rotation_policy: String,
}

/// Labels and annotations of the Secret that a Certificate is stored in.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct SecretTemplate {
    /// Labels.
    pub labels: std::collections::BTreeMap<String, String>,
    /// Annotations.
    pub annotations: std::collections::BTreeMap<String, String>,
}

/// Names an issuer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct IssuerRef {
    /// Its name.
    pub name: String,
    /// `Issuer` or `ClusterIssuer`.
    pub kind: String,
    /// Its API group.
    pub group: String,
}

/// What cert-manager says about a Certificate.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct CertificateStatus {
    /// `Ready` and `Issuing`.
    pub conditions: Vec<Condition>,
    /// How often it has been issued.
    pub revision: Option<i64>,
    /// When the latest issuance failed; absent after a success.
    pub last_failure_time: Option<String>,
}

/// What a `CertificateRequest` asks for; nothing of it is read here.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[kube(group = "cert-manager.io", version = "v1", kind = "CertificateRequest", namespaced)]
#[kube(status = "CertificateRequestStatus", schema = "disabled")]
pub(super) struct CertificateRequestSpec {}

/// What approver and issuer say about a `CertificateRequest`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct CertificateRequestStatus {
    /// `Approved`, `Denied`, `InvalidRequest` and `Ready`.
    pub conditions: Vec<Condition>,
    /// The issued chain as PEM, the certificate itself first.
    pub certificate: Option<ByteString>,
}

/// What an Issuer is: of a kind that signs with the CA in a Secret, or of another kind, which is not read here.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[kube(group = "cert-manager.io", version = "v1", kind = "Issuer", namespaced)]
#[kube(status = "IssuerStatus", schema = "disabled")]
#[serde(default)]
pub(super) struct IssuerSpec {
    /// Signs with the CA in a Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<CaIssuer>,
}

/// An issuer for all namespaces; nothing of what it is is read here.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[kube(group = "cert-manager.io", version = "v1", kind = "ClusterIssuer")]
#[kube(status = "IssuerStatus", schema = "disabled")]
pub(super) struct ClusterIssuerSpec {}

/// Signs with the CA in a Secret.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CaIssuer {
    /// The Secret with `tls.crt` and `tls.key` of the CA.
    pub secret_name: String,
}

/// What cert-manager says about an issuer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct IssuerStatus {
    /// `Ready`.
    pub conditions: Vec<Condition>,
}

/// One condition, in the form that all of cert-manager's kinds share.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Condition {
    /// What it is about, such as `Ready`.
    #[serde(rename = "type")]
    pub type_: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Why, in one word.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Why, in words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// When it last changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_transition_time: Option<String>,
    /// The generation of the object that it speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

impl Condition {
    /// Whether it holds.
    pub(super) fn is_true(&self) -> bool {
        self.status == "True"
    }

    /// Whether it says that it does not hold; `Unknown` is neither.
    pub(super) fn is_false(&self) -> bool {
        self.status == "False"
    }

    /// `REASON: MESSAGE`, as far as given.
    pub(super) fn told(&self) -> String {
        match (self.reason.as_str(), self.message.as_str()) {
            ("", "") => format!("{}={}", self.type_, self.status),
            (reason, "") => reason.to_owned(),
            ("", message) => message.to_owned(),
            (reason, message) => format!("{reason}: {message}"),
        }
    }
}

/// The condition of a type, if there is one.
pub(super) fn condition<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}

/// An object with conditions.
pub(super) trait Conditions: Resource<DynamicType = ()> {
    /// Its conditions; none before any controller has looked at it.
    fn conditions(&self) -> &[Condition];

    /// The condition of a type, if there is one.
    fn condition(&self, type_: &str) -> Option<&Condition> {
        condition(self.conditions(), type_)
    }
}

macro_rules! with_conditions {
    ($($kind:ty),*) => {$(
        impl Conditions for $kind {
            fn conditions(&self) -> &[Condition] {
                self.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default()
            }
        }
    )*};
}
with_conditions!(Certificate, CertificateRequest, Issuer, ClusterIssuer);
