//! Why an EKS cluster is not reached, and what to do about it. Nothing in here is a secret.

/// Why an EKS cluster is not reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EksError {
    /// A name of the target is none.
    #[error("{field} {value:?} should be {expected}")]
    Name {
        /// `cluster`, `region` or `role`.
        field: &'static str,
        /// As given.
        value: String,
        /// Completes "should be …".
        expected: &'static str,
    },
    /// No credentials are found.
    #[error(
        "no AWS credentials: {reason}; give AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or the ServiceAccount a role (IRSA, \
         EKS Pod Identity)"
    )]
    NoCredentials {
        /// What became of the search.
        reason: String,
    },
    /// The credentials are no longer valid.
    #[error("the AWS credentials have expired ({said}): log in again, or see where the token comes from")]
    Expired {
        /// What AWS said.
        said: String,
    },
    /// The credentials are none of AWS's, or the secret is not that of the key.
    #[error(
        "AWS does not accept the credentials ({said}): see AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, and the clock"
    )]
    Rejected {
        /// What AWS said.
        said: String,
    },
    /// The credentials lack a permission.
    #[error("the credentials may not {action} on {resource} ({said}){hint}")]
    Denied {
        /// The action, such as `eks:DescribeCluster`.
        action: &'static str,
        /// The ARN.
        resource: String,
        /// What AWS said.
        said: String,
        /// What else may be the reason; begins with a semicolon, or is empty.
        hint: &'static str,
    },
    /// The request went to another region than it was signed for, or the region is not enabled.
    #[error(
        "{region} is the wrong region for {service} ({said}): see the target's region, and whether the account has it enabled"
    )]
    WrongRegion {
        /// `EKS` or `STS`.
        service: &'static str,
        /// The region that was asked.
        region: String,
        /// What AWS said.
        said: String,
    },
    /// There is no such cluster.
    #[error("there is no EKS cluster {cluster:?} in {region} of account {account} ({said})")]
    NotFound {
        /// The cluster's name.
        cluster: String,
        /// The region that was asked.
        region: String,
        /// The account that was asked, as far as it is known.
        account: String,
        /// What AWS said.
        said: String,
    },
    /// The cluster is being made or deleted, or could not be made. While it is updated it serves.
    #[error("the EKS cluster {cluster:?} in {region} is {status}, not ACTIVE")]
    NotActive {
        /// The cluster's name.
        cluster: String,
        /// Its region.
        region: String,
        /// Its status.
        status: String,
    },
    /// AWS does not answer, or is overloaded.
    #[error(
        "{service} at {endpoint} does not answer: {reason}; is {region} the right region, and is there a way to AWS (proxy, VPC endpoint)?"
    )]
    Unreachable {
        /// `EKS` or `STS`.
        service: &'static str,
        /// Its URL.
        endpoint: String,
        /// The region.
        region: String,
        /// What happened.
        reason: String,
    },
    /// Anything else that AWS refuses.
    #[error("{action} is refused: {said}")]
    Refused {
        /// The action.
        action: &'static str,
        /// What AWS said.
        said: String,
    },
    /// EKS describes an API server that cannot be used.
    #[error("the API server {server} of the EKS cluster: {reason}")]
    Endpoint {
        /// Its URL.
        server: String,
        /// What is wrong.
        reason: String,
    },
    /// The API server does not answer.
    #[error("{server} does not answer: {reason}; is its endpoint public, or is there a way into its VPC?")]
    Unanswered {
        /// Its URL.
        server: String,
        /// What happened.
        reason: String,
    },
    /// The API server does not know the role.
    #[error(
        "{server} refuses {who} (401 Unauthorized): the cluster has no access entry for this role (aws eks create-access-entry \
         --cluster-name {cluster} --region {region} --principal-arn ROLE) and no mapping in ConfigMap kube-system/aws-auth"
    )]
    Unauthorized {
        /// The cluster's name.
        cluster: String,
        /// Its region.
        region: String,
        /// The API server's URL.
        server: String,
        /// The ARN of who was refused.
        who: String,
    },
}

impl EksError {
    /// Whether the cluster was asked and did not do: not what somebody has written, but how the cluster is now.
    pub fn is_of_cluster(&self) -> bool {
        self.passes() || matches!(self, Self::Unauthorized { .. } | Self::NotActive { .. })
    }

    /// Whether it may go well later, without anybody changing anything.
    pub fn passes(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Unanswered { .. })
    }
}
