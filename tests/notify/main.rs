//! Every service under every fault, over real HTTP and TLS against stand-ins that keep the services' documented rules. The table of
//! what happened is printed, and is a snapshot: `cargo test --test notify`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use kibertas::config::{Config, ConfigFile, Sources};
use kibertas::notify::delivery::Patience;
use kibertas::notify::{Audience, Told};
use kibertas::report::read;
use kibertas::result::RunResult;
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;
use stand_ins::authority::Authority;
use stand_ins::chatwork::{self, Chatwork};
use stand_ins::github::GitHub;
use stand_ins::pushgateway::Pushgateway;
use stand_ins::request::Reply;
use stand_ins::script::{Act, Script};
use stand_ins::server::{Rules, Server};
use stand_ins::slack::Slack;
use stand_ins::teams::Teams;
use stand_ins::webhook::Webhook;

/// What the cluster might say to whoever reads it in a chat.
const HOSTILE: &str = "[toall] [To:1] <!channel> <@U1> @channel @here </info> [/info] [/code] **bold** [x](http://evil) ``` <script> <at>all</at> \u{1b}[2J";
const SECRET: &str = "s3cret-of-the-channel";
const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

fn main() {
    let arguments = Arguments::from_args();
    let trials = vec![
        Trial::test("service_by_fault", service_by_fault),
        Trial::test("hostile_text_is_text_everywhere", hostile_text_is_text_everywhere),
        Trial::test("a_comment_is_updated_and_not_repeated", a_comment_is_updated_and_not_repeated),
        Trial::test("blue_and_green_are_one_message", blue_and_green_are_one_message),
        Trial::test("a_sample_says_what_became_of_it", a_sample_says_what_became_of_it),
        Trial::test("nobody_to_tell_is_a_usage_error", nobody_to_tell_is_a_usage_error),
    ];
    libtest_mimic::run(&arguments, trials).exit();
}

/// A service as the table names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Service {
    Chatwork,
    SlackWebhook,
    SlackBot,
    Teams,
    Webhook,
    GitHubStatus,
    GitHubComment,
    Pushgateway,
}

const SERVICES: [Service; 8] = [
    Service::Chatwork,
    Service::SlackWebhook,
    Service::SlackBot,
    Service::Teams,
    Service::Webhook,
    Service::GitHubStatus,
    Service::GitHubComment,
    Service::Pushgateway,
];

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

/// The stand-in of one service.
enum StandIn {
    Chatwork(Server<Chatwork>),
    Slack(Server<Slack>),
    Teams(Server<Teams>),
    Webhook(Server<Webhook>),
    GitHub(Server<GitHub>),
    Pushgateway(Server<Pushgateway>),
}

impl StandIn {
    fn start(service: Service, authority: &Authority) -> Result<Self, Failed> {
        let identity = authority.identity(&["127.0.0.1"])?;
        let own = SECRET.to_owned();
        Ok(match service {
            Service::Chatwork => Self::Chatwork(Server::tls(Chatwork::new(SECRET, "42"), identity)?),
            Service::SlackWebhook | Service::SlackBot => {
                Self::Slack(Server::tls(Slack::new(&format!("/services/{own}"), SECRET, "C42"), identity)?)
            }
            Service::Teams => Self::Teams(Server::tls(Teams::new(&format!("/workflows/{own}")), identity)?),
            Service::Webhook => Self::Webhook(Server::tls(Webhook::new(SECRET), identity)?),
            Service::GitHubStatus | Service::GitHubComment => {
                Self::GitHub(Server::tls(GitHub::new(SECRET, "acme/addons", COMMIT), identity)?)
            }
            // Inside the cluster, and so over plain HTTP.
            Service::Pushgateway => Self::Pushgateway(Server::plain(Pushgateway::default())?),
        })
    }

    fn url(&self) -> String {
        match self {
            Self::Chatwork(server) => server.url(),
            Self::Slack(server) => server.url(),
            Self::Teams(server) => server.url(),
            Self::Webhook(server) => server.url(),
            Self::GitHub(server) => server.url(),
            Self::Pushgateway(server) => server.url(),
        }
    }

    fn script(&self) -> &Script {
        match self {
            Self::Chatwork(server) => server.script(),
            Self::Slack(server) => server.script(),
            Self::Teams(server) => server.script(),
            Self::Webhook(server) => server.script(),
            Self::GitHub(server) => server.script(),
            Self::Pushgateway(server) => server.script(),
        }
    }

    fn requests(&self) -> usize {
        fn count<R: Rules>(server: &Server<R>) -> usize {
            server.requests().len()
        }
        match self {
            Self::Chatwork(server) => count(server),
            Self::Slack(server) => count(server),
            Self::Teams(server) => count(server),
            Self::Webhook(server) => count(server),
            Self::GitHub(server) => count(server),
            Self::Pushgateway(server) => count(server),
        }
    }

