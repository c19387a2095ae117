//! versitygw: an S3 server on a folder.

use std::path::PathBuf;

use async_trait::async_trait;
use serde_json::json;

use crate::component::{Component, Facts};
use crate::context::Context;
use crate::process::Invocation;
use crate::ready::{self, Seen};
use crate::site::Site;
use crate::tool::{GoTool, go_files};
use crate::{Error, Result, S3, state};

const VERSITYGW: GoTool = GoTool {
    name: "versitygw",
    files: go_files!("versitygw"),
    programs: &["versitygw"],
    variables: &[],
    additions: &[],
    assets: &[],
};

/// Where it listens on the node.
pub(crate) const PORT: u16 = 7070;
/// The region that requests have to name, as with AWS.
pub(crate) const REGION: &str = "ap-northeast-1";
pub(crate) const ACCESS_KEY: &str = "test";
pub(crate) const SECRET_KEY: &str = "testsecret";
/// An account that may do nothing in the bucket.
const STRANGER: (&str, &str) = ("stranger", "strangersecret");
/// The bucket that is there from the start.
pub(crate) const BUCKET: &str = "kubernetes-logs";

/// How it is reached.
pub(crate) fn s3(site: &Site) -> S3 {
    S3 {
        address: (site.addresses().node(), PORT).into(),
        region: REGION,
        access_key: ACCESS_KEY,
        secret_key: SECRET_KEY,
        stranger: STRANGER,
        bucket: BUCKET,
    }
}

/// The folder of the accounts beside the root account.
fn accounts(site: &Site) -> PathBuf {
    site.path("s3-accounts")
}

pub(crate) struct Versitygw;

#[async_trait]
impl Component for Versitygw {
    fn facts(&self) -> &'static Facts {
        &Facts {
            name: "versitygw",
            about: "an S3 server with the bucket kubernetes-logs",
            profile: None,
            needs: &[],
            tools: &[&VERSITYGW],
            packages: &[],
        }
    }

    async fn prepare(&self, cx: &Context) -> Result<()> {
        // A bucket is a folder.
        let bucket = cx.site().path("s3").join(BUCKET);
        std::fs::create_dir_all(&bucket).map_err(Error::file("create", bucket))?;
        let accounts = accounts(cx.site());
        std::fs::create_dir_all(&accounts).map_err(Error::file("create", &accounts))?;
        let (access, secret) = STRANGER;
        let stranger = json!({"access": access, "secret": secret, "role": "user", "userID": 65534, "groupID": 65534});
        state::write(&accounts.join("users.json"), &json!({"accessAccounts": {access: stranger}}))
    }

    async fn invocation(&self, cx: &Context) -> Result<Invocation> {
        Ok(Invocation::new(cx.tool(&VERSITYGW)?.program("versitygw"))
            .env("ROOT_ACCESS_KEY", ACCESS_KEY)
            .env("ROOT_SECRET_KEY", SECRET_KEY)
            .flag("port", format!("{}:{PORT}", cx.site().addresses().node()))
            .flag("region", REGION)
            .flag("iam-dir", accounts(cx.site()).display().to_string())
            .arg("posix")
            .arg(cx.site().path("s3").display().to_string()))
    }

    async fn ready(&self, cx: &Context, seen: &Seen) -> Result<()> {
        ready::tcp(cx, seen, PORT).await;
        Ok(())
    }
}
