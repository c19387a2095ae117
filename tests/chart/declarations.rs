//! `files/checks.yaml`: what the checks declare, as the chart's templates read it.

use std::collections::BTreeSet;

use kibertas::check::{COMMON_GRANTS, Check, EVENTS_GRANT, Grant, Scope};
use kibertas::checks;
use kibertas::compare::baseline::ring::GRANTS;
use kibertas::config::{Kind, Setting, core};
use kibertas::diagnosis::optional_grants;
use kibertas::notify::settings::{SERVICES, settings_of};
use serde_json::{Value, json};

const HEAD: &str =
    "# Generated from what the checks declare; `UPDATE_CHART=1 cargo test --test chart` writes it anew.\n";

#[test]
fn the_chart_knows_what_the_checks_declare() {
    let declared = json!({
        "settings": core::SETTINGS.iter().map(setting).collect::<Vec<_>>(),
        "events": grant(&EVENTS_GRANT),
        "common": COMMON_GRANTS.iter().chain(&optional_grants()).map(grant).collect::<Vec<_>>(),
        "baselines": GRANTS.iter().map(grant).collect::<Vec<_>>(),
        "secretsOfMessages": secrets_of_messages(),
        "checks": checks::ALL.iter().map(|check| of_check(*check)).collect::<Vec<_>>(),
    });
    let text = format!("{HEAD}{}", serde_saphyr::to_string(&declared).unwrap());
    let read: Value = serde_saphyr::from_str(&text).unwrap();
    assert_eq!(read, declared);
    super::assert_generated(&super::chart("files/checks.yaml"), &text);
}

/// The environment variables from which messages take their secrets, unless `…Env` names others.
fn secrets_of_messages() -> Vec<&'static str> {
    let settings = SERVICES.iter().flat_map(|service| settings_of(service).unwrap());
    let secrets = settings.filter(|setting| setting.kind == Kind::Secret);
    secrets.flat_map(|setting| setting.env.iter().copied()).collect::<BTreeSet<_>>().into_iter().collect()
}

fn of_check(check: &dyn Check) -> Value {
    let of_interest = |setting: &&Setting| decides(check, setting.key);
    let long_waits = check.long_waits().iter().map(|wait| {
        json!({"flag": wait.flag, "limit": wait.limit, "besidesSeconds": u64::try_from(wait.besides.as_millis().div_ceil(1000)).unwrap()})
    });
    let secrets = check.settings().iter().filter(|setting| setting.kind == Kind::Secret);
    json!({
        "name": check.about().name,
        "worksInNamespace": check.works_in_namespace(),
        "settings": check.settings().iter().filter(of_interest).map(setting).collect::<Vec<_>>(),
        "secrets": secrets.map(|s| json!({"key": s.key, "env": s.env})).collect::<Vec<_>>(),
        "grants": check.grants().iter().map(grant).collect::<Vec<_>>(),
        "longWaits": long_waits.collect::<Vec<_>>(),
    })
}

/// Whether permissions or deadlines depend on a setting.
fn decides(check: &dyn Check, key: &str) -> bool {
    let conditions = check.grants().iter().flat_map(|grant| [grant.only_when, grant.unless]).flatten();
    conditions
        .map(|(key, _)| key)
        .chain(check.long_waits().iter().flat_map(|w| w.flag.into_iter().chain([w.limit])))
        .any(|k| k == key)
}

fn setting(setting: &Setting) -> Value {
    json!({"key": setting.key, "env": setting.env, "default": setting.default})
}

fn grant(grant: &Grant) -> Value {
    let mut shown = json!({"group": grant.group, "resource": grant.resource, "verbs": grant.verbs, "why": grant.why});
    match grant.scope {
        Scope::Namespace => shown["scope"] = json!("namespace"),
        Scope::Cluster => shown["scope"] = json!("cluster"),
        Scope::Object { namespace, name } => {
            shown["scope"] = json!("object");
            shown["namespace"] = json!(namespace);
            shown["name"] = json!(name);
        }
    }
    for (key, condition) in [("onlyWhen", grant.only_when), ("unless", grant.unless)] {
        if let Some(condition) = condition {
            shown[key] = json!(condition);
        }
    }
    if grant.optional {
        shown["optional"] = json!(true);
    }
    shown
}