    /// What people see there, one text for each message.
    fn shown(&self) -> Vec<String> {
        fn texts<'v>(values: impl IntoIterator<Item = &'v Value>) -> Vec<String> {
            values.into_iter().map(ToString::to_string).collect()
        }
        let poisoned = "a stand-in has panicked";
        match self {
            Self::Chatwork(server) => server.rules().messages.lock().expect(poisoned).clone(),
            Self::Slack(server) => texts(server.rules().messages.lock().expect(poisoned).iter()),
            Self::Teams(server) => texts(server.rules().cards.lock().expect(poisoned).iter()),
            Self::Webhook(server) => texts(server.rules().bodies.lock().expect(poisoned).values()),
            Self::GitHub(server) => {
                let statuses = server.rules().statuses.lock().expect(poisoned);
                let comments = server.rules().comments.lock().expect(poisoned);
                texts(statuses.values().chain(comments.iter()))
            }
            Self::Pushgateway(server) => server.rules().groups.lock().expect(poisoned).values().cloned().collect(),
        }
    }
}

/// The entry of `notify` for a service at `base`; the Pushgateway has a setting of its own.
fn configuration(service: Service, base: &str, ca_file: Option<&Path>) -> String {
    let own = match service {
        Service::Chatwork => format!("{{service: chatwork, tokenEnv: SECRET, room: 42, site: '{base}'"),
        Service::SlackWebhook => "{service: slack, webhookUrlEnv: SLACK_URL, mention: [here]".to_owned(),
        Service::SlackBot => format!("{{service: slack, tokenEnv: SECRET, channel: C42, apiUrl: '{base}/api'"),
        Service::Teams => "{service: teams, webhookUrlEnv: TEAMS_URL".to_owned(),
        Service::Webhook => "{service: webhook, urlEnv: BASE, secretEnv: SECRET".to_owned(),
        Service::GitHubStatus | Service::GitHubComment => {
            let form = if service == Service::GitHubStatus { "status" } else { "comment" };
            format!(
                "{{service: github, tokenEnv: SECRET, repository: acme/addons, commit: {COMMIT}, apiUrl: '{base}', as: {form}"
            )
        }
        Service::Pushgateway => return format!("pushgateway: '{base}'\nnotifyTimeout: 60s\n"),
    };
    let ca_file = ca_file.map(|path| format!(", caFile: '{}'", path.display())).unwrap_or_default();
    format!("notifyTimeout: 60s\nnotify:\n  - {own}{ca_file}}}\n")
}

fn environment(base: &str, secret: &str) -> BTreeMap<String, String> {
    let pairs = [
        ("SECRET", secret.to_owned()),
        ("BASE", format!("{base}/hook")),
        ("SLACK_URL", format!("{base}/services/{secret}")),
        ("TEAMS_URL", format!("{base}/workflows/{secret}")),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn tell(file: &str, env: BTreeMap<String, String>, runs: &[&RunResult]) -> Result<Vec<String>, Failed> {
    tell_within(Duration::from_secs(20), file, env, runs)
}

fn tell_within(
    of_try: Duration,
    file: &str,
    env: BTreeMap<String, String>,
    runs: &[&RunResult],
) -> Result<Vec<String>, Failed> {
    let file = ConfigFile::parse(Path::new("kibertas.yaml"), file)?;
    let mut sources = Sources::default();
    (sources.file, sources.env) = (file, env);
    let core = Config::resolve(&sources, kibertas::checks::ALL)?.core;
    let patience = Patience { of_try, pause: Duration::from_millis(20), tries: 4 };
    let audience = Audience::of(&sources, &core)?.with_patience(patience);
    let told: Vec<Told<'_>> =
        runs.iter().map(|&result| Told { result, before: None, report: None, cluster: None }).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcomes = runtime.block_on(audience.tell(&told));
    let word = |sent: &Result<Option<u32>, _>| match sent {
        Ok(Some(1)) => "told".to_owned(),
        Ok(Some(tries)) => format!("told after {tries} tries"),
        Ok(None) => "nothing to tell".to_owned(),
        Err(error) => format!("NOT TOLD: {error}"),
    };
    Ok(outcomes.iter().map(|outcome| word(&outcome.sent)).collect())
}

fn result() -> Result<RunResult, Failed> {
    Ok(read::parse(include_str!("fixtures/report-v1.json"))?)
}

/// The same result with every text that the cluster can choose replaced.
fn saying(text: &str, checks: usize) -> Result<RunResult, Failed> {
    fn spoil(value: &mut Value, text: &str) {
        const OURS: [&str; 6] = ["schema", "started", "verdict", "certainty", "origin", "run"];
        match value {
            Value::String(old) => text.clone_into(old),
            Value::Array(items) => items.iter_mut().for_each(|item| spoil(item, text)),
            Value::Object(map) => {
                let theirs = map.iter_mut().filter(|(key, _)| !OURS.contains(&key.as_str()));
                theirs.for_each(|(_, value)| spoil(value, text));
            }
            _ => {}
        }
    }
    let mut value = serde_json::to_value(result()?)?;
    spoil(&mut value, text);
    let mut result: RunResult = serde_json::from_value(value)?;
    let all = result.checks.clone();
    result.checks = all.into_iter().cycle().take(checks).collect();
    Ok(result)
}

/// One cell of the table: what happened, how many requests came, and how many messages people see.
fn cell(service: Service, fault: Fault, authority: &Authority, ca_file: &Path) -> Result<String, Failed> {
    let stand_in = StandIn::start(service, authority)?;
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
            // A port that was just given back: nobody listens there.
            base = base.replace(&stand_in_port(&base), &free_port()?);
        }
        _ => {}
    }
    let result = match fault {
        Fault::Oversized => saying(&"クラスタ & <b> [x] ".repeat(500), 100)?,
        Fault::Hostile => saying(HOSTILE, 6)?,
        _ => result()?,
    };
    let trusted = (fault != Fault::Untrusted).then_some(ca_file);
    let secret = if fault == Fault::Unauthorized { "another-secret" } else { SECRET };
    let file = configuration(service, &base, trusted);
    // Where no answer is to come, the wait for it is short; elsewhere a slow machine must not look like a fault.
    let waits_in_vain = matches!(fault, Fault::Timeout | Fault::SlowBody);
    let of_try = Duration::from_millis(if waits_in_vain { 500 } else { 20_000 });
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

fn free_port() -> Result<String, Failed> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port().to_string())
}

