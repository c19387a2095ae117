//! The command lines that the chart renders are ones that the program takes.

use clap::{CommandFactory, Parser};
use kibertas::cli::Cli;
use serde_json::{Value, json};

use super::render::{objects, template_with};

#[test]
fn every_rendered_command_line_is_understood() {
    let mut tried = 0;
    for operations in [json!({"enabled": true}), json!({"enabled": true, "namespaces": ["shop"]})] {
        let values = json!({
            "checks": ["cert-manager"], "extraArgs": ["--log-format=json"], "rolloutOperations": operations,
            "argoCd": {"enabled": true}, "cronJob": {"enabled": true}, "job": {"enabled": true},
        });
        let mut containers = Vec::new();
        for object in objects(&template_with(&values).unwrap()) {
            find(&object, &mut containers);
        }
        for args in containers {
            // The operations of Rollouts are not in every build of the program.
            if args[0] == "rollouts" && Cli::command().find_subcommand("rollouts").is_none() {
                continue;
            }
            // Argo Workflows fills its parameters in.
            let args = args.iter().map(|arg| arg.replace("{{inputs.parameters.selector}}", "app=web"));
            let args = args.map(|arg| arg.replace("{{inputs.parameters.namespace}}", "shop"));
            let args: Vec<String> = std::iter::once("kibertas-rs".to_owned()).chain(args).collect();
            if let Err(error) = Cli::try_parse_from(&args) {
                panic!("{args:?}: {error}");
            }
            tried += 1;
        }
    }
    assert!(tried >= 8, "{tried}");
}

/// The arguments of every container in an object.
fn find(value: &Value, found: &mut Vec<Vec<String>>) {
    match value {
        Value::Object(fields) => {
            if let (Some(args), true) = (fields.get("args"), fields.contains_key("image")) {
                found.push(serde_json::from_value(args.clone()).unwrap());
            }
            fields.values().for_each(|inner| find(inner, found));
        }
        Value::Array(items) => items.iter().for_each(|inner| find(inner, found)),
        _ => {}
    }
}
