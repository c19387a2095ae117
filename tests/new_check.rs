//! Adds a check exactly as CONTRIBUTING.md says, in a copy of the sources, and asks the program for it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The code blocks of a Markdown text that follow a line containing `marker`, up to the next marker.
fn code_blocks(markdown: &str, marker: &str) -> Vec<String> {
    let after = markdown.split_once(marker).unwrap_or_else(|| panic!("CONTRIBUTING.md has no {marker:?}")).1;
    after
        .split("```rust\n")
        .skip(1)
        .filter_map(|part| part.split_once("```"))
        .map(|(code, _)| code.to_owned())
        .collect()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().unwrap().is_dir() {
            copy(&source, &target);
        } else {
            fs::copy(&source, &target).unwrap();
        }
    }
}

/// The folder in which cargo keeps what it has built, from where this very test lies in it.
fn target_folder() -> PathBuf {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_kibertas-rs"));
    // TARGET/TRIPLE/PROFILE/kibertas-rs
    program.ancestors().nth(3).unwrap().to_owned()
}

#[test]
fn a_newcomer_adds_a_check_with_one_folder_and_one_line() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = fs::read_to_string(root.join("CONTRIBUTING.md")).unwrap();
    let folder = code_blocks(&guide, "**The folder.**");
    let line = code_blocks(&guide, "**The line.**");
    let (module, registration) = (&line[0], &line[1]);

    let copied = tempfile::tempdir().unwrap();
    let here = copied.path();
    for name in ["src", "checks", ".cargo"] {
        copy(&root.join(name), &here.join(name));
    }
    fs::copy(root.join("Cargo.lock"), here.join("Cargo.lock")).unwrap();
    // Without the workspace's other members and the tests: the check alone has to build.
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let manifest: String =
        manifest.lines().filter(|line| !line.starts_with("members = ")).map(|line| format!("{line}\n")).collect();
    let (package, rest) = manifest.split_once("[[test]]").unwrap();
    let (_, rest) = rest.split_once("[dependencies]").unwrap();
    let (dependencies, rest) = rest.split_once("[dev-dependencies]").unwrap();
    let (_, tail) = rest.split_once("[lints]").unwrap();
    // Under another name: the program that other tests run stays as it is.
    let package = package.replace("name = \"kibertas-rs\"\npath", "name = \"with-new-check\"\npath");
    fs::write(here.join("Cargo.toml"), format!("{package}[dependencies]{dependencies}[lints]{tail}")).unwrap();

    fs::create_dir(here.join("checks/storage")).unwrap();
    fs::write(here.join("checks/storage/mod.rs"), &folder[0]).unwrap();
    let registry = fs::read_to_string(here.join("checks/mod.rs")).unwrap();
    let with_line = registry.replacen("\nuse crate", &format!("\n{module}\nuse crate"), 1);
    let with_line = with_line.replacen("&[&dyn Check] = &[", &format!("&[&dyn Check] = &[\n{registration}"), 1);
    assert_eq!(with_line.matches("storage").count(), 2, "{with_line}");
    fs::write(here.join("checks/mod.rs"), with_line).unwrap();

    let listed = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--offline", "--", "list", "storage", "--output", "json"])
        .current_dir(here)
        .env("CARGO_TARGET_DIR", target_folder())
        .output()
        .unwrap();
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(listed[0]["name"], "storage");
    assert_eq!(listed[0]["proves"][0], "a ConfigMap of this run comes back with this run's nonce");
    let grants = listed[0]["grants"].as_array().unwrap();
    assert!(grants.iter().any(|grant| grant["resource"] == "configmaps"), "{grants:?}");
}
