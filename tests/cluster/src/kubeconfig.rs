//! Kubeconfig files: who speaks to the API server, and how it is reached.

use std::path::{Path, PathBuf};

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::pki::{Authority, Pair};
use crate::site::Site;
use crate::{Error, Result, state};

/// How a user proves who it is.
pub(crate) enum Credentials<'a> {
    Certificate(&'a Pair),
    Token(&'a str),
}

/// Writes a kubeconfig that needs no other file. It names the cluster by the cluster's name.
pub(crate) fn write(site: &Site, path: &Path, credentials: &Credentials<'_>) -> Result<()> {
    let authority = encoded(&Authority::Cluster.ensure(site)?.certificate)?;
    let user = match credentials {
        Credentials::Certificate(pair) => format!(
            "{{client-certificate-data: {}, client-key-data: {}}}",
            encoded(&pair.certificate)?,
            encoded(&pair.key)?
        ),
        Credentials::Token(token) => format!("{{token: {token}}}"),
    };
    state::write_text(path, text(site.name(), &site.addresses().api_server().to_string(), &authority, &user))
}

fn text(cluster: &str, server: &str, authority: &str, user: &str) -> String {
    format!(
        "apiVersion: v1\n\
         kind: Config\n\
         current-context: {cluster}\n\
         contexts:\n\
         - name: {cluster}\n  context: {{cluster: {cluster}, user: {cluster}}}\n\
         clusters:\n\
         - name: {cluster}\n  cluster: {{server: \"https://{server}\", certificate-authority-data: {authority}}}\n\
         users:\n\
         - name: {cluster}\n  user: {user}\n"
    )
}

/// The kubeconfig of a user with a client certificate; made if it is missing.
pub(crate) fn of_user(site: &Site, file: &str, user: &str, groups: &[&str]) -> Result<PathBuf> {
    let path = site.path(file).with_extension("kubeconfig");
    if !path.exists() {
        let pair = Authority::Cluster.issue(site, file, user, groups, &[])?;
        write(site, &path, &Credentials::Certificate(&pair))?;
    }
    Ok(path)
}

fn encoded(path: &Path) -> Result<String> {
    Ok(STANDARD.encode(std::fs::read(path).map_err(Error::file("read", path))?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Addresses;

    #[test]
    fn the_file_is_a_kubeconfig() {
        let folder = tempfile::tempdir().unwrap();
        let site = Site::new(folder.path(), "blue", Addresses::of(1).unwrap());
        let path = of_user(&site, "admin", "admin", &["system:masters"]).unwrap();
        let config = kube::config::Kubeconfig::read_from(path).unwrap();
        assert_eq!(config.current_context.as_deref(), Some("blue"));
        let cluster = config.clusters[0].cluster.as_ref().unwrap();
        assert_eq!(cluster.server.as_deref(), Some("https://10.99.1.2:6443"));
        assert!(config.auth_infos[0].auth_info.as_ref().unwrap().client_key_data.is_some());
    }
}
