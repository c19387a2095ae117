//! The chart's README: the table of values, from the schema and the defaults.

use serde_json::Value;

const BEGIN: &str = "<!-- values: generated, UPDATE_CHART=1 cargo test --test chart -->\n";
const END: &str = "<!-- end of values -->";

#[test]
fn the_table_tells_every_value_with_its_default() {
    let path = super::chart("README.md");
    let readme = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = readme.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    super::assert_generated(&path, &format!("{before}{BEGIN}{}{END}{after}", table()));
}

fn table() -> String {
    let defaults: Value =
        serde_saphyr::from_str(&std::fs::read_to_string(super::chart("values.yaml")).unwrap()).unwrap();
    let mut rows = Vec::new();
    let mut schema = super::schema::read();
    // What Helm itself adds is no value of ours.
    schema["properties"].as_object_mut().unwrap().remove("global");
    walk(&schema, &defaults, "", &mut rows);
    assert!(rows.len() > 40, "{}", rows.len());
    format!("| value | default | what it is |\n| --- | --- | --- |\n{}", rows.concat())
}

fn walk(schema: &Value, default: &Value, path: &str, rows: &mut Vec<String>) {
    let properties = schema["properties"].as_object().filter(|_| path != "config");
    let Some(properties) = properties else {
        let about = schema["description"].as_str().filter(|text| !text.is_empty());
        let about = about.unwrap_or_else(|| panic!("{path} has no description in the schema"));
        assert!(!default.is_null(), "{path} has no default in values.yaml");
        rows.push(format!("| `{path}` | `{default}` | {} |\n", about.replace('|', "\\|")));
        return;
    };
    for key in default.as_object().into_iter().flatten().map(|(key, _)| key) {
        assert!(properties.contains_key(key), "{path}.{key} stands in values.yaml but not in the schema");
    }
    for (key, inner) in properties {
        walk(inner, &default[key], &[path, key].join(".").trim_start_matches('.'), rows);
    }
}
