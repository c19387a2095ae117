//! Every service under every fault. The table of what happened is printed, and is a snapshot: `cargo test --test notify`.

use std::fmt::Write as _;
use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use stand_ins::chatwork;
use stand_ins::request::Reply;
use stand_ins::script::Act;

use super::SECRET;
use super::audience::{HOSTILE, configuration, environment, result, saying, tell_within};
use super::service::{SERVICES, Service, StandIn, Trust};

pub(crate) fn trials() -> Vec<Trial> {
    vec![Trial::test("service_by_fault", service_by_fault)]
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    Timeout,
    HangUp,
    Limited,
    LimitedForAnHour,
    ErrorTwice,
    ErrorForGood,
    Unauthorized,
    Refused,
    Untrusted,
    SlowBody,
    Oversized,
    Hostile,
}

const FAULTS: [(Fault, &str); 13] = [
    (Fault::None, "nothing"),
    (Fault::Timeout, "no answer"),
    (Fault::HangUp, "connection closed"),
    (Fault::Limited, "429 once"),
    (Fault::LimitedForAnHour, "429, wait an hour"),
    (Fault::ErrorTwice, "500 twice"),
    (Fault::ErrorForGood, "500 for good"),
    (Fault::Unauthorized, "wrong secret (401)"),
    (Fault::Refused, "connection refused"),
    (Fault::Untrusted, "unknown authority"),
    (Fault::SlowBody, "body without end"),
    (Fault::Oversized, "oversized text"),
    (Fault::Hostile, "hostile text"),
];

/// One cell of the table: what happened, how many requests came, and how many messages people see.
fn cell(service: Service, fault: Fault, trust: &Trust) -> Result<String, Failed> {
    let stand_in = StandIn::start(service, &trust.authority)?;
    let mut base = stand_in.url();
    let reply = |status: u16| Reply::text(status, "no");
    #[allow(clippy::disallowed_methods)] // the service's clock
    let soon = jiff::Timestamp::now().as_second();
    match fault {
        Fault::Timeout => stand_in.script().always("", Act::Silence),
        Fault::HangUp => stand_in.script().always("", Act::HangUp),
        Fault::Limited if service == Service::Chatwork => {
            stand_in.script().next(1, "", Act::Reply(chatwork::limited(soon + 1)));
        }
        Fault::Limited => stand_in.script().next(1, "", Act::Reply(reply(429).header("retry-after", 0))),
        Fault::LimitedForAnHour if service == Service::Chatwork => {
            stand_in.script().always("", Act::Reply(chatwork::limited(soon + 3600)));
        }
        Fault::LimitedForAnHour => {
            stand_in.script().always("", Act::Reply(reply(429).header("retry-after", 3600)));
        }
        Fault::ErrorTwice => stand_in.script().next(2, "", Act::Reply(reply(500))),
        Fault::ErrorForGood => stand_in.script().always("", Act::Reply(reply(500))),
        Fault::Unauthorized if service == Service::Pushgateway => {
            stand_in.script().always("", Act::Reply(Reply::text(401, "Unauthorized")));
        }
        Fault::SlowBody => stand_in.script().always("", Act::SlowBody),
        Fault::Refused => {
            // Nobody listens on the port of tcpmux; one that was just given back might be another row's by now.
            base = base.replace(&stand_in_port(&base), "1");
        }
        _ => {}
    }
    let result = match fault {
        Fault::Oversized => saying(&"クラスタ & <b> [x] ".repeat(500), 100)?,
        Fault::Hostile => saying(HOSTILE, 6)?,
        _ => result()?,
    };
    let trusted = (fault != Fault::Untrusted).then_some(trust.ca_file.path());
    let secret = if fault == Fault::Unauthorized { "another-secret" } else { SECRET };
    let file = configuration(service, &base, trusted);
    // Where no answer is to come, the wait for it is short; elsewhere a slow machine must not look like a fault.
    let waits_in_vain = matches!(fault, Fault::Timeout | Fault::SlowBody);
    let of_try = Duration::from_millis(if waits_in_vain { 2_500 } else { 20_000 });
    let told = tell_within(of_try, &file, environment(&base, secret), &[&result])?.join("; ");
    if told.contains(secret) || told.contains("127.0.0.1") {
        return Err(format!("{service:?}, {fault:?}: the warning shows the URL or the secret: {told}").into());
    }
    let seen = stand_in.shown().len();
    let most = match service {
        // The thread, and the groups of the checks that passed.
        Service::SlackBot => 2,
        Service::Pushgateway => 1 + 100,
        _ => 1,
    };
    if seen > most {
        return Err(format!("{service:?}, {fault:?}: people see {seen} messages").into());
    }
    Ok(format!("{told} [{} requests, {seen} seen]", stand_in.requests()))
}

fn stand_in_port(url: &str) -> String {
    url.rsplit(':').next().unwrap_or_default().to_owned()
}

fn service_by_fault() -> Result<(), Failed> {
    let trust = Trust::new()?;
    let mut table = String::new();
    // The rows wait for each other's time-outs, not for each other.
    let rows: Vec<Result<Vec<String>, Failed>> = std::thread::scope(|scope| {
        let row = |service: Service| {
            let trust = &trust;
            scope.spawn(move || FAULTS.iter().map(|&(fault, _)| cell(service, fault, trust)).collect::<Result<_, _>>())
        };
        let running: Vec<_> = SERVICES.into_iter().map(row).collect();
        running.into_iter().map(|row| row.join().map_err(|_| Failed::from("a row has panicked"))?).collect()
    });
    for (service, row) in SERVICES.into_iter().zip(rows) {
        for ((_, fault), cell) in FAULTS.iter().zip(row?) {
            let _ = writeln!(table, "{:<14} {fault:<20} {cell}", format!("{service:?}"));
        }
    }
    println!("{table}");
    insta::with_settings!({prepend_module_to_snapshot => false, filters => vec![
        (r"within \d\.\d s", "within the time of a try"),
        (r"(59 min 59 s|60 min 00 s), but [^\[]+ are left", "an hour, but less is left"),
    ]}, {
        insta::assert_snapshot!("notify_service_by_fault", table);
    });
    Ok(())
}
