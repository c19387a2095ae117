//! EKS and STS of one account in one region, over one address: `DescribeCluster`, `AssumeRole` and `GetCallerIdentity`.
//!
//! Every request's signature is verified with the stored secret, by [`signature`]; refusals have AWS's codes and words.

mod eks;
pub mod front;
pub mod signature;
mod sts;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use jiff::Timestamp;

use self::signature::{Scope, Signed, Unsigned};
use crate::request::{Reply, Request};
use crate::server::{Rules, taken};

/// Someone with an access key.
#[derive(Debug, Clone)]
pub struct Principal {
    /// The access key's id.
    pub key: String,
    /// Its secret.
    pub secret: String,
    /// The session's token, which temporary keys have.
    pub token: Option<String>,
    /// When a temporary key ends.
    pub expires: Option<Timestamp>,
    /// Who it is.
    pub arn: String,
    /// What it may do, such as `eks:DescribeCluster`.
    pub may: Vec<&'static str>,
}

/// A role that can be assumed.
#[derive(Debug, Clone)]
pub struct Role {
    /// Its ARN.
    pub arn: String,
    /// Whom its trust policy names: an ARN, or for a web identity the token itself.
    pub trusts: String,
    /// The external id that the trust policy demands.
    pub external_id: Option<String>,
    /// What it may do.
    pub may: Vec<&'static str>,
}

/// A cluster as EKS describes it.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// The API server's URL.
    pub endpoint: String,
    /// Its certificate authority in PEM.
    pub authority: String,
    /// `ACTIVE`, `CREATING`, …
    pub status: &'static str,
}

/// The account in its region.
#[derive(Debug)]
pub struct Aws {
    region: String,
    account: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    principals: Vec<Principal>,
    roles: Vec<Role>,
    clusters: BTreeMap<String, Cluster>,
    /// The number of sessions so far.
    sessions: u32,
}

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Refusal {
    status: u16,
    code: &'static str,
    message: String,
}

/// Who has asked, after the signature was verified.
struct Caller {
    arn: String,
    may: Vec<&'static str>,
}

impl Aws {
    /// An account without anything in it.
    pub fn new(region: &str, account: &str) -> Self {
        Self { region: region.to_owned(), account: account.to_owned(), state: Mutex::default() }
    }

    /// Adds someone with an access key.
    #[must_use]
    pub fn principal(self, principal: Principal) -> Self {
        taken(&self.state).principals.push(principal);
        self
    }

    /// Adds a role.
    #[must_use]
    pub fn role(self, role: Role) -> Self {
        taken(&self.state).roles.push(role);
        self
    }

    /// Adds a cluster, or changes it.
    pub fn set_cluster(&self, name: &str, cluster: Cluster) {
        taken(&self.state).clusters.insert(name.to_owned(), cluster);
    }

    /// The number of sessions that roles were assumed for.
    pub fn sessions(&self) -> u32 {
        taken(&self.state).sessions
    }

    /// Ends every session that was made so far.
    pub fn expire_sessions(&self) {
        let past = now() - Duration::from_secs(1);
        taken(&self.state)
            .principals
            .iter_mut()
            .filter(|one| one.token.is_some())
            .for_each(|one| one.expires = Some(past));
    }

    /// Verifies the signature for one service.
    fn caller(&self, request: &Request, service: &str, words: &Words) -> Result<Caller, Refusal> {
        let refuse = |code, message: &str| Refusal { status: 403, code, message: message.to_owned() };
        let now = now();
        let claimed = signature::claimed(request).map_err(|Unsigned(why)| refuse(words.incomplete, &why))?;
        let principal = taken(&self.state).principals.iter().find(|one| one.key == claimed.key).cloned();
        let Some(principal) = principal else {
            return Err(refuse(words.unknown, "The security token included in the request is invalid."));
        };
        if claimed.token != principal.token {
            return Err(refuse(words.unknown, "The security token included in the request is invalid."));
        }
        if claimed.scope.region != self.region {
            return Err(refuse(words.mismatch, "Credential should be scoped to a valid region."));
        }
        if claimed.scope.service != service {
            let text = format!("Credential should be scoped to correct service: '{service}'.");
            return Err(refuse(words.mismatch, &text));
        }
        self.hold(&claimed, &principal, request, words)?;
        if principal.expires.is_some_and(|end| end <= now) {
            return Err(refuse(words.expired, "The security token included in the request is expired"));
        }
        // A presigned URL of STS lives for 15 minutes, a signed request for 5 before and after.
        let age = now.duration_since(claimed.at).as_secs();
        if !(-300..=if claimed.presigned { 900 } else { 300 }).contains(&age) {
            return Err(refuse(words.mismatch, &format!("Signature expired: it is {age} s old")));
        }
        Ok(Caller { arn: principal.arn, may: principal.may })
    }

    fn hold(&self, claimed: &Signed, principal: &Principal, request: &Request, words: &Words) -> Result<(), Refusal> {
        let Scope { region, service, .. } = &claimed.scope;
        if claimed.signature == signature::expected(claimed, request, &principal.secret) {
            return Ok(());
        }
        let message = format!(
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and \
             signing method. Consult the service documentation for details. ({service} of {region}, account {})",
            self.account
        );
        Err(Refusal { status: 403, code: words.mismatch, message })
    }
}

/// What a service calls its refusals.
struct Words {
    unknown: &'static str,
    mismatch: &'static str,
    expired: &'static str,
    incomplete: &'static str,
}

impl Rules for Aws {
    fn reply(&self, request: &Request) -> Reply {
        match request.path.strip_prefix("/clusters/") {
            Some(name) => eks::describe(self, request, name),
            None => sts::reply(self, request),
        }
    }
}

#[allow(clippy::disallowed_methods)] // a service of its own, with a clock of its own
fn now() -> Timestamp {
    Timestamp::now()
}
