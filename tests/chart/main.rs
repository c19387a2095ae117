//! The Helm chart: what it is generated from, and what it renders. Needs Go (for Helm and kubeconform), but no cluster.
//!
//! `UPDATE_CHART=1 cargo test --test chart` writes anew what is generated: the declarations and the schema of the
//! configuration in the chart, the table in its README, and the golden renders.

mod arguments;
mod config_command;
mod deadlines;
mod declarations;
mod golden;
mod permissions;
mod readme;
mod refusals;
mod render;
mod schema;

use std::path::PathBuf;

/// A file of the chart.
fn chart(path: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "charts/kibertas-rs", path].iter().collect()
}

/// A file beside these tests.
fn beside(path: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/chart", path].iter().collect()
}

/// Demands that a generated file is what it would be generated as, or writes it.
fn assert_generated(path: &std::path::Path, text: &str) {
    if std::env::var_os("UPDATE_CHART").is_some() {
        std::fs::write(path, text).unwrap();
        return;
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    let differs = found.lines().zip(text.lines()).position(|(found, wanted)| found != wanted);
    let line = differs.unwrap_or_else(|| found.lines().count().min(text.lines().count()));
    let at = |text: &str| text.lines().nth(line).unwrap_or("(the end)").to_owned();
    assert!(
        found == text,
        "{} is out of date from line {}:\n  there  {}\n  should {}\nwrite it anew with UPDATE_CHART=1 cargo test --test chart",
        path.display(),
        line + 1,
        at(&found),
        at(text)
    );
}
