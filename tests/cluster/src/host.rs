//! Whether this machine can run the cluster at all.

use crate::{Error, Result, command};

/// Network namespaces, mounts and cgroups are the superuser's.
pub(crate) fn check() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Err(Error::Host {
            missing: "the test cluster makes network namespaces, mounts and cgroups, for which it has to run as root \
                      (try `sudo -E cargo cluster …`)."
                .to_owned(),
        });
    }
    Ok(())
}

/// What Go says about itself: it builds the components.
#[derive(Clone, Debug)]
pub(crate) struct Go {
    /// Such as `go1.26.8`.
    pub(crate) version: String,
    /// GOPROXY, to be set for builds.
    pub(crate) proxy: String,
}

impl Go {
    pub(crate) async fn find() -> Result<Self> {
        let output =
            command::run(command::command("go", ["env", "GOVERSION", "GOPROXY"])).await.map_err(
                |error| {
                    match error {
            Error::Start { .. } => Error::Host {
                missing: "the test cluster builds its components with Go, and there is no `go` in PATH (version 1.26 \
                          or later; https://go.dev/doc/install)."
                    .to_owned(),
            },
            other => other,
        }
                },
            )?;
        let mut lines = output.lines();
        Ok(Self {
            version: lines.next().unwrap_or_default().to_owned(),
            // A module that the proxy lacks would be looked for at its origin: slow to fail where that is cut off, and
            // never right, since all of go.sum comes from the proxy.
            proxy: lines.next().unwrap_or_default().replace("direct", "off"),
        })
    }
}
