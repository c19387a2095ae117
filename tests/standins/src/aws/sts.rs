//! `AssumeRole` and `GetCallerIdentity`.
//!
//! <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>,
//! <https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html>

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use super::{Aws, Caller, Principal, Refusal, Role, State, Words};
use crate::request::{Reply, Request};
use crate::server::taken;

const WORDS: Words = Words {
    unknown: "InvalidClientTokenId",
    mismatch: "SignatureDoesNotMatch",
    expired: "ExpiredToken",
    incomplete: "MissingAuthenticationToken",
};
/// How long a session lasts.
const SESSION: Duration = Duration::from_secs(3600);

pub(super) fn reply(aws: &Aws, request: &Request) -> Reply {
    answer(aws, request).unwrap_or_else(|Refusal { status, code, message }| {
        let error = format!("<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>");
        xml(status, &format!("<ErrorResponse xmlns=\"{XMLNS}\">{error}<RequestId>1</RequestId></ErrorResponse>"))
    })
}

const XMLNS: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

fn xml(status: u16, text: &str) -> Reply {
    let mut reply = Reply::text(status, text);
    reply.headers = vec![("content-type".to_owned(), "text/xml".to_owned())];
    reply
}

fn answer(aws: &Aws, request: &Request) -> Result<Reply, Refusal> {
    // The one call that the token itself signs.
    let form = request.form();
    if form.get("Action").is_some_and(|action| action == "AssumeRoleWithWebIdentity") {
        return with_web_identity(aws, &form);
    }
    let caller = aws.caller(request, "sts", &WORDS)?;
    let mut parameters = request.query.clone();
    parameters.extend(request.form());
    match parameters.get("Action").map(String::as_str) {
        Some("GetCallerIdentity") => Ok(identity(aws, request, &caller)),
        Some("AssumeRole") => assume(aws, &caller, &parameters),
        action => {
            let message = format!("Could not find operation {}", action.unwrap_or_default());
            Err(Refusal { status: 400, code: "InvalidAction", message })
        }
    }
}

fn identity(aws: &Aws, request: &Request, caller: &Caller) -> Reply {
    let (arn, account) = (&caller.arn, &aws.account);
    if request.header("accept").contains("json") {
        let result = json!({"Account": account, "Arn": arn, "UserId": "AROAEXAMPLE:session"});
        return Reply::json(200, &json!({"GetCallerIdentityResponse": {"GetCallerIdentityResult": result}}));
    }
    let result = format!("<Arn>{arn}</Arn><UserId>AROAEXAMPLE:session</UserId><Account>{account}</Account>");
    let result = format!("<GetCallerIdentityResult>{result}</GetCallerIdentityResult>");
    xml(200, &format!("<GetCallerIdentityResponse xmlns=\"{XMLNS}\">{result}</GetCallerIdentityResponse>"))
}

fn assume(aws: &Aws, caller: &Caller, parameters: &BTreeMap<String, String>) -> Result<Reply, Refusal> {
    let given = |name: &str| parameters.get(name).cloned().unwrap_or_default();
    let (arn, session) = (given("RoleArn"), given("RoleSessionName"));
    let mut state = taken(&aws.state);
    let role = state.roles.iter().find(|role| role.arn == arn).cloned();
    // AWS says the same of a role that is not there, that does not trust the caller, and that wants another external id.
    let trusted = role.filter(|role| {
        caller.may.contains(&"sts:AssumeRole")
            && role.trusts == caller.arn
            && role.external_id.as_ref().is_none_or(|id| *id == given("ExternalId"))
    });
    let Some(role) = trusted else {
        let message = format!("User: {} is not authorized to perform: sts:AssumeRole on resource: {arn}", caller.arn);
        return Err(Refusal { status: 403, code: "AccessDenied", message });
    };
    Ok(session_of(&mut state, role, &session, "AssumeRole"))
}

/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html>
fn with_web_identity(aws: &Aws, parameters: &BTreeMap<String, String>) -> Result<Reply, Refusal> {
    let given = |name: &str| parameters.get(name).cloned().unwrap_or_default();
    let mut state = taken(&aws.state);
    let role = state.roles.iter().find(|role| role.arn == given("RoleArn") && role.trusts == given("WebIdentityToken"));
    let Some(role) = role.cloned() else {
        let message = "Not authorized to perform sts:AssumeRoleWithWebIdentity".to_owned();
        return Err(Refusal { status: 403, code: "AccessDenied", message });
    };
    Ok(session_of(&mut state, role, &given("RoleSessionName"), "AssumeRoleWithWebIdentity"))
}

/// A new session of a role.
fn session_of(state: &mut State, role: Role, session: &str, action: &str) -> Reply {
    let arn = role.arn.clone();
    state.sessions += 1;
    let number = state.sessions;
    let account = arn.split(':').nth(4).unwrap_or_default();
    let name = arn.rsplit('/').next().unwrap_or_default();
    let expires = super::now() + SESSION;
    let principal = Principal {
        key: format!("ASIAEXAMPLE{number:09}"),
        secret: format!("session-secret-{number}"),
        token: Some(format!("session+token/{number}==")),
        expires: Some(expires),
        arn: format!("arn:aws:sts::{account}:assumed-role/{name}/{session}"),
        may: role.may,
    };
    let credentials = format!(
        "<AccessKeyId>{}</AccessKeyId><SecretAccessKey>{}</SecretAccessKey><SessionToken>{}</SessionToken><Expiration>{}</Expiration>",
        principal.key,
        principal.secret,
        principal.token.as_deref().unwrap_or_default(),
        expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
    );
    let user = format!("<Arn>{}</Arn><AssumedRoleId>AROAEXAMPLE:{session}</AssumedRoleId>", principal.arn);
    state.principals.push(principal);
    let result = format!(
        "<{action}Result><Credentials>{credentials}</Credentials><AssumedRoleUser>{user}</AssumedRoleUser></{action}Result>"
    );
    xml(200, &format!("<{action}Response xmlns=\"{XMLNS}\">{result}</{action}Response>"))
}
