//! A git repository with an add-on and the chart, as a platform team has it.

use std::path::Path;
use std::process::Command;

use libtest_mimic::Failed;
use tempfile::TempDir;

/// The repository; gone when dropped.
pub(crate) struct Repository {
    folder: TempDir,
}

impl Repository {
    /// Makes it, with one commit.
    pub(crate) fn new() -> Result<Self, Failed> {
        let repository = Self { folder: tempfile::tempdir()? };
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("charts"), &repository.folder.path().join("charts"))?;
        repository.git(&["init", "--quiet", "--initial-branch", "main"])?;
        repository.git(&["add", "--all"])?;
        repository.git(&["commit", "--quiet", "--message", "The chart"])?;
        Ok(repository)
    }

    /// Where Argo CD clones it from.
    pub(crate) fn url(&self) -> String {
        format!("file://{}", self.folder.path().display())
    }

    /// The commit that is there, in full.
    pub(crate) fn head(&self) -> Result<String, Failed> {
        self.git(&["rev-parse", "HEAD"])
    }

    fn git(&self, args: &[&str]) -> Result<String, Failed> {
        let name = ["-c", "user.name=platform", "-c", "user.email=platform@example.com"];
        let output = Command::new("git").current_dir(self.folder.path()).args(name).args(args).output()?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        } else {
            Err(format!("git {args:?}: {}", String::from_utf8_lossy(&output.stderr)).into())
        }
    }
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy(&source, &target)?;
        } else {
            std::fs::copy(&source, &target)?;
        }
    }
    Ok(())
}
