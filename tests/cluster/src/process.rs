//! The processes of a cluster: started in its network namespace, recorded, found again, and stopped.
//!
//! A process outlives the command that started it. It is found again by its id *and* its start time, since ids are
//! given anew: nothing is ever signalled that this crate did not start.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::io::{Interest, unix::AsyncFd};
use tokio::process::Command;

use crate::site::Site;
use crate::{Error, Result, state};

/// How a component's process is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    program: PathBuf,
    arguments: Vec<String>,
    environment: BTreeMap<String, String>,
}

impl Invocation {
    /// The program without arguments.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), arguments: Vec::new(), environment: BTreeMap::new() }
    }

    /// One more argument.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// More arguments.
    #[must_use]
    pub fn args<A: Into<String>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// The argument `--name=value`.
    #[must_use]
    pub fn flag(self, name: &str, value: impl std::fmt::Display) -> Self {
        self.arg(format!("--{name}={value}"))
    }

    /// The argument `--name=path`.
    #[must_use]
    pub fn file(self, name: &str, path: impl AsRef<Path>) -> Self {
        self.flag(name, path.as_ref().display())
    }

    /// With these flags, `--NAME` or `--NAME=VALUE` each, instead of all that it has of the same names: some programs refuse a flag
    /// that is given twice. What is no flag is the error.
    pub(crate) fn with_flags(mut self, flags: &[String]) -> std::result::Result<Self, String> {
        let name = |argument: &str| {
            let flag = argument.strip_prefix("--").filter(|flag| !flag.is_empty())?;
            Some(flag.split('=').next().unwrap_or(flag).to_owned())
        };
        let names: Option<BTreeSet<String>> = flags.iter().map(|flag| name(flag)).collect();
        let Some(names) = names else {
            return Err(flags.iter().find(|flag| name(flag).is_none()).cloned().unwrap_or_default());
        };
        self.arguments.retain(|argument| name(argument).is_none_or(|name| !names.contains(&name)));
        self.arguments.extend(flags.iter().cloned());
        Ok(self)
    }

    /// One more variable of the environment, which is otherwise only PATH, HOME and TMPDIR.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.insert(name.to_owned(), value.into());
        self
    }

    /// Differs when anything differs: then a running process is not the one that is wanted.
    fn digest(&self) -> String {
        format!("{:x}", Sha256::digest(format!("{self:?}")))
    }
}

/// What is stored of a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    pid: i32,
    /// Clock ticks from the boot to the process's start.
    started: u64,
    boot: String,
    invocation: String,
}

/// A process that is alive, or was when it was looked up.
#[derive(Debug)]
pub(crate) struct Process {
    component: String,
    pid: Pid,
    handle: OwnedFd,
    invocation: String,
}

impl Process {
    /// Starts the component's process in the cluster's network namespace, its output appended to its log.
    pub(crate) fn start(site: &Site, component: &str, invocation: &Invocation) -> Result<Self> {
        let path = site.log(component);
        let log = File::options().create(true).append(true).open(&path).map_err(Error::file("open", &path))?;
        let errors = log.try_clone().map_err(Error::file("open", &path))?;
        let mut command = in_namespace(site);
        // A session of its own, so that the terminal's signals do not reach it. Both programs exec, so the process
        // keeps its id from nsenter over setsid to the component.
        command.arg("setsid").arg(&invocation.program).args(&invocation.arguments);
        command.env_clear().env("PATH", search_path(site)).env("HOME", site.dir());
        command.env("TMPDIR", site.path("tmp")).envs(&invocation.environment);
        command.current_dir(site.dir()).stdin(Stdio::null()).stdout(log).stderr(errors);
        let program = || invocation.program.display().to_string();
        let child = command.spawn().map_err(|source| Error::Start { program: program(), source })?;
        let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let (pid, started) = pid
            .and_then(|pid| Some((pid, start_time(pid)?)))
            .ok_or_else(|| Error::Start { program: program(), source: std::io::Error::other("it ended at once") })?;
        let invocation = invocation.digest();
        let record =
            Record { pid: pid.as_raw_nonzero().get(), started, boot: boot_id()?, invocation: invocation.clone() };
        state::write(&site.process_file(component), &record)?;
        let handle = open(pid).map_err(failed("watch", pid))?;
        Ok(Self { component: component.to_owned(), pid, handle, invocation })
    }

