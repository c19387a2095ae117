//! Values that are wrong are refused, and in words.

use kibertas::checks;
use kibertas::config::Kind;
use kibertas::notify::settings::{SERVICES, settings_of};
use serde_json::{Value, json};

use super::render::{objects, of_kind, template_with};

#[test]
fn wrong_values_are_told() {
    for (values, told) in [
        (json!({"chekcs": []}), "chekcs"),
        (json!({"cronJob": {"enabld": true}}), "enabld"),
        (json!({"cronJob": {"concurrencyPolicy": "Maybe"}}), "concurrencyPolicy"),
        (json!({"checks": ["no-such"]}), "checks"),
        (json!({"jobPer": "check"}), "needs the names of the checks"),
        (json!({"config": {"timeouts": "1m"}}), "timeouts"),
        (json!({"config": {"checks": {"ingress": {"hots": "a.b"}}}}), "hots"),
        (json!({"config": {"checks": {"autoscaler": {"maxNewNodes": 0}}}}), "maxNewNodes"),
        (json!({"serviceAccount": {"create": false}}), "serviceAccount.name"),
        (json!({"secrets": {"DD_API_KEY": {"value": "x"}}}), "DD_API_KEY"),
        (json!({"argoCd": {"kind": "Deployment"}}), "kind"),
    ] {
        let refused = template_with(&values).expect_err(&format!("{values} is accepted"));
        assert!(refused.contains(told), "{values}: {refused}");
    }
}

#[test]
fn a_secret_comes_from_a_secret_alone() {
    let given = json!({"X_TOKEN": {"existingSecret": "keys", "key": "token"}, "X_KEY": {"existingSecret": "keys"}});
    let rendered = objects(&template_with(&json!({"secrets": given, "job": {"enabled": true}})).unwrap());
    let env = of_kind(&rendered, "Job")[0]["spec"]["template"]["spec"]["containers"][0]["env"].clone();
    let from = |name: &str| env.as_array().unwrap().iter().find(|v| v["name"] == name).unwrap()["valueFrom"].clone();
    assert_eq!(from("X_TOKEN"), json!({"secretKeyRef": {"name": "keys", "key": "token"}}));
    assert_eq!(from("X_KEY"), json!({"secretKeyRef": {"name": "keys", "key": "X_KEY"}}));

    let secrets = checks::ALL.iter().flat_map(|c| c.settings().iter().map(move |s| (c.about().name, s)));
    for (check, setting) in secrets.filter(|(_, setting)| setting.kind == Kind::Secret) {
        let in_config: Value = json!({"config": {"checks": {check: {setting.key: "hush"}}}});
        let in_env: Value = json!({"env": {setting.env[0]: "hush"}});
        for values in [in_config, in_env] {
            let refused = template_with(&values).expect_err(&format!("{values} is accepted"));
            assert!(refused.contains(setting.env[0]) || refused.contains(setting.key), "{values}: {refused}");
        }
    }
}

#[test]
fn a_secret_of_messages_is_no_plain_variable() {
    let by_name =
        json!({"config": {"notify": [{"service": "slack", "tokenEnv": "OUR_BOT"}]}, "env": {"OUR_BOT": "hush"}});
    let usual = SERVICES.iter().flat_map(|service| settings_of(service).unwrap()).filter(|s| s.kind == Kind::Secret);
    let usual = usual.flat_map(|setting| setting.env).map(|name| json!({"env": {*name: "hush"}}));
    let all: Vec<Value> = usual.chain([by_name]).collect();
    assert!(all.len() >= 7, "{all:?}");
    for values in all {
        let refused = template_with(&values).expect_err(&format!("{values} is accepted"));
        assert!(refused.contains("is a secret") && !refused.contains("hush"), "{values}: {refused}");
    }
}
