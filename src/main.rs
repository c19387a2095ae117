//! The program: parse, run, exit code.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    kibertas::commands::run(kibertas::cli::Cli::parse())
}
