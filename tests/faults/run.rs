//! The program as its users run it, and what its report says.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use libtest_mimic::Failed;
use serde_json::Value;

use super::world::Environment;

/// A finished run.
pub(crate) struct Report {
    /// The exit code; `None` after SIGKILL.
    pub(crate) code: Option<i32>,
    /// The JSON report; null where there is none.
    pub(crate) json: Value,
    /// What went to standard error: the progress.
    pub(crate) progress: String,
}

/// A run that goes on.
pub(crate) struct Running {
    child: Child,
    progress: BufReader<std::process::ChildStderr>,
    seen: String,
}

/// The program with these variables, and no others of the machine.
fn command(environment: &Environment, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kibertas-rs"));
    command.env_clear().envs(environment.iter().cloned()).args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs `kibertas-rs test ARGS --output json` to its end.
pub(crate) fn test(environment: &Environment, args: &[&str]) -> Result<Report, Failed> {
    start(environment, args)?.finish()
}

/// Starts `kibertas-rs test ARGS --output json`.
pub(crate) fn start(environment: &Environment, args: &[&str]) -> Result<Running, Failed> {
    let mut all = vec!["test", "--output", "json"];
    all.extend(args);
    let mut child = command(environment, &all).spawn()?;
    let stderr = child.stderr.take().ok_or("no standard error")?;
    Ok(Running { child, progress: BufReader::new(stderr), seen: String::new() })
}

/// Runs any other command to its end; exit code and standard output.
pub(crate) fn other(environment: &Environment, args: &[&str]) -> Result<(Option<i32>, String), Failed> {
    let output = command(environment, args).output()?;
    Ok((output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned()))
}

impl Running {
    /// Reads the progress up to a line that contains `text`; the rest of the run's life if there is none.
    pub(crate) fn until(&mut self, text: &str) -> Result<(), Failed> {
        let mut line = String::new();
        while self.progress.read_line(&mut line)? > 0 {
            self.seen.push_str(&line);
            if line.contains(text) {
                return Ok(());
            }
            line.clear();
        }
        Err(format!("the run ended without {text:?}:\n{}", self.seen).into())
    }

    /// The run's id, from the first line of the progress.
    pub(crate) fn run(&self) -> Result<String, Failed> {
        id(&self.seen)
    }

    /// The most memory that the program has had resident so far, in KiB.
    ///
    /// <https://man7.org/linux/man-pages/man5/proc_pid_status.5.html>
    pub(crate) fn peak_memory(&self) -> Result<u64, Failed> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB"));
        Ok(peak.ok_or("no peak of the resident memory")?.trim().parse()?)
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) -> Result<(), Failed> {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status()?;
        if sent.success() { Ok(()) } else { Err(format!("kill -s {name} {pid} failed").into()) }
    }

    /// Waits for the end.
    pub(crate) fn finish(mut self) -> Result<Report, Failed> {
        let mut line = String::new();
        while self.progress.read_line(&mut line)? > 0 {
            self.seen.push_str(&line);
            line.clear();
        }
        let output = self.child.wait_with_output()?;
        let json = serde_json::from_slice(&output.stdout).unwrap_or_default();
        Ok(Report { code: output.status.code(), json, progress: self.seen })
    }
}

/// The run's id, from the first line of the progress.
pub(crate) fn id(progress: &str) -> Result<String, Failed> {
    let after = progress.split(" run ").nth(1).and_then(|rest| rest.split_whitespace().next());
    after.map(str::to_owned).ok_or_else(|| format!("no run's id in {progress:?}").into())
}

impl Report {
    /// The one check's part.
    pub(crate) fn check(&self) -> &Value {
        &self.json["checks"][0]
    }

    /// Demands exit code, verdict, a step that did not pass, and words of the failure.
    pub(crate) fn expect(&self, code: i32, verdict: &str, step: Option<&str>, words: &[&str]) -> Result<(), Failed> {
        let complain =
            |what: String| Err(Failed::from(format!("{what}\n{}\n{:#}", self.progress, self.check()["failure"])));
        if self.code != Some(code) {
            return complain(format!("exit code {:?} instead of {code}", self.code));
        }
        if self.check()["verdict"] != verdict {
            return complain(format!("verdict {} instead of {verdict}", self.check()["verdict"]));
        }
        if let Some(step) = step {
            let steps = self.check()["steps"].as_array().into_iter().flatten();
            let ended: Vec<_> = steps.filter(|step| step["verdict"] != "passed").map(|step| &step["name"]).collect();
            if !ended.iter().any(|name| **name == step) {
                return complain(format!("ended at {ended:?} instead of {step:?}"));
            }
        }
        let failure = self.check()["failure"].to_string();
        for word in words {
            if !failure.contains(word) {
                return complain(format!("the failure does not say {word:?}"));
            }
        }
        Ok(())
    }

    /// What is told of a step of the one check; null where it has none of this name.
    pub(crate) fn step(&self, name: &str) -> &Value {
        let mut steps = self.check()["steps"].as_array().into_iter().flatten();
        steps.find(|step| step["name"] == name).unwrap_or(&Value::Null)
    }

    /// What a step of the one check has recorded.
    pub(crate) fn evidence(&self, step: &str, key: &str) -> &Value {
        &self.step(step)["evidence"][key]
    }

    /// Demands that a step was over within `limit`, since to wait there would have been in vain. The steps before it do not count: they
    /// take as long as the machine is busy.
    pub(crate) fn expect_within(&self, step: &str, limit: Duration) -> Result<(), Failed> {
        let took = self.step(step)["durationMs"].as_u64().ok_or_else(|| format!("no duration of the step {step:?}"))?;
        if u128::from(took) < limit.as_millis() {
            return Ok(());
        }
        Err(format!("the step {step:?} waited {took} ms although nothing could change any more").into())
    }

    /// Demands a pass that left nothing behind.
    pub(crate) fn expect_pass(&self) -> Result<(), Failed> {
        self.expect(0, "passed", None, &[])?;
        self.expect_clean()
    }

    /// Demands that everything that the check created is gone.
    pub(crate) fn expect_clean(&self) -> Result<(), Failed> {
        if self.check()["cleanup"]["verdict"] == "passed" {
            Ok(())
        } else {
            Err(format!("clean-up: {:#}", self.check()["cleanup"]).into())
        }
    }
}