    /// The component's process, if it is alive.
    pub(crate) fn find(site: &Site, component: &str) -> Result<Option<Self>> {
        let Some(record) = state::read::<Record>(&site.process_file(component))? else { return Ok(None) };
        let Some(pid) = Pid::from_raw(record.pid) else { return Ok(None) };
        // First the handle, then the check: afterwards the id may be given anew, but the handle stays with the process.
        let Ok(handle) = open(pid) else { return Ok(None) };
        if record.boot != boot_id()? || start_time(pid) != Some(record.started) {
            return Ok(None);
        }
        Ok(Some(Self { component: component.to_owned(), pid, handle, invocation: record.invocation }))
    }

    /// The process id.
    pub(crate) fn id(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Whether it was started just so.
    pub(crate) fn runs(&self, invocation: &Invocation) -> bool {
        self.invocation == invocation.digest()
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(&self) -> Result<()> {
        let handle = self.handle.try_clone().map_err(failed("watch", self.pid))?;
        #[expect(deprecated, reason = "its successor is `unsafe`; an `OwnedFd` keeps what that one asks for")]
        let handle = AsyncFd::with_interest(handle, Interest::READABLE).map_err(failed("watch", self.pid))?;
        drop(handle.readable().await.map_err(failed("watch", self.pid))?);
        Ok(())
    }

    /// Asks it to end, and kills it if it has not after `grace`. Its record is removed.
    pub(crate) async fn stop(self, site: &Site, grace: Duration) -> Result<()> {
        const KILLED: Duration = Duration::from_secs(10);
        let asked = !grace.is_zero() && self.ends(Signal::TERM, grace).await?;
        if !asked && !self.ends(Signal::KILL, KILLED).await? {
            return Err(Error::Unkillable { component: self.component.clone(), pid: self.id(), waited: KILLED });
        }
        let file = site.process_file(&self.component);
        std::fs::remove_file(&file).or_else(ignore_missing).map_err(Error::file("remove", file))
    }

    async fn ends(&self, signal: Signal, within: Duration) -> Result<bool> {
        match pidfd_send_signal(&self.handle, signal) {
            Ok(()) => {}
            Err(rustix::io::Errno::SRCH) => return Ok(true),
            Err(error) => return Err(failed("signal", self.pid)(error)),
        }
        match tokio::time::timeout(within, self.ended()).await {
            Ok(ended) => ended.map(|()| true),
            Err(_) => Ok(false),
        }
    }
}

/// A command that runs in the cluster's network namespace. `ip netns exec` would not do: it remounts /sys, which
/// hides the cgroups from kubelet.
pub(crate) fn in_namespace(site: &Site) -> Command {
    let mut command = Command::new("nsenter");
    command.arg(format!("--net={}", site.namespace_file().display()));
    command
}

/// Our programs first, then the system's.
pub(crate) fn search_path(site: &Site) -> String {
    format!("{}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", site.bin().display())
}

/// Names this boot of the machine.
pub(crate) fn boot_id() -> Result<String> {
    let path = "/proc/sys/kernel/random/boot_id";
    Ok(std::fs::read_to_string(path).map_err(Error::file("read", path))?.trim().to_owned())
}

/// Kills a process that is no component: a container or its shim. One that is gone already is fine.
pub(crate) fn kill(pid: i32) {
    if let Some(handle) = Pid::from_raw(pid).and_then(|pid| open(pid).ok()) {
        let _ = pidfd_send_signal(handle, Signal::KILL);
    }
}

pub(crate) fn ignore_missing(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

fn open(pid: Pid) -> rustix::io::Result<OwnedFd> {
    // Tokio polls it, and a descriptor that is polled should not block.
    pidfd_open(pid, PidfdFlags::NONBLOCK)
}

fn failed<E: Into<std::io::Error>>(action: &'static str, pid: Pid) -> impl FnOnce(E) -> Error {
    move |source| Error::Process { action, pid: pid.as_raw_nonzero().get(), source: source.into() }
}

/// Clock ticks from the boot to the process's start; `None` for one that has ended.
fn start_time(pid: Pid) -> Option<u64> {
    parse_stat(&std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?)
}

/// The field `starttime` of `/proc/PID/stat` (`proc_pid_stat(5)`), unless the process is a zombie or dead.
fn parse_stat(stat: &str) -> Option<u64> {
    // The second field is the program's name in parentheses, and may itself hold blanks and parentheses.
    let mut fields = stat.rsplit_once(") ")?.1.split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X" | "x") {
        return None;
    }
    // `state` is the third field, `starttime` the 22nd.
    fields.nth(22 - 4)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Addresses;

    const STAT: &str = "42 (a) b (c) S 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 10 20 30";

    #[test]
    fn the_start_time_is_found_behind_any_name() {
        assert_eq!(parse_stat(STAT), Some(987_654));
        assert_eq!(parse_stat(&STAT.replace(") S ", ") Z ")), None);
        assert_eq!(parse_stat("42"), None);
        assert!(start_time(rustix::process::getpid()).is_some());
    }

    #[test]
    fn an_invocation_is_told_from_another() {
        let one = Invocation::new("/bin/true").flag("a", 1);
        assert_eq!(one.digest(), Invocation::new("/bin/true").arg("--a=1").digest());
        assert_ne!(one.digest(), one.clone().flag("b", 1).digest());
        assert_ne!(one.digest(), one.clone().env("B", "1").digest());
    }

    #[test]
    fn flags_stand_in_for_those_of_the_same_name() {
        let invocation = Invocation::new("/x")
            .arg("serve")
            .flag("source", "a")
            .flag("source", "b")
            .flag("interval", "5s")
            .arg("--on");
        let with = |flags: &[&str]| {
            let flags: Vec<String> = flags.iter().map(|&flag| flag.to_owned()).collect();
            invocation.clone().with_flags(&flags).map(|changed| changed.arguments.join(" "))
        };
        assert_eq!(with(&[]).unwrap(), "serve --source=a --source=b --interval=5s --on");
        assert_eq!(
            with(&["--interval=20s", "--new"]).unwrap(),
            "serve --source=a --source=b --on --interval=20s --new"
        );
        assert_eq!(with(&["--source=c", "--on=false"]).unwrap(), "serve --interval=5s --source=c --on=false");
        for bad in ["interval=20s", "-i", "--", ""] {
            assert_eq!(with(&["--fine", bad]).unwrap_err(), bad);
        }
    }

    #[tokio::test]
    async fn a_process_is_found_only_with_its_start_time() {
        let folder = tempfile::tempdir().unwrap();
        let site = Site::new(folder.path(), "blue", Addresses::of(1).unwrap());
        let mut child = Command::new("sleep").arg("60").kill_on_drop(true).spawn().unwrap();
        let pid = Pid::from_raw(child.id().unwrap().cast_signed()).unwrap();
        let mut record = Record {
            pid: pid.as_raw_nonzero().get(),
            started: start_time(pid).unwrap(),
            boot: boot_id().unwrap(),
            invocation: String::new(),
        };
        state::write(&site.process_file("etcd"), &record).unwrap();
        assert!(Process::find(&site, "etcd").unwrap().is_some());

        record.started += 1;
        state::write(&site.process_file("etcd"), &record).unwrap();
        assert!(Process::find(&site, "etcd").unwrap().is_none(), "another process with the same id");

        record.started -= 1;
        state::write(&site.process_file("etcd"), &record).unwrap();
        let process = Process::find(&site, "etcd").unwrap().unwrap();
        process.stop(&site, Duration::from_secs(5)).await.unwrap();
        assert!(!child.wait().await.unwrap().success());
        assert!(Process::find(&site, "etcd").unwrap().is_none());
        assert!(!site.process_file("etcd").exists());
    }
}