fn service_by_fault() -> Result<(), Failed> {
    let authority = Authority::new()?;
    let folder = tempfile::tempdir()?;
    let ca_file = folder.path().join("ca.pem");
    authority.write(&ca_file)?;
    let mut table = String::new();
    // The rows wait for each other's time-outs, not for each other.
    let rows: Vec<Result<Vec<String>, Failed>> = std::thread::scope(|scope| {
        let row = |service: Service| {
            let (authority, ca_file) = (&authority, ca_file.as_path());
            scope.spawn(move || {
                FAULTS.iter().map(|&(fault, _)| cell(service, fault, authority, ca_file)).collect::<Result<_, _>>()
            })
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

/// What each medium would take for markup or a mention is not in what people see.
fn hostile_text_is_text_everywhere() -> Result<(), Failed> {
    let authority = Authority::new()?;
    let folder = tempfile::tempdir()?;
    let ca_file = folder.path().join("ca.pem");
    authority.write(&ca_file)?;
    for (service, forbidden) in [
        (Service::Chatwork, &["[toall]", "[To:1]", "\u{1b}"][..]),
        (Service::SlackWebhook, &["mrkdwn", "\"text\":\"<!channel>", "\u{1b}"]),
        (Service::Teams, &["\"type\":\"TextBlock\"", "\u{1b}"]),
        // What is markup in a comment only a parser tells: that is a test beside the renderer.
        (Service::GitHubComment, &["\u{1b}"]),
    ] {
        let stand_in = StandIn::start(service, &authority)?;
        let base = stand_in.url();
        let file = configuration(service, &base, Some(&ca_file)).replace(", mention: [here]", "");
        let told = tell(&file, environment(&base, SECRET), &[&saying(HOSTILE, 6)?])?;
        let seen = stand_in.shown().join("\n");
        if told != ["told"] || !seen.contains("bold") {
            return Err(format!("{service:?}: {told:?}\n{seen}").into());
        }
        // In Chatwork's code a tag is text.
        let outside = seen.split("[code]").map(|part| part.split_once("[/code]").map_or(part, |(_, rest)| rest));
        let outside: String = if service == Service::Chatwork { outside.collect() } else { seen.clone() };
        if let Some(found) = forbidden.iter().find(|&&text| outside.contains(text)) {
            return Err(format!("{service:?}: {found:?} is in\n{outside}").into());
        }
    }
    Ok(())
}

fn a_comment_is_updated_and_not_repeated() -> Result<(), Failed> {
    let authority = Authority::new()?;
    let folder = tempfile::tempdir()?;
    let ca_file = folder.path().join("ca.pem");
    authority.write(&ca_file)?;
    let stand_in = StandIn::start(Service::GitHubComment, &authority)?;
    let StandIn::GitHub(server) = &stand_in else { return Err("no GitHub".into()) };
    // 120 comments of others come first: ours is on the second page.
    let others = (1..=120).map(|id| serde_json::json!({"id": id, "body": "somebody else's"}));
    server.rules().comments.lock().map_err(|_| "poisoned")?.extend(others);
    let base = stand_in.url();
    let file = configuration(Service::GitHubComment, &base, Some(&ca_file));
    let first = result()?;
    let mut second = first.clone();
    "second".clone_into(&mut second.run);
    for run in [&first, &second] {
        let told = tell(&file, environment(&base, SECRET), &[run])?;
        if told != ["told"] {
            return Err(format!("{told:?}").into());
        }
    }
    let shown = stand_in.shown();
    let ours: Vec<&String> = shown.iter().filter(|text| text.contains("kibertas")).collect();
    if shown.len() == 121 && ours.len() == 1 && ours[0].contains("run second") {
        Ok(())
    } else {
        Err(format!("{} comments, ours: {ours:#?}", shown.len()).into())
    }
}

/// The program as its users run it.
struct Ran {
    code: Option<i32>,
    out: String,
    errors: String,
}

fn program(args: &[&str], env: &[(&str, &str)]) -> Result<Ran, Failed> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kibertas-rs"));
    let output = command.env_clear().envs(env.iter().copied()).args(args).output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Ran { code: output.status.code(), out: text(&output.stdout), errors: text(&output.stderr) })
}

fn blue_and_green_are_one_message() -> Result<(), Failed> {
    let server = Server::plain(Chatwork::new(SECRET, "42"))?;
    let folder = tempfile::tempdir()?;
    let mut files = Vec::new();
    for cluster in ["blue", "green"] {
        let mut run = result()?;
        cluster.clone_into(&mut run.target.name);
        let path = folder.path().join(format!("{cluster}.json"));
        std::fs::write(&path, serde_json::to_string(&run)?)?;
        files.push(path.to_string_lossy().into_owned());
    }
    let url = server.url();
    let env = [("CHATWORK_API_TOKEN", SECRET), ("CHATWORK_ROOM_ID", "42"), ("CHATWORK_SITE", url.as_str())];
    let ran = program(&["notify", "send", &files[0], &files[1]], &env)?;
    let messages = server.rules().messages.lock().map_err(|_| "poisoned")?.clone();
    let both = messages.len() == 1 && ["NG in blue", "NG in green"].iter().all(|text| messages[0].contains(text));
    if ran.code == Some(0) && ran.out == "OK chatwork\n" && both {
        Ok(())
    } else {
        Err(format!("{:?} {}{}{messages:#?}", ran.code, ran.out, ran.errors).into())
    }
}

fn a_sample_says_what_became_of_it() -> Result<(), Failed> {
    let (chatwork, webhook) = (Server::plain(Chatwork::new(SECRET, "42"))?, Server::plain(Webhook::new(SECRET))?);
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("kibertas.yaml");
    let (room, hook) = (chatwork.url(), webhook.url());
    let text = format!(
        "clusterName: blue\nnotify:\n  - {{service: chatwork, on: failure, tokenEnv: TOKEN, room: 42, site: '{room}'}}\n  \
         - {{service: webhook, urlEnv: HOOK, secretEnv: TOKEN}}\n"
    );
    std::fs::write(&file, text)?;
    let config = file.to_string_lossy().into_owned();
    let args = ["--config", config.as_str(), "notify", "test"];
    let ran = program(&args, &[("TOKEN", SECRET), ("HOOK", &hook)])?;
    if (ran.code, ran.out.as_str()) != (Some(0), "OK chatwork (notify[0])\nOK webhook (notify[1])\n") {
        return Err(format!("{:?} {}{}", ran.code, ran.out, ran.errors).into());
    }
    if !chatwork.rules().messages.lock().map_err(|_| "poisoned")?[0].contains("this is a sample") {
        return Err("the sample does not say that it is one".into());
    }
    let ran = program(&args, &[("TOKEN", "wrong-secret"), ("HOOK", &hook)])?;
    let expected = "NG chatwork (notify[0]): 401 Unauthorized: {\"errors\":[\"Invalid API token\"]}\n\
                    NG webhook (notify[1]): 401 Unauthorized: the signature is wrong\n";
    let leaked = format!("{}{}", ran.out, ran.errors).contains("wrong-secret");
    if ran.code == Some(1) && ran.out == expected && !leaked {
        Ok(())
    } else {
        Err(format!("{:?} {}{}", ran.code, ran.out, ran.errors).into())
    }
}

fn nobody_to_tell_is_a_usage_error() -> Result<(), Failed> {
    let ran = program(&["notify", "test"], &[])?;
    if ran.code == Some(2) && ran.errors.contains("nobody is to be told") {
        Ok(())
    } else {
        Err(format!("{:?} {}", ran.code, ran.errors).into())
    }
}
