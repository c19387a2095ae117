//! Redis: Argo CD's cache.

use async_trait::async_trait;

use super::REDIS_PORT;
use crate::Result;
use crate::component::{Component, Facts};
use crate::context::Context;
use crate::packages::Package;
use crate::process::Invocation;
use crate::ready::{self, Seen};

const REDIS: Package = Package { program: "redis-server", name: "redis-server" };

pub(in crate::components) struct Redis;

#[async_trait]
impl Component for Redis {
    fn facts(&self) -> &'static Facts {
        &Facts { name: "redis", about: "Argo CD's cache", profile: None, needs: &[], tools: &[], packages: &[REDIS] }
    }

    async fn invocation(&self, cx: &Context) -> Result<Invocation> {
        let (node, port) = (cx.site().addresses().node().to_string(), REDIS_PORT.to_string());
        let program = REDIS.find().unwrap_or_else(|| REDIS.program.into());
        // Nothing is kept on disk, and nobody but the cluster and this machine reaches the node.
        let arguments =
            ["--bind", &node, "--port", &port, "--protected-mode", "no", "--save", "", "--appendonly", "no"];
        Ok(Invocation::new(program).args(arguments))
    }

    async fn ready(&self, cx: &Context, seen: &Seen) -> Result<()> {
        ready::tcp(cx, seen, REDIS_PORT).await;
        Ok(())
    }
}
