//! Compiles `src/pause.rs` into a static program of its own, so that the library carries the sandbox image within it:
//! a test that links the library needs no second executable to be built or found.

use std::env;
use std::path::PathBuf;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/pause.rs");
    let out = PathBuf::from(variable("OUT_DIR")).join("pause");
    if variable("CARGO_CFG_TARGET_OS") != "linux" {
        // The cluster runs on Linux only; elsewhere the crate merely compiles, to say so.
        std::fs::write(&out, []).expect("the output folder is writable");
        return;
    }
    let mut rustc = Command::new(variable("RUSTC"));
    rustc.args(["--edition=2024", "--crate-name=pause", "--crate-type=bin", "src/pause.rs"]);
    rustc.args(["-Copt-level=s", "-Cpanic=abort", "-Cstrip=symbols", "-Ctarget-feature=+crt-static"]);
    rustc.arg("--target").arg(variable("TARGET")).arg("-o").arg(&out);
    if let Ok(linker) = env::var("RUSTC_LINKER") {
        rustc.arg(format!("-Clinker={linker}"));
    }
    let status = rustc.status().expect("rustc starts");
    assert!(status.success(), "src/pause.rs does not compile: {status}");
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("cargo sets {name} for build scripts"))
}
