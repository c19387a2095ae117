//! What an error of EKS or STS means, by its code.
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html>,
//! <https://docs.aws.amazon.com/eks/latest/APIReference/CommonErrors.html>

use super::{EksError, EksTarget};

/// An error as the service words it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// The HTTP status; 0 where it is not known.
    pub(super) status: u16,
    /// The code, such as `AccessDenied`.
    pub(super) code: String,
    /// Its words.
    pub(super) message: String,
}

/// What was asked for.
pub(super) struct Asked<'a> {
    /// `EKS` or `STS`.
    pub(super) service: &'static str,
    /// The action of IAM, such as `eks:DescribeCluster`.
    pub(super) action: &'static str,
    /// The ARN of what it was asked of.
    pub(super) resource: String,
    /// What else a refusal may mean.
    pub(super) hint: &'static str,
    /// For whom.
    pub(super) target: &'a EksTarget,
}

impl Said {
    fn text(&self) -> String {
        match (self.code.as_str(), self.message.trim().trim_end_matches('.')) {
            ("", "") => format!("status {}", self.status),
            ("", message) => message.to_owned(),
            (code, "") => code.to_owned(),
            (code, message) => format!("{code}: {message}"),
        }
    }

    /// Whether the same request may go well later.
    pub(super) fn passes(&self) -> bool {
        matches!(self.status, 429 | 500..=599)
            || self.code.starts_with("Throttling")
            || self.code == "RequestLimitExceeded"
    }

    /// The error that it is.
    pub(super) fn error(&self, asked: &Asked<'_>) -> EksError {
        let (said, region) = (self.text(), asked.target.region.clone());
        let code = self.code.trim_end_matches("Exception");
        let about_region = self.message.contains("valid region") || self.message.contains("region '");
        match code {
            "ExpiredToken" => EksError::Expired { said },
            "RegionDisabled" => EksError::WrongRegion { service: asked.service, region, said },
            "InvalidSignature" | "SignatureDoesNotMatch" | "IncompleteSignature" if about_region => {
                EksError::WrongRegion { service: asked.service, region, said }
            }
            "UnrecognizedClient"
            | "InvalidClientTokenId"
            | "InvalidSignature"
            | "SignatureDoesNotMatch"
            | "IncompleteSignature"
            | "MissingAuthenticationToken"
            | "InvalidIdentityToken" => EksError::Rejected { said },
            "AccessDenied" => {
                EksError::Denied { action: asked.action, resource: asked.resource.clone(), said, hint: asked.hint }
            }
            "ResourceNotFound" => EksError::NotFound {
                cluster: asked.target.cluster.clone(),
                region,
                account: account_of(asked.target),
                said,
            },
            _ if self.passes() => {
                EksError::Unreachable { service: asked.service, endpoint: asked.endpoint(), region, reason: said }
            }
            _ => EksError::Refused { action: asked.action, said },
        }
    }
}

impl Asked<'_> {
    fn endpoint(&self) -> String {
        let (given, service) = match self.service {
            "STS" => (&self.target.endpoints.sts, "sts"),
            _ => (&self.target.endpoints.eks, "eks"),
        };
        given.clone().unwrap_or_else(|| super::partition::endpoint(service, &self.target.region))
    }
}

/// The account of the role that is assumed; without one it is that of the credentials, which is not known.
fn account_of(target: &EksTarget) -> String {
    let account =
        target.role_arn.as_deref().and_then(|role| role.split(':').nth(4)).filter(|account| !account.is_empty());
    account.map_or_else(|| "the credentials".to_owned(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: &str, message: &str) -> EksError {
        let target = EksTarget {
            cluster: "blue".into(),
            region: "eu-west-1".into(),
            role_arn: Some("arn:aws:iam::123456789012:role/x".into()),
            ..EksTarget::default()
        };
        let asked = Asked {
            service: "EKS",
            action: "eks:DescribeCluster",
            resource: "arn:aws:eks:eu-west-1:123456789012:cluster/blue".into(),
            hint: "",
            target: &target,
        };
        Said { status: 403, code: code.into(), message: message.into() }.error(&asked)
    }

    #[test]
    fn codes_are_told_apart() {
        assert!(matches!(error("ExpiredTokenException", "The security token … is expired"), EksError::Expired { .. }));
        assert!(matches!(error("ExpiredToken", ""), EksError::Expired { .. }));
        assert!(matches!(
            error("UnrecognizedClientException", "The security token is invalid"),
            EksError::Rejected { .. }
        ));
        let scope = "Credential should be scoped to a valid region.";
        assert!(matches!(error("InvalidSignatureException", scope), EksError::WrongRegion { .. }));
        let mismatch = "The request signature we calculated does not match the signature you provided.";
        assert!(matches!(error("SignatureDoesNotMatch", mismatch), EksError::Rejected { .. }));
        assert!(matches!(error("Whatever", "x"), EksError::Refused { .. }));
    }

    #[test]
    fn refusals_name_action_resource_and_account() {
        let denied = error("AccessDeniedException", "User: arn:aws:iam::1:user/x is not authorized.").to_string();
        assert!(
            denied.starts_with("the credentials may not eks:DescribeCluster on arn:aws:eks:eu-west-1:123456789012:cluster/blue (AccessDeniedException: User"),
            "{denied}"
        );
        let gone = error("ResourceNotFoundException", "No cluster found for name: blue.").to_string();
        assert_eq!(
            gone,
            "there is no EKS cluster \"blue\" in eu-west-1 of account 123456789012 (ResourceNotFoundException: No cluster found for name: blue)"
        );
    }
}
