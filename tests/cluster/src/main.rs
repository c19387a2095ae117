//! `cargo cluster`: real Kubernetes clusters on this machine.

#[cfg(target_os = "linux")]
mod cli;
#[cfg(target_os = "linux")]
mod commands;
#[cfg(target_os = "linux")]
mod demo;

#[cfg(target_os = "linux")]
#[tokio::main]
async fn main() -> std::process::ExitCode {
    use clap::Parser;

    match commands::run(cli::Cli::parse().command).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", error.with_causes());
            std::process::ExitCode::FAILURE
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn main() -> std::process::ExitCode {
    eprintln!(
        "error: the test cluster needs Linux: it is made of network namespaces and cgroups.\n\
         Everything else works without it: point kibertas-rs at a cluster that exists with `--kubeconfig FILE`, and its \
         tests with `cargo test --test live`."
    );
    std::process::ExitCode::FAILURE
}
