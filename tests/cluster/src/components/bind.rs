//! BIND: answers for the cluster's own DNS zone, which external-dns writes by RFC 2136 updates.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};

use crate::component::{Component, Facts, Profile};
use crate::context::Context;
use crate::packages::Package;
use crate::process::Invocation;
use crate::ready::{self, Seen};
use crate::site::Site;
use crate::{Error, Result, state};

const NAMED: Package = Package { program: "named", name: "bind9" };

/// The name of the key that allows updates.
pub(crate) const KEY: &str = "external-dns";
/// Its algorithm.
pub(crate) const KEY_ALGORITHM: &str = "hmac-sha256";

pub(crate) struct Bind;

#[async_trait]
impl Component for Bind {
    fn facts(&self) -> &'static Facts {
        &Facts {
            name: "bind",
            about: "answers for the cluster's DNS zone",
            profile: Some(Profile::Full),
            needs: &[],
            tools: &[],
            packages: &[NAMED],
        }
    }

    async fn prepare(&self, cx: &Context) -> Result<()> {
        let site = cx.site();
        let zone = folder(site).join("zone.db");
        let key = key(site)?;
        if !zone.exists() {
            // The last number is for how long an answer that there is no such name may be kept.
            let node = site.addresses().node();
            let text = format!("$TTL 5\n@ IN SOA ns1 admin 1 60 60 600 5\n@ IN NS ns1\nns1 IN A {node}\n");
            state::write_text(&zone, text)?;
        }
        state::write_text(&folder(site).join("named.conf"), config(site, &key))?;
        // Debian confines /usr/sbin/named, by its path, to folders of its own (AppArmor).
        if let Some(named) = NAMED.find() {
            std::fs::copy(&named, program(site)).map_err(Error::file("copy", named))?;
        }
        Ok(())
    }

    async fn invocation(&self, cx: &Context) -> Result<Invocation> {
        let config = folder(cx.site()).join("named.conf").display().to_string();
        // In the foreground, its log to standard error, one thread.
        Ok(Invocation::new(program(cx.site())).args(["-g", "-n", "1", "-c"]).arg(config))
    }

    async fn ready(&self, cx: &Context, seen: &Seen) -> Result<()> {
        ready::dns_zone(seen, cx.site().addresses().dns_server(), &cx.site().zone()).await;
        Ok(())
    }
}

fn folder(site: &Site) -> PathBuf {
    site.path("bind")
}

fn program(site: &Site) -> PathBuf {
    folder(site).join("named")
}

/// The secret of the key that allows updates; made if it is missing.
pub(crate) fn key(site: &Site) -> Result<String> {
    let file = folder(site).join("key");
    if !file.exists() {
        let random = Path::new("/dev/urandom");
        let mut secret = [0; 32];
        std::fs::File::open(random)
            .and_then(|mut source| std::io::Read::read_exact(&mut source, &mut secret))
            .map_err(Error::file("read", random))?;
        state::write_text(&file, STANDARD.encode(secret))?;
    }
    std::fs::read_to_string(&file).map_err(Error::file("read", file))
}

fn config(site: &Site, key: &str) -> String {
    let (folder, zone, node) = (folder(site), site.zone(), site.addresses().node());
    let folder = folder.display();
    format!(
        r#"key "{KEY}" {{ algorithm {KEY_ALGORITHM}; secret "{key}"; }};
options {{
  directory "{folder}";
  pid-file none;
  session-keyfile "{folder}/session.key";
  managed-keys-directory "{folder}";
  listen-on port 53 {{ {node}; }};
  listen-on-v6 {{ none; }};
  recursion no;
  dnssec-validation no;
  allow-transfer {{ key "{KEY}"; }};
}};
controls {{ }};
zone "{zone}" {{
  type primary;
  file "{folder}/zone.db";
  update-policy {{ grant "{KEY}" zonesub ANY; }};
}};
"#
    )
}
