//! Documentation that is written from the program: the tables of checks, settings and permissions.
//!
//! `UPDATE_DOCS=1 cargo test --test docs` writes them anew.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use kibertas::check::{Check, Grant, Scope};
use kibertas::checks;
use kibertas::config::{Setting, core};

const BEGIN: &str = "<!-- written by tests/docs.rs -->";
const END: &str = "<!-- end -->";

/// What stands in the documentation of the Go tool; whoever switches keeps all of it.
const OF_THE_GO_TOOL: &[&str] = &[
    "CLUSTER_NAME",
    "RESOURCE_NAME",
    "RESOURCE_NAMESPACE",
    "CERT_NAME",
    "EXTERNAL_HOSTNAME",
    "INGRESS_CLASS_NAME",
    "NODE_LABEL_KEY",
    "NODE_LABEL_VALUE",
    "QUERY_METRICS",
    "DD_API_KEY",
    "DD_APP_KEY",
    "LOG_BUCKET_NAME",
    "LOG_PATH",
    "ENV",
    "USE_PATH_STYLE",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The folder of a check: its name, or the one of its aliases that is a folder.
fn folder(check: &dyn Check) -> PathBuf {
    let about = check.about();
    let names = [about.name].into_iter().chain(about.aliases.iter().copied());
    let mut folders = names.map(|name| root().join("checks").join(name.replace('-', "_")));
    folders.find(|folder| folder.is_dir()).unwrap_or_else(|| panic!("no folder of {}", about.name))
}

/// Demands that the part of the file between the marks is this text, or writes it there.
fn written(path: &Path, expected: &str) {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (before, rest) = text.split_once(BEGIN).unwrap_or_else(|| panic!("{} has no {BEGIN}", path.display()));
    let (found, after) = rest.split_once(END).unwrap_or_else(|| panic!("{} has no {END}", path.display()));
    let expected = format!("\n{expected}");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, format!("{before}{BEGIN}{expected}{END}{after}")).unwrap();
    } else {
        assert!(found == expected, "{}: write it anew: UPDATE_DOCS=1 cargo test --test docs", path.display());
    }
}

fn settings_table(settings: &[Setting]) -> String {
    let mut text = String::from("| setting | variable | default | what |\n|---|---|---|---|\n");
    for setting in settings {
        let variables = setting.env.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let default = setting.default.map(|default| format!("`{default}`")).unwrap_or_default();
        let help = setting.help.replace('|', "\\|");
        let _ = writeln!(text, "| `{}` | {variables} | {default} | {help} |", setting.key);
    }
    text
}

fn grant_line(grant: &Grant) -> String {
    let place = match grant.scope {
        Scope::Namespace => "its namespace".to_owned(),
        Scope::Cluster => "the cluster".to_owned(),
        Scope::Object { namespace, name: "" } => format!("`{namespace}`"),
        Scope::Object { namespace, name } => format!("`{namespace}/{name}` alone"),
    };
    let condition = |word: &str, of: Option<(&str, &str)>| match of {
        Some((key, "*")) => format!(", {word} `{key}` is set"),
        Some((key, value)) => format!(", {word} `{key}` is `{value}`"),
        None => String::new(),
    };
    let optional = if grant.optional { ", optional" } else { "" };
    format!(
        "| `{}` | {} | {place}{}{}{optional} | {} |\n",
        grant.qualified(),
        grant.verbs.join(", "),
        condition("where", grant.only_when),
        condition("unless", grant.unless),
        grant.why
    )
}

fn of_check(check: &dyn Check) -> String {
    let mut text = String::from("## What it proves\n\n");
    for proof in check.about().proves {
        let _ = writeln!(text, "- {proof}");
    }
    let _ = write!(text, "\n## Settings\n\n{}", settings_table(check.settings()));
    text.push_str("\n## Permissions\n\n| resource | verbs | where | what for |\n|---|---|---|---|\n");
    text.extend(check.grants().iter().map(grant_line));
    text.push_str("\nBesides these, what every check needs: [docs/settings.md](../../docs/settings.md#permissions-of-every-check).\n");
    text
}

#[test]
fn every_check_has_a_readme_with_its_settings_and_permissions() {
    for &check in checks::ALL {
        written(&folder(check).join("README.md"), &of_check(check));
    }
}

#[test]
fn the_readme_lists_the_checks() {
    let mut text = String::from("| check | what it proves |\n|---|---|\n");
    for &check in checks::ALL {
        let about = check.about();
        let folder = folder(check);
        let folder = folder.strip_prefix(root()).unwrap().display();
        let _ = writeln!(text, "| [`{}`]({folder}/README.md) | {} |", about.name, about.summary);
    }
    written(&root().join("README.md"), &text);
}

#[test]
fn the_settings_of_the_harness_are_listed() {
    let mut text = settings_table(core::SETTINGS);
    text.push_str("\n## Permissions of every check\n\n| resource | verbs | where | what for |\n|---|---|---|---|\n");
    text.extend(kibertas::check::COMMON_GRANTS.iter().map(grant_line));
    text.push_str("\n### To explain failures\n\nWithout these a failure is told, but its cause may stay unknown.\n\n");
    text.push_str("| resource | verbs | where | what for |\n|---|---|---|---|\n");
    text.extend(kibertas::diagnosis::optional_grants().iter().map(grant_line));
    text.push_str(
        "\n### To keep baselines in the cluster\n\nOnly where `baselines` is `configmap://NAMESPACE/NAME`.\n\n",
    );
    text.push_str("| resource | verbs | where | what for |\n|---|---|---|---|\n");
    text.extend(kibertas::compare::baseline::ring::GRANTS.iter().map(grant_line));
    written(&root().join("docs/settings.md"), &text);
}

#[test]
fn whoever_comes_from_the_go_tool_keeps_every_variable() {
    let own = core::SETTINGS.iter().flat_map(|setting| setting.env);
    let of_checks = checks::ALL.iter().flat_map(|check| check.settings()).flat_map(|setting| setting.env);
    let known: BTreeSet<&str> = own.chain(of_checks).copied().collect();
    let migration = std::fs::read_to_string(root().join("docs/migration.md")).unwrap();
    for name in OF_THE_GO_TOOL {
        assert!(known.contains(name), "no setting takes {name}");
        assert!(migration.contains(&format!("`{name}`")), "docs/migration.md does not tell about {name}");
    }
}
