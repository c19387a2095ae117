//! Programs that are built from Go modules, and the manifests that lie in the same modules.
//!
//! A tool is a folder `components/NAME` with a `go.mod` that names it as a tool dependency, or with a few lines of
//! `main.go`. What is built lies outside of the checkout, keyed by everything that it is made from.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use sha2::{Digest, Sha256};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::host::Go;
use crate::lock::Lock;
use crate::progress::{Progress, Task};
use crate::{Error, Result, command, manifest};

/// One folder of `components/`.
#[derive(Debug)]
pub struct GoTool {
    /// The folder's name.
    pub name: &'static str,
    /// The folder's files with their content: see [`go_files!`](crate::tool::go_files).
    pub files: &'static [(&'static str, &'static str)],
    /// The programs that come out of it.
    pub programs: &'static [&'static str],
    /// Variables that the linker sets, such as a version: `package.name` and the value.
    pub variables: &'static [(&'static str, &'static str)],
    /// Files that a module is published without.
    pub additions: &'static [Addition],
    /// What is kept of the modules besides the programs.
    pub assets: &'static [Asset],
}

/// A file that a module needs and is published without; where it has one, that one counts.
#[derive(Clone, Copy, Debug)]
pub struct Addition {
    /// The module's path.
    pub module: &'static str,
    /// Where the file belongs in it.
    pub path: &'static str,
    /// The file.
    pub content: &'static str,
}

/// Something that lies in a module and is kept beside the programs, so that its version never differs from theirs.
#[derive(Clone, Copy, Debug)]
pub enum Asset {
    /// A file or a folder of YAML manifests; see [`Built::objects`].
    Objects {
        /// The module's path.
        module: &'static str,
        /// The file or folder in the module.
        path: &'static str,
    },
    /// A folder, as it is; see [`Built::folder`].
    Folder {
        /// The module's path.
        module: &'static str,
        /// The folder in the module.
        path: &'static str,
    },
}

/// The files of a folder of `components/`, taken into this program, so that it needs no checkout when it runs.
macro_rules! go_files {
    ($folder:literal $(, $more:literal)*) => {
        &[
            ("go.mod", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/components/", $folder, "/go.mod"))),
            ("go.sum", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/components/", $folder, "/go.sum"))),
            $(($more, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/components/", $folder, "/", $more)))),*
        ]
    };
}
pub(crate) use go_files;

/// Builds are pure and stay the same; raise it when this file lays out its results differently.
const LAYOUT: u8 = 1;

/// A tool that is built.
#[derive(Clone, Debug)]
pub struct Built {
    folder: PathBuf,
}

impl Built {
    /// The tool whose results lie there.
    pub(crate) fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Where the results lie.
    pub(crate) fn path(&self) -> &Path {
        &self.folder
    }

    /// One of its programs.
    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.join("bin").join(name)
    }

    /// The objects of an [`Asset::Objects`].
    pub(crate) fn objects(&self, path: &str) -> Result<Vec<manifest::Object>> {
        manifest::load(&self.folder.join("objects").join(path).with_extension("json"))
    }

    /// An [`Asset::Folder`].
    pub fn folder(&self, path: &str) -> PathBuf {
        self.folder.join("folders").join(path)
    }
}

impl GoTool {
    fn flags(&self) -> Vec<String> {
        let variables: String = self.variables.iter().map(|(name, value)| format!(" -X {name}={value}")).collect();
        vec!["-mod=readonly".to_owned(), "-trimpath".to_owned(), format!("-ldflags=-s -w{variables}")]
    }

    /// The name of the folder in the cache: differs when anything differs that the results depend on.
    fn key(&self, go: &str) -> String {
        let mut digest = Sha256::new();
        let mut add = |part: &str| {
            digest.update(part.len().to_le_bytes());
            digest.update(part);
        };
        add(&LAYOUT.to_string());
        add(go);
        self.files.iter().for_each(|(name, content)| {
            add(name);
            add(content);
        });
        add(&format!("{:?} {:?} {:?}", self.programs, self.flags(), self.assets));
        // Tools without additions keep the keys that they had before there were any.
        self.additions.iter().for_each(|addition| add(&format!("{addition:?}")));
        format!("{}-{:.16}", self.name, format!("{:x}", digest.finalize()))
    }

    /// The tool from the cache, if it is there.
    pub(crate) fn cached(&self, go: &Go) -> Result<Option<Built>> {
        let folder = cache()?.join(self.key(&go.version));
        Ok(folder.is_dir().then_some(Built { folder }))
    }

    /// The tool from the cache, or built now.
    pub(crate) async fn ensure(&self, go: &Go, progress: &Progress) -> Result<Built> {
        match self.cached(go)? {
            Some(built) => Ok(built),
            None => self.build(go, progress).await,
        }
    }

    /// Builds the tool, unless somebody else did so meanwhile.
    async fn build(&self, go: &Go, progress: &Progress) -> Result<Built> {
        let cache = cache()?;
        let lock = Lock::take(cache.join(format!(".{}.lock", self.name))).await?;
        if let Some(built) = self.cached(go)? {
            return Ok(built);
        }
        let task = progress.task(&format!("building {}", self.name));
        let work = tempfile::Builder::new()
            .prefix(&format!(".{}-", self.name))
            .tempdir_in(&cache)
            .map_err(Error::file("write in", &cache))?;
        let source = work.path().join("source");
        let target = work.path().join("target");
        for folder in [&source, &target.join("bin")] {
            std::fs::create_dir_all(folder).map_err(Error::file("create", folder))?;
        }
        for (name, content) in self.files {
            let path = source.join(name);
            std::fs::write(&path, content).map_err(Error::file("write", path))?;
        }
        for addition in self.additions {
            complete(*addition, go, &source).await?;
        }
        self.compile(go, &source, &target, &task).await?;
        for asset in self.assets {
            keep(*asset, go, &source, &target).await?;
        }
        let folder = cache.join(self.key(&go.version));
        std::fs::rename(&target, &folder).map_err(Error::file("write", &folder))?;
        task.done("built");
        drop(lock);
        Ok(Built { folder })
    }

    async fn compile(&self, go: &Go, source: &Path, target: &Path, task: &Task) -> Result<()> {
        // One program gets the name that it has here; several keep those of their packages.
        let output = match self.programs {
            [program] => target.join("bin").join(program),
            _ => target.join("bin/"),
        };
        let package = if self.files.iter().any(|(name, _)| *name == "main.go") { "." } else { "tool" };
        let mut build = go_command(go, source);
        build.args(["build", "-v"]).args(self.flags()).arg("-o").arg(output).arg(package);
        build.stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let shown = format!("go build ({})", self.name);
        let mut child = build.spawn().map_err(|source| Error::Start { program: "go".to_owned(), source })?;
        let mut said = Vec::new();
        if let Some(errors) = child.stderr.take() {
            let mut lines = BufReader::new(errors).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                task.detail(&line);
                said.push(line);
            }
        }
        let status = child.wait().await.map_err(|source| Error::Start { program: "go".to_owned(), source })?;
        if !status.success() {
            let output = command::last_lines(&said.join("\n"), 20);
            return Err(Error::Command { command: shown, status: status.to_string(), output });
        }
        match self.programs.iter().find(|program| !target.join("bin").join(program).is_file()) {
            Some(program) => Err(Error::Command {
                command: shown,
                status: "success".to_owned(),
                output: format!("but it made no program `{program}`"),
            }),
            None => Ok(()),
        }
    }
}

/// Builds a module from a copy that has the file, since Go lets nobody change its own copy.
async fn complete(addition: Addition, go: &Go, source: &Path) -> Result<()> {
    let Addition { module, path, content } = addition;
    let published = folder_of(module, go, source).await?;
    if published.join(path).is_file() {
        return Ok(());
    }
    let copied = source.join("completed").join(module);
    copy(&published, &copied)?;
    let file = copied.join(path);
    std::fs::write(&file, content).map_err(Error::file("write", file))?;
    let mut edit = go_command(go, source);
    edit.args(["mod", "edit", &format!("-replace={module}=./completed/{module}")]);
    command::run(edit).await.map(drop)
}

/// Where Go keeps a module.
async fn folder_of(module: &str, go: &Go, source: &Path) -> Result<PathBuf> {
    let mut list = go_command(go, source);
    list.args(["list", "-mod=readonly", "-m", "-f", "{{.Dir}}", module]);
    Ok(PathBuf::from(command::run(list).await?.trim()))
}

async fn keep(asset: Asset, go: &Go, source: &Path, target: &Path) -> Result<()> {
    let (Asset::Objects { module, path } | Asset::Folder { module, path }) = asset;
    let from = folder_of(module, go, source).await?.join(path);
    match asset {
        Asset::Objects { .. } => {
            let objects = manifest::read_yaml(&from)?;
            manifest::save(&target.join("objects").join(path).with_extension("json"), &objects)
        }
        Asset::Folder { .. } => copy(&from, &target.join("folders").join(path)),
    }
}

/// Copies the content only: the files of a module are read-only, ours should not be.
fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to).map_err(Error::file("create", to))?;
    for entry in std::fs::read_dir(from).map_err(Error::file("read", from))? {
        let entry = entry.map_err(Error::file("read", from))?;
        let (path, copied) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &copied)?;
        } else {
            let content = std::fs::read(&path).map_err(Error::file("read", &path))?;
            std::fs::write(&copied, content).map_err(Error::file("write", &copied))?;
        }
    }
    Ok(())
}

