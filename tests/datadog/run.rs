//! The program as its users run it: against a stand-in of Datadog, and one of the API server, which hardly matters here.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use stand_ins::kubernetes::Kubernetes;
use stand_ins::server::Server;
use tempfile::TempDir;

/// Keys of the forms that Datadog's have.
pub(crate) const API_KEY: &str = "0a1b2c3d4e5f60718293a4b5c6d7e8f9";
pub(crate) const APP_KEY: &str = "00112233445566778899aabbccddeeff01234567";

/// A run to be: the cluster `blue`, both keys, and what a test adds.
pub(crate) struct Run {
    folder: TempDir,
    api_server: Server<Kubernetes>,
    env: Vec<(String, String)>,
    args: Vec<String>,
    step_timeout: &'static str,
}

/// What came of it.
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) json: Value,
    /// Everything that was printed.
    pub(crate) printed: String,
}

impl Run {
    /// Against Datadog's API at `url`; empty for none.
    pub(crate) fn at(url: &str) -> Self {
        Self::on(Kubernetes::new(), url)
    }

    /// The same on a cluster with objects.
    pub(crate) fn on(cluster: Kubernetes, url: &str) -> Self {
        let api_server = Server::plain(cluster).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("kubeconfig"), api_server.kubeconfig("blue")).unwrap();
        let run = Self { folder, api_server, env: Vec::new(), args: Vec::new(), step_timeout: "5s" };
        let run = run.env("DD_API_KEY", API_KEY).env("DD_APP_KEY", APP_KEY);
        if url.is_empty() { run } else { run.env("KIBERTAS_DATADOG_URL", url) }
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn args(mut self, args: &[&str]) -> Self {
        self.args.extend(args.iter().map(|arg| (*arg).to_owned()));
        self
    }

    /// The longest that a step may take: 5 s where nothing else is said.
    pub(crate) fn step_timeout(mut self, time: &'static str) -> Self {
        self.step_timeout = time;
        self
    }

    /// Somewhere to put files for the run.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs `kibertas-rs test datadog-agent` to its end.
    pub(crate) fn go(self) -> Outcome {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kibertas-rs"));
        command.env_clear().env("KUBECONFIG", self.folder.path().join("kubeconfig")).envs(self.env);
        let output = command
            .args(["test", "datadog-agent", "--output", "json", "--step-timeout", self.step_timeout])
            .args(&self.args)
            .output()
            .unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let writes = self.api_server.requests().iter().filter(|request| request.method != http::Method::GET).count();
        assert_eq!(writes, 0, "the check touches the cluster: {:?}", self.api_server.requests());
        let json = serde_json::from_str(&out).unwrap_or_default();
        Outcome { code: output.status.code(), json, printed: format!("{out}{err}") }
    }
}

impl Outcome {
    pub(crate) fn check(&self) -> &Value {
        &self.json["checks"][0]
    }

    /// Seconds from the check's start to its verdict.
    pub(crate) fn seconds(&self) -> f64 {
        self.check()["durationMs"].as_f64().unwrap() / 1000.0
    }

    /// When the verdict was there, in seconds since the epoch.
    #[allow(clippy::cast_precision_loss)] // milliseconds since the epoch are exact in an f64
    pub(crate) fn verdict_at(&self) -> f64 {
        let started: jiff::Timestamp = self.json["started"].as_str().unwrap().parse().unwrap();
        started.as_millisecond() as f64 / 1000.0 + self.check()["startMs"].as_f64().unwrap() / 1000.0 + self.seconds()
    }

    /// The evidence of a step.
    pub(crate) fn evidence(&self, step: &str, key: &str) -> &Value {
        let steps = self.check()["steps"].as_array().unwrap();
        let step = steps.iter().find(|s| s["name"] == step).unwrap_or_else(|| panic!("{}", self.printed));
        &step["evidence"][key]
    }

    /// Demands a pass with all steps, and that no key was printed.
    #[track_caller]
    pub(crate) fn passed(&self) -> &Self {
        assert_eq!((self.code, self.check()["verdict"].as_str()), (Some(0), Some("passed")), "{}", self.printed);
        let steps: Vec<_> = self.check()["steps"].as_array().unwrap().iter().map(|step| &step["name"]).collect();
        let all = ["permissions", "API key valid", "query accepted", "series of this cluster", "fresh points"];
        assert_eq!(steps, all);
        self.keeps_secrets()
    }

    /// Demands a verdict at a step, with these words: of what was seen, and of the cause.
    #[track_caller]
    pub(crate) fn ended(&self, verdict: &str, step: &str, seen: &str, cause: &str) -> &Self {
        let code = if verdict == "failed" { 1 } else { 3 };
        assert_eq!((self.code, self.check()["verdict"].as_str()), (Some(code), Some(verdict)), "{}", self.printed);
        let last = self.check()["steps"].as_array().unwrap().last().unwrap();
        assert_eq!(last["name"], step, "{}", self.printed);
        let failure = &self.check()["failure"];
        assert!(failure["seen"].as_str().unwrap().contains(seen), "{failure:#}");
        assert!(failure["cause"]["text"].as_str().unwrap_or_default().contains(cause), "{failure:#}");
        assert!(!failure["expected"].as_str().unwrap().is_empty(), "{failure:#}");
        self.keeps_secrets()
    }

    /// Demands whose fault it is.
    #[track_caller]
    pub(crate) fn fault_of(&self, origin: &str) -> &Self {
        assert_eq!(self.check()["failure"]["cause"]["origin"], origin, "{:#}", self.check()["failure"]);
        self
    }

    #[track_caller]
    fn keeps_secrets(&self) -> &Self {
        assert!(!self.printed.contains(API_KEY) && !self.printed.contains(APP_KEY), "{}", self.printed);
        self
    }

    /// The row of a table of verdicts, for the one who reads the test's output.
    pub(crate) fn tell(&self, fault: &str) {
        let mut row = String::new();
        let failure = &self.check()["failure"];
        let why = failure["cause"]["text"].as_str().or(failure["seen"].as_str()).unwrap_or("-");
        let _ =
            write!(row, "| {fault} | {} | {why} | {:.1} |", self.check()["verdict"].as_str().unwrap(), self.seconds());
        println!("{row}");
    }
}
