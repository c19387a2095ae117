//! Golden renders of every mode, linted and held against the API's own schemas.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::render::{helm, objects, program, template};

/// The values of every mode, `ci/MODE-values.yaml` in the chart, by the mode's name.
fn modes() -> Vec<(String, PathBuf)> {
    let files = std::fs::read_dir(super::chart("ci")).unwrap().map(|entry| entry.unwrap().path());
    let named = |path: PathBuf| {
        let name = path.file_name()?.to_str()?.strip_suffix("-values.yaml")?.to_owned();
        Some((name, path))
    };
    let mut modes: Vec<_> = files.filter_map(named).collect();
    modes.sort();
    assert!(modes.len() >= 10, "{modes:?}");
    modes
}

#[test]
fn every_mode_renders_as_it_did() {
    for (mode, values) in modes() {
        super::assert_generated(&super::beside(&format!("golden/{mode}.yaml")), &template(&values));
    }
}

/// What Helm says after an installation. Helm renders it only beside a cluster, so that here it is part of an object.
#[test]
fn every_mode_says_what_comes_next() {
    let copy = tempfile::tempdir().unwrap();
    let copied = Command::new("cp").arg("-R").arg(super::chart("")).arg(copy.path().join("chart")).status().unwrap();
    assert!(copied.success());
    let templates = copy.path().join("chart/templates");
    let notes = std::fs::read_to_string(templates.join("NOTES.txt")).unwrap();
    std::fs::write(templates.join("_notes.tpl"), format!("{{{{ define \"notes\" }}}}{notes}{{{{ end }}}}")).unwrap();
    std::fs::write(templates.join("notes.yaml"), "notes: {{ include \"notes\" . | toJson }}").unwrap();
    for (mode, values) in modes() {
        let (chart, values) = (copy.path().join("chart"), values.to_string_lossy().into_owned());
        let (chart, only) = (chart.to_string_lossy(), "templates/notes.yaml");
        let args = ["template", "add-ons", &chart, "-n", "kibertas", "--values", &values, "--show-only", only];
        let output = helm(&args);
        assert!(output.status.success(), "{mode}: {}", String::from_utf8_lossy(&output.stderr));
        let rendered = objects(&String::from_utf8(output.stdout).unwrap());
        super::assert_generated(&super::beside(&format!("golden/{mode}.txt")), rendered[0]["notes"].as_str().unwrap());
    }
}

#[test]
fn every_mode_passes_lint() {
    for (mode, values) in modes() {
        let (chart, values) = (super::chart(""), values.to_string_lossy().into_owned());
        let output = helm(&["lint", "--strict", &chart.to_string_lossy(), "--values", &values]);
        assert!(output.status.success(), "{mode}: {}", String::from_utf8_lossy(&output.stdout));
    }
}

/// The schemas are those of a real API server; `tests/argo_cd/schemas.rs` compares and writes them.
#[test]
fn every_object_fits_the_schema_of_its_kind() {
    for (mode, values) in modes() {
        let rendered = template(&values);
        let (valid, said) = kubeconform(&rendered);
        assert!(valid, "{mode}: {said}");
        let summary: serde_json::Value = serde_json::from_str(&said).unwrap();
        assert_eq!(summary["summary"]["valid"], objects(&rendered).len(), "{mode}: {said}");
    }
}

#[test]
fn an_unknown_field_would_be_found() {
    let (_, values) = modes().into_iter().find(|(mode, _)| mode == "job").unwrap();
    let broken = template(&values).replace("backoffLimit: 0", "backOffLimit: 0");
    let (valid, said) = kubeconform(&broken);
    assert!(!valid && said.contains("backOffLimit"), "{said}");
}

fn kubeconform(rendered: &str) -> (bool, String) {
    let schemas = format!("{}/{{{{.ResourceKind}}}}.json", super::beside("schemas").display());
    let mut child = Command::new(program("kubeconform"))
        .args(["-strict", "-summary", "-output", "json", "-schema-location", &schemas, "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), rendered.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), said)
}
