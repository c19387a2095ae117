//! The result as data: pretty JSON of the schema in `docs/report.schema.json`, of several runs of that in `docs/reports.schema.json`.

use crate::result::{RunResult, Runs, SCHEMA_OF_RUNS};

/// The whole result.
pub(crate) fn render(results: &[RunResult]) -> Result<String, serde_json::Error> {
    let text = match results {
        [one] => serde_json::to_string_pretty(one),
        several => serde_json::to_string_pretty(&Runs { schema: SCHEMA_OF_RUNS.to_owned(), runs: several.to_vec() }),
    };
    text.map(|text| text + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{read, sample};
    use crate::result::{json_schema, json_schema_of_runs};

    #[test]
    fn what_is_written_reads_back_the_same() {
        for result in [sample::every_verdict(), sample::all_passed(), sample::hostile()] {
            assert_eq!(read::parse(&render(std::slice::from_ref(&result)).unwrap()).unwrap(), result);
        }
        let both = [sample::every_verdict(), sample::all_passed()];
        assert_eq!(read::parse_all(&render(&both).unwrap()).unwrap(), both);
    }

    #[test]
    fn the_report_of_every_verdict() {
        insta::assert_snapshot!(render(&[sample::every_verdict()]).unwrap());
    }

    /// The committed schemas are what programs validate reports with.
    #[test]
    fn the_schemas_in_docs_are_those_of_the_code() {
        for (name, schema) in [("report", json_schema()), ("reports", json_schema_of_runs())] {
            let path = format!("{}/docs/{name}.schema.json", env!("CARGO_MANIFEST_DIR"));
            let schema = serde_json::to_string_pretty(&schema).unwrap() + "\n";
            if std::env::var_os("UPDATE_SCHEMA").is_some() {
                std::fs::write(&path, &schema).unwrap();
            }
            let committed = std::fs::read_to_string(path).unwrap_or_default();
            assert!(
                committed == schema,
                "docs/{name}.schema.json is out of date; regenerate it with: UPDATE_SCHEMA=1 cargo test --lib the_schemas_in_docs"
            );
        }
    }

    /// Every field of the schema, wherever it stands, is explained in docs/report.md.
    #[test]
    fn every_field_is_documented() {
        let page = include_str!("../../docs/report.md");
        let mut fields = Vec::new();
        collect(&json_schema(), &mut fields);
        collect(&json_schema_of_runs(), &mut fields);
        assert!(fields.len() > 40, "{fields:?}");
        for field in fields {
            assert!(page.contains(&format!("`{field}`")), "docs/report.md does not speak of `{field}`");
        }
    }

    fn collect(schema: &serde_json::Value, fields: &mut Vec<String>) {
        match schema {
            serde_json::Value::Object(map) => {
                if let Some(serde_json::Value::Object(properties)) = map.get("properties") {
                    fields.extend(properties.keys().cloned());
                }
                map.values().for_each(|value| collect(value, fields));
            }
            serde_json::Value::Array(items) => items.iter().for_each(|value| collect(value, fields)),
            _ => {}
        }
    }
}
