//! `values.schema.json`: written by hand, but for the names of the checks and the schema of their configuration.

use kibertas::checks;
use kibertas::config::overlay::own_settings;
use kibertas::config::{Kind, Setting, core};
use kibertas::notify::settings::{SERVICES, settings_of};
use serde_json::{Map, Value, json};

pub(crate) fn read() -> Value {
    serde_json::from_str(&std::fs::read_to_string(super::chart("values.schema.json")).unwrap()).unwrap()
}

#[test]
fn the_chart_s_schema_knows_every_check_and_setting() {
    let mut schema = read();
    let names: Vec<&str> = checks::ALL.iter().map(|check| check.about().name).collect();
    schema["properties"]["checks"]["items"]["enum"] = json!(names);
    schema["properties"]["config"] = config();
    let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    super::assert_generated(&super::chart("values.schema.json"), &text);
}

/// Every object of the schema that lists properties takes no others.
#[test]
fn no_unknown_key_is_taken() {
    fn walk(schema: &Value, path: &str) {
        if schema["properties"].is_object() && !path.contains("extra") {
            assert_eq!(schema["additionalProperties"], false, "{path}");
        }
        for (key, inner) in schema.as_object().into_iter().flatten() {
            walk(inner, &format!("{path}.{key}"));
        }
    }
    walk(&read(), "");
}

fn config() -> Value {
    let of_checks = checks::ALL.iter().map(|check| {
        let about = check.about();
        (about.name.to_owned(), object(about.summary, check.settings()))
    });
    let about = "The configuration file of kibertas-rs; `kibertas-rs list` names every check's settings.";
    let mut config = object(about, core::SETTINGS);
    config["properties"]["checks"] = json!({
        "type": "object",
        "description": "The settings of each check, by its name.",
        "additionalProperties": false,
        "properties": of_checks.collect::<Map<_, _>>(),
    });
    config["properties"]["notify"] = json!({
        "type": "array",
        "description": "Who is told of each run; docs/notifications.md names the settings of every service.",
        "items": {"oneOf": SERVICES.iter().map(|service| channel(service)).collect::<Vec<_>>()},
    });
    config["properties"]["targets"] = json!({
        "type": "array",
        "description": "Clusters to run on side by side; docs/targets.md.",
        "items": target(),
    });
    config
}

/// An entry of `targets`: a name, one of the ways to a cluster, and settings of its own.
fn target() -> Value {
    let text = |about: &str| json!({"type": "string", "minLength": 1, "description": about});
    let settings: Map<String, Value> = own_settings().map(|s| (s.key.to_owned(), setting(s))).collect();
    json!({
        "type": "object", "additionalProperties": false, "required": ["name"],
        "oneOf": [
            {"anyOf": [{"required": ["context"]}, {"required": ["kubeconfig"]}]},
            {"required": ["inCluster"]}, {"required": ["argocd"]}, {"required": ["eks"]},
        ],
        "properties": {
            "name": text("What the cluster is called."),
            "context": text("A context of the kubeconfig."),
            "kubeconfig": text("The kubeconfig, where it is not that of the command line."),
            "inCluster": {"const": true, "description": "The cluster of the Pod that runs this."},
            "argocd": {
                "type": "object", "additionalProperties": false, "required": ["namespace"],
                "description": "What Argo CD knows: one cluster, or those with labels.",
                "oneOf": [{"required": ["cluster"]}, {"required": ["selector"]}],
                "properties": {
                    "namespace": text("The namespace that Argo CD runs in."),
                    "cluster": text("The cluster's name in Argo CD, or its Secret's."),
                    "selector": text("Labels of the Secrets of several clusters."),
                },
            },
            "eks": {
                "type": "object", "additionalProperties": false, "required": ["cluster", "region"],
                "description": "A cluster of EKS; docs/eks.md.",
                "properties": {
                    "cluster": text("The cluster's name."),
                    "region": text("Its region."),
                    "roleArn": text("The role to assume."),
                    "externalId": text("What the role's trust policy demands as sts:ExternalId."),
                    "sessionName": text("What the role's session is called."),
                    "profile": text("The profile of the shared files of AWS."),
                },
            },
            "settings": {
                "type": "object", "additionalProperties": false, "properties": settings,
                "description": "Settings of the harness for this cluster alone.",
            },
            "checks": {"$ref": "#/properties/config/properties/checks"},
        },
    })
}

/// An entry of `notify`. Where a secret is may be told in it, but not the secret itself.
fn channel(service: &str) -> Value {
    let settings = settings_of(service).unwrap().iter().filter(|setting| setting.kind != Kind::Secret);
    let mut properties: Map<String, Value> = settings.map(|s| (s.key.to_owned(), setting(s))).collect();
    properties["service"] = json!({"const": service, "description": "Which service."});
    json!({"type": "object", "additionalProperties": false, "required": ["service"], "properties": properties})
}

fn object(about: &str, settings: &[Setting]) -> Value {
    let properties: Map<String, Value> = settings.iter().map(|s| (s.key.to_owned(), setting(s))).collect();
    json!({"type": "object", "description": about, "additionalProperties": false, "properties": properties})
}

fn setting(setting: &Setting) -> Value {
    let mut schema = match setting.kind {
        Kind::Flag => json!({"enum": [true, false, "true", "false"]}),
        Kind::Integer { min, max } => json!({"type": "integer", "minimum": min, "maximum": max}),
        Kind::Duration { .. } => {
            json!({"type": ["string", "integer"], "pattern": "^([0-9]+|([0-9]+(ms|s|m|h))+)$", "minimum": 1})
        }
        Kind::Choice(words) => json!({"enum": words}),
        Kind::Pairs => {
            json!({"type": ["object", "string"], "additionalProperties": {"type": ["string", "number", "boolean"]}})
        }
        Kind::List | Kind::Resolvers | Kind::Tolerations => {
            json!({"type": ["array", "string"], "items": {"type": "string"}})
        }
        Kind::Text | Kind::LabelValue | Kind::Quantity => json!({"type": ["string", "number", "boolean"]}),
        Kind::Secret | Kind::HostName | Kind::ObjectName | Kind::Url | Kind::File | Kind::LabelKey => {
            json!({"type": "string", "minLength": 1})
        }
    };
    schema["description"] = json!(setting.help);
    schema
}
