//! Chat, pull requests and metrics, over real HTTP and TLS against stand-ins that keep the services' documented rules.

mod audience;
mod command;
mod messages;
mod service;
mod table;

use libtest_mimic::Arguments;

/// What every service of these trials knows its senders by.
const SECRET: &str = "s3cret-of-the-channel";
/// The commit that GitHub knows.
const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

fn main() {
    let arguments = Arguments::from_args();
    let trials = [table::trials(), messages::trials(), command::trials()];
    libtest_mimic::run(&arguments, trials.into_iter().flatten().collect()).exit();
}
