//! Programs that come from Debian packages.

use std::path::{Path, PathBuf};

use crate::progress::Progress;
use crate::{Error, Result, command};

/// A program, and the Debian package that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Package {
    /// The file that is looked for: a program in the system's folders, or an absolute path.
    pub program: &'static str,
    /// The package that has it.
    pub name: &'static str,
}

/// What the crate itself runs, whatever the components.
pub(crate) const OURS: &[Package] = &[
    Package { program: "ip", name: "iproute2" },
    Package { program: "nsenter", name: "util-linux" },
    Package { program: "setsid", name: "util-linux" },
];

const FOLDERS: &[&str] = &["/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/usr/local/bin"];

impl Package {
    /// Where the program is; `None` if it is missing.
    pub(crate) fn find(&self) -> Option<PathBuf> {
        FOLDERS.iter().map(|folder| Path::new(folder).join(self.program)).find(|path| path.exists())
    }
}

/// Makes sure that all programs are there: installs what is missing, or refuses and lists it.
pub(crate) async fn ensure(packages: &[Package], install: bool, progress: &Progress) -> Result<()> {
    let missing: Vec<_> = packages.iter().filter(|package| package.find().is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let mut names: Vec<_> = missing.iter().map(|package| package.name).collect();
    names.sort_unstable();
    names.dedup();
    let refused = || Error::Packages {
        missing: missing.iter().map(|package| format!("{} ({})", package.program, package.name)).collect(),
        command: format!("apt-get install --no-install-recommends {}", names.join(" ")),
    };
    if !install || !Path::new("/usr/bin/apt-get").exists() {
        return Err(refused());
    }
    for name in &names {
        progress.say(&format!("installing the Debian package {name}"));
    }
    let apt = |arguments: &[&str]| {
        let mut apt = command::command("apt-get", arguments);
        apt.env("DEBIAN_FRONTEND", "noninteractive");
        apt
    };
    // The lists may be missing or old: then they are fetched once.
    let install = [&["install", "--yes", "--no-install-recommends"], names.as_slice()].concat();
    if command::run(apt(&install)).await.is_err() {
        command::run(apt(&["update"])).await?;
        command::run(apt(&install)).await?;
    }
    if missing.iter().any(|package| package.find().is_none()) {
        return Err(refused());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Package = Package { program: "no-such-program", name: "no-such-package" };

    #[test]
    fn programs_are_found_where_the_system_has_them() {
        assert!(Package { program: "sh", name: "dash" }.find().is_some());
        assert!(Package { program: "/bin/sh", name: "dash" }.find().is_some());
        assert_eq!(NONE.find(), None);
    }

    #[tokio::test]
    async fn without_leave_to_install_the_missing_are_listed() {
        let error = ensure(&[NONE], false, &Progress::silent()).await.unwrap_err().to_string();
        assert!(error.contains("no-such-program (no-such-package)"), "{error}");
        assert!(error.contains("apt-get install --no-install-recommends no-such-package"), "{error}");
    }
}
