//! The result as data: pretty JSON of the schema in `docs/report.schema.json`.

use crate::result::RunResult;

/// The whole result.
pub(crate) fn render(result: &RunResult) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(result).map(|text| text + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{read, sample};
    use crate::result::json_schema;

    #[test]
    fn what_is_written_reads_back_the_same() {
        for result in [sample::every_verdict(), sample::all_passed(), sample::hostile()] {
            assert_eq!(read::parse(&render(&result).unwrap()).unwrap(), result);
        }
    }

    #[test]
    fn the_report_of_every_verdict() {
        insta::assert_snapshot!(render(&sample::every_verdict()).unwrap());
    }

    /// The committed schema is what programs validate reports with.
    #[test]
    fn the_schema_in_docs_is_that_of_the_code() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/report.schema.json");
        let schema = serde_json::to_string_pretty(&json_schema()).unwrap() + "\n";
        if std::env::var_os("UPDATE_SCHEMA").is_some() {
            std::fs::write(path, &schema).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            committed == schema,
            "docs/report.schema.json is out of date; regenerate it with: UPDATE_SCHEMA=1 cargo test --lib the_schema_in_docs"
        );
    }

    /// Every field of the schema, wherever it stands, is explained in docs/report.md.
    #[test]
    fn every_field_is_documented() {
        let page = include_str!("../../docs/report.md");
        let mut fields = Vec::new();
        collect(&json_schema(), &mut fields);
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