fn go_command(go: &Go, folder: &Path) -> Command {
    let mut command = Command::new("go");
    command.current_dir(folder).stdin(Stdio::null());
    command.env("CGO_ENABLED", "0").env("GOTOOLCHAIN", "local").env("GOPROXY", &go.proxy).env("GOWORK", "off");
    command
}

/// Where built tools are kept: outside of every checkout, so that a fresh clone builds nothing again.
fn cache() -> Result<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| Some(std::env::home_dir()?.join(".cache")))
        .unwrap_or_else(|| PathBuf::from("/var/cache"));
    let cache = base.join("kibertas-rs/components");
    std::fs::create_dir_all(&cache).map_err(Error::file("create", &cache))?;
    Ok(cache)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(
        files: &'static [(&'static str, &'static str)],
        variables: &'static [(&'static str, &'static str)],
    ) -> GoTool {
        GoTool { name: "x", files, programs: &["x"], variables, additions: &[], assets: &[] }
    }

    #[test]
    fn the_key_changes_with_every_input() {
        let one = tool(&[("go.mod", "a"), ("go.sum", "b")], &[]).key("go1");
        assert!(one.starts_with("x-") && one.len() == 18, "{one}");
        assert_eq!(one, tool(&[("go.mod", "a"), ("go.sum", "b")], &[]).key("go1"));
        assert_ne!(one, tool(&[("go.mod", "a"), ("go.sum", "b")], &[]).key("go2"));
        assert_ne!(one, tool(&[("go.mod", "ab"), ("go.sum", "")], &[]).key("go1"));
        assert_ne!(one, tool(&[("go.mod", "a"), ("go.sum", "b")], &[("v", "1")]).key("go1"));
        let additions = &[Addition { module: "m", path: "f", content: "c" }];
        let completed = GoTool { additions, ..tool(&[("go.mod", "a"), ("go.sum", "b")], &[]) };
        assert_ne!(one, completed.key("go1"));
    }
}
